"""A certificate as a page for people: one HTML file that needs nothing else, and prints.

Belongs here: what a page says and how it looks. Does not belong here: what a certificate states (`closing.py`) and its
check (`certificate_format.py`). The page is a rendering: what is signed is the JSON file, and the page says so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from amzigo_pipelines.retention.certificate_format import Certificate

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2024; max-width: 54rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.lead { color: #555; margin: .2rem 0 1.2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ddd; }
th { width: 15rem; font-weight: 600; } td { overflow-wrap: anywhere; }
.id { font: 12px/1.5 ui-monospace, monospace; } ul { margin: 0; padding-left: 1.1rem; }
.note { background: #f5f1e6; padding: .6rem .9rem; }
@media print { body { margin: 0; max-width: none; font-size: 11pt; } h2, h3, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .note { background: none; border: 1px solid #999; } @page { margin: 18mm; } }
"""
# Beside these a statement may hold more; whatever it holds is shown.
_FIRST = ("seller", "keys", "mart_keys", "files", "rows", "bytes")
_HIDDEN = {"salt"}


def page(certificate: Certificate) -> str:
    """The whole page."""
    body = certificate.body
    method = body["method"]
    title = f"Certificate of destruction no. {certificate.number}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{_lead(certificate)} Issued {certificate.issued_at:%Y-%m-%d %H:%M} UTC.</p>',
        _excerpt_note(certificate),
        "<h2>What was destroyed</h2>",
        *(_statement(statement) for statement in body["sellers"]),
        "<h2>How it was destroyed</h2>",
        _table(_method_rows(method)),
        "<h2>What was verified afterwards</h2>",
        _table((_label(name), _value(value)) for name, value in body["verification"].items()),
        "<h2>How to check this certificate</h2>",
        "<p>This page renders what the signed file states. The file is what counts: "
        f"<code>amzigo certificate verify {escape(certificate.file_name)} --public-key public-key.pem</code></p>",
        _table(_authenticity_rows(certificate)),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n<body>\n'
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _lead(certificate: Certificate) -> str:
    """What was destroyed, in one sentence: what a law's date, a request, or the end of a hold demanded."""
    if certificate.retention_class == "erasure":
        return f"Data that was erased on request, up to {certificate.day_of_death}."
    if certificate.retention_class == "hold":
        return f"Copies kept under a legal hold that was over on {certificate.day_of_death}."
    kind = escape(certificate.retention_class)
    return f"Data of class <b>{kind}</b> whose date of death was {certificate.day_of_death} or earlier."


def _excerpt_note(certificate: Certificate) -> str:
    if not certificate.is_excerpt:
        return ""
    shown, all_of = len(certificate.body["sellers"]), len(certificate.body["statements_sha256"])
    return (
        f'<p class="note">An excerpt: {shown} of the {all_of} statements about sellers. The others are named by their '
        "hashes only; the signature covers all of them, and holds for the excerpt.</p>"
    )


def _statement(statement: Mapping[str, Any]) -> str:
    names = [name for name in _FIRST if name in statement]
    names += [name for name in statement if name not in _FIRST and name not in _HIDDEN]
    rows = ((_label(name), _value(statement[name])) for name in names if name != "seller")
    return f"<h3>Seller {escape(str(statement['seller']))}</h3>{_table(rows)}"


def _method_rows(method: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "Sanitization method", "Purge"
    yield "Technique", "Cryptographic Erase (CE)"
    for name, value in method.items():
        yield _label(name), _value(value)


def _authenticity_rows(certificate: Certificate) -> Iterable[tuple[str, str]]:
    body = certificate.body
    yield "Certificate id", _id(body["certificate_id"])
    yield "Made by", f"amzigo-pipelines {escape(str(body['code_version']))}, format {escape(str(body['format']))}"
    yield "SHA-256 of what is signed", _id(certificate.hash)
    yield "SHA-256 of the certificate before", _id(certificate.previous_hash)
    yield "Public key (Ed25519)", _id(body["public_key"])
    yield "Signature", _id(base64.b64encode(certificate.signature).decode())


def _table(rows: Iterable[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in rows) + "</table>"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, Mapping):
        return _table((escape(str(name)), _value(inner)) for name, inner in value.items())
    if isinstance(value, list):
        if all(isinstance(one, str) and " " not in one for one in value):
            return f'<span class="id">{escape(", ".join(value))}</span>'
        return "<ul>" + "".join(f"<li>{_value(one)}</li>" for one in value) + "</ul>"
    return escape(str(value))


def _id(text: str) -> str:
    return f'<span class="id">{escape(str(text))}</span>'


def _label(name: str) -> str:
    text = name.replace("_", " ")
    return escape(text[:1].upper() + text[1:])
