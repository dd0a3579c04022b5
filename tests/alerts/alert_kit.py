"""Servers that alerts are told to: a webhook over HTTP and a mail server over SMTP, both on this machine."""

from __future__ import annotations

import json
import ssl
import threading
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class Webhook:
    """Takes messages on a free port while its context is open.

    Attributes:
        status: what it answers.
        taken: the bodies that it answered with 200, as JSON.
        keys: the idempotency keys of all requests, refused ones included.
    """

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[dict[str, Any]] = []
        self.keys: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.keys.append(self.headers["idempotency-key"])
                if outer.status == 200:
                    outer.taken.append(json.loads(body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/hooks/s3cr3t"

    def __enter__(self) -> Webhook:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # It looks whether the server answers on the port that was asked for, which was "any".
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Mailbox:
    """A mail server on a free port while its context is open, with STARTTLS and a login if it has an authority.

    Attributes:
        letters: what it took.
        refuses: addresses that it takes no mail for.
        was_encrypted: whether each letter came over TLS.
    """

    def __init__(self, authority: trustme.CA | None = None, password: str | None = None) -> None:
        self.letters: list[Message] = []
        self.refuses: set[str] = set()
        self.was_encrypted: list[bool] = []
        context = None
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=0,
            tls_context=context,
            require_starttls=context is not None,
            auth_required=password is not None,
            authenticator=lambda server, session, envelope, how, data: AuthResult(
                success=data.password.decode() == password, handled=False
            ),
        )

    @property
    def port(self) -> int:
        return int(self._controller.port)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return f"550 no mailbox {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.letters.append(message_from_bytes(bytes(envelope.content or b""), policy=default))
        self.was_encrypted.append(session.ssl is not None)
        return "250 taken"

    def __enter__(self) -> Mailbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()
