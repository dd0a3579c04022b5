"""Why Amazon gave up a query of Data Kiosk: its error document, in one sentence that holds nobody's data.

Belongs here: reading that document. Does not belong here: downloads (`documents.py`), when a query is asked again
(`desk.py`).

The form of the document is not published. GraphQL's own is expected, `{"errors": [{"message": ..., "path": ...}]}`;
anything else is told by its structure. Of messages words are kept and values are not: what stands in quotes, has an @
or holds a digit could be a buyer's or a seller's.
"""

from __future__ import annotations

import json
import re
from typing import Any

from amzigo_pipelines.resources.reports.documents import Report, document_text
from amzigo_pipelines.resources.spapi.client import SellingPartner
from amzigo_pipelines.resources.spapi.errors import SpApiError

_MOST_BYTES = 1 << 16
_MOST_ERRORS, _MOST_CHARACTERS, _MOST_NAMES = 3, 200, 12
_QUOTED = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'|`[^`]*`")
_VALUE = re.compile(r"\S*[\d@]\S*")
_NAME = re.compile(r"[A-Za-z_]{1,40}")


def refusal_told(partner: SellingPartner, report: Report) -> str:
    """What the error document of a query says; that it could not be read where it couldn't.

    Args:
        partner: acts for the seller.
        report: the query, its `document_id` that of the error document.
    """
    try:
        text = document_text(partner, report, _MOST_BYTES)
    except SpApiError:
        # The query was given up, whatever becomes of the reason.
        return "a reason that could not be read"
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return f"'{_words(text)}'" if text.strip() else "a reason that is empty"
    errors = found.get("errors") if isinstance(found, dict) else None
    if not isinstance(errors, list) or not errors:
        return f"an error document of another form: {_structure(found)}"
    told = [_error(error) for error in errors[:_MOST_ERRORS]]
    more = f" and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
    return "; ".join(dict.fromkeys(told)) + more


def _error(error: Any) -> str:
    if not isinstance(error, dict):
        return _structure(error)
    extensions = error.get("extensions")
    code = error.get("code") or (extensions.get("code") if isinstance(extensions, dict) else None)
    path = error.get("path")
    named = [part for part in path if isinstance(part, str) and _NAME.fullmatch(part)] if isinstance(path, list) else []
    parts = [
        code if isinstance(code, str) and _NAME.fullmatch(code) else "",
        f"'{_words(error['message'])}'" if isinstance(error.get("message"), str) else "",
        f"at {'.'.join(named)}" if named else "",
    ]
    return " ".join(part for part in parts if part) or f"an error of another form: {_structure(error)}"


def _words(text: str) -> str:
    """A message without its values."""
    bare = _VALUE.sub("*", _QUOTED.sub("*", " ".join(text.split())))
    return bare if len(bare) <= _MOST_CHARACTERS else f"{bare[:_MOST_CHARACTERS]}..."


def _structure(found: Any) -> str:
    """What a document is made of: names of fields and kinds of values."""
    if isinstance(found, dict):
        names = [name if _NAME.fullmatch(name) else "*" for name in list(found)[:_MOST_NAMES]]
        return f"an object of {', '.join(names) or 'nothing'}"
    return f"a list of {len(found)}" if isinstance(found, list) else f"a {type(found).__name__}"
