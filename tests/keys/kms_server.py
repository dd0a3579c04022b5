"""A small KMS over real HTTP (AWS's JSON 1.1 protocol), which really refuses what AWS KMS refuses.

Belongs here: Encrypt, Decrypt, GenerateDataKey, DescribeKey, EnableKey, DisableKey, ScheduleKeyDeletion, CreateGrant,
ListGrants, GetKeyPolicy, and a policy by access key. Moto's KMS decrypts under a disabled or deleted key, so it can't
prove that anything is refused. This one encrypts with AES-256-GCM, the encryption context as associated data. It does
not check signatures: who somebody is comes from the access key id in the request.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import uvicorn
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

REGION = "eu-central-1"


class Refused(Exception):
    """An error of AWS's, by its code."""


@dataclass
class MasterKey:
    """One KMS key."""

    key_id: str
    alias: str
    state: str = "Enabled"
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    grants: list[dict[str, Any]] = field(default_factory=list)

    @property
    def arn(self) -> str:
        return f"arn:aws:kms:{REGION}:111122223333:key/{self.key_id}"


class KmsServer:
    """Serves on a free port while its context is open.

    Attributes:
        allowed: aliases by access key id; an access key that is not in it may use every key.
        calls: how often each operation was called, refused calls included.
    """

    def __init__(self) -> None:
        self.keys: dict[str, MasterKey] = {}
        self.allowed: dict[str, set[str]] = {}
        self.calls: Counter[str] = Counter()
        self._socket = socket.create_server(("127.0.0.1", 0))
        app = Starlette(routes=[Route("/", self._answer, methods=["POST"])])
        config = uvicorn.Config(app, lifespan="off", ws="none", access_log=False, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> KmsServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=20)
        self._socket.close()

    def make(self, alias: str) -> MasterKey:
        key = MasterKey(str(uuid.uuid4()), alias)
        self.keys[key.key_id] = key
        return key

    def settings(self, kms_key: str, provider: str = "aws-kms") -> str:
        """The section of amzigo.toml that points here."""
        lines = {"provider": provider, "kms_key": kms_key, "region": REGION, "endpoint": self.url}
        return "\n[keys]\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())

    async def _answer(self, request: Request) -> JSONResponse:
        operation = request.headers.get("x-amz-target", "").removeprefix("TrentService.")
        self.calls[operation] += 1
        asked: dict[str, Any] = json.loads(await request.body())
        try:
            who = request.headers["authorization"].partition("Credential=")[2].partition("/")[0]
            key = self._key(asked, who)
            return JSONResponse(getattr(self, f"_{operation.lower()}")(key, asked))
        except Refused as refusal:
            return JSONResponse({"__type": str(refusal), "message": "refused"}, status_code=400)

    def _key(self, asked: dict[str, Any], who: str) -> MasterKey:
        name = str(asked["KeyId"] if "KeyId" in asked else _parts(asked)[0])
        for key in self.keys.values():
            if name in (key.key_id, key.arn, key.alias):
                if key.alias not in self.allowed.get(who, {key.alias}):
                    raise Refused("AccessDeniedException")
                return key
        raise Refused("NotFoundException")

    def _encrypt(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        _usable(key)
        plain, nonce = base64.b64decode(asked["Plaintext"]), secrets.token_bytes(12)
        blob = key.key_id.encode() + nonce + AESGCM(key.secret).encrypt(nonce, plain, _context(asked))
        return {"KeyId": key.arn, "CiphertextBlob": base64.b64encode(blob).decode()}

    def _decrypt(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        key_id, nonce, sealed = _parts(asked)
        if key_id != key.key_id:
            raise Refused("IncorrectKeyException" if key_id in self.keys else "InvalidCiphertextException")
        _usable(key)
        try:
            plain = AESGCM(key.secret).decrypt(nonce, sealed, _context(asked))
        except (InvalidTag, ValueError):
            raise Refused("InvalidCiphertextException") from None
        return {"KeyId": key.arn, "Plaintext": base64.b64encode(plain).decode()}

    def _generatedatakey(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        plain = base64.b64encode(secrets.token_bytes(32)).decode()
        return {**self._encrypt(key, {**asked, "Plaintext": plain}), "Plaintext": plain}

    def _describekey(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        return {"KeyMetadata": {"KeyId": key.key_id, "Arn": key.arn, "KeyState": key.state}}

    def _creategrant(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        key.grants.append({"GranteePrincipal": asked["GranteePrincipal"], "Operations": asked["Operations"]})
        return {"GrantId": str(len(key.grants))}

    def _listgrants(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["KeyId"] == key.alias:
            raise Refused("InvalidArnException")
        return {"Grants": [{"KeyId": key.arn, **grant} for grant in key.grants], "Truncated": False}

    def _getkeypolicy(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        users = sorted(who for who, aliases in self.allowed.items() if key.alias in aliases)
        return {"Policy": json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": users}}]})}

    def _enablekey(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        if key.state == "PendingDeletion":
            raise Refused("KMSInvalidStateException")
        key.state = "Enabled"
        return {}

    def _disablekey(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        key.state = "Disabled"
        return {}

    def _schedulekeydeletion(self, key: MasterKey, asked: dict[str, Any]) -> dict[str, Any]:
        if not 7 <= int(asked.get("PendingWindowInDays", 30)) <= 30:
            raise Refused("ValidationException")
        key.state = "PendingDeletion"
        return {"KeyId": key.arn, "KeyState": key.state}


def _usable(key: MasterKey) -> None:
    if key.state == "Disabled":
        raise Refused("DisabledException")
    if key.state != "Enabled":
        raise Refused("KMSInvalidStateException")


def _context(asked: dict[str, Any]) -> bytes:
    return json.dumps(asked.get("EncryptionContext", {}), sort_keys=True).encode()


def _parts(asked: dict[str, Any]) -> tuple[str, bytes, bytes]:
    blob = base64.b64decode(asked["CiphertextBlob"])
    return blob[:36].decode("ascii", "replace"), blob[36:48], blob[48:]
