"""Pages of Amazon's listings: what one is, and turning them without going round in circles.

Belongs here: page tokens and how a listing ends. Does not belong here: asking for a page (`client.py`), what is on it
(`assets/extraction/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.resources.spapi.errors import Asked, BadAnswer, PagesRepeat

if TYPE_CHECKING:
    from amzigo_pipelines.resources.spapi.library import Answer

# How often the same page token, or pages without anything new, may come in a row before it is no accident.
_REPEATS = 3


@dataclass(frozen=True)
class Page:
    """One page of a listing, as Amazon wrote it.

    Attributes:
        rows: orders, or inventory summaries: JSON objects with all that is in them.
        marketplace_ids: which marketplaces were asked.
    """

    rows: list[dict[str, Any]]
    marketplace_ids: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Page({len(self.rows)} rows)"


class Turns:
    """Turning pages, with an eye on listings that go round in circles."""

    def __init__(self, asked: Asked, id_field: str) -> None:
        self.asked = asked
        self.token: str | None = None
        self._id_field = id_field
        self._times_seen: dict[str, int] = {}
        self._known_ids: set[object] = set()
        self._pages_without_news = 0

    def parameter(self, name: str) -> dict[str, str]:
        """The parameter that asks for the next page; none for the first."""
        return {} if self.token is None else {name: self.token}

    def go_on(self, answer: Answer, rows: list[dict[str, Any]]) -> bool:
        """Whether there is another page after this one.

        Raises:
            PagesRepeat: it would be one that was there before, again and again.
            BadAnswer: the next page's token is no text.
        """
        ids = {row.get(self._id_field) for row in rows}
        has_news = not rows or not ids <= self._known_ids
        self._known_ids |= ids
        self._pages_without_news = 0 if has_news else self._pages_without_news + 1
        # getReports has its token beside the rows, listTransactions in its payload, the others in an object of its own.
        holders = (answer.payload.get("pagination"), answer.payload.get("payload"), answer.payload)
        token = next(
            (holder["nextToken"] for holder in holders if isinstance(holder, dict) and "nextToken" in holder), None
        )
        if token is None or token == "":
            return False
        if not isinstance(token, str):
            raise BadAnswer(self.asked, "the page's next token is no text")
        self._times_seen[token] = self._times_seen.get(token, 0) + 1
        if self._times_seen[token] > _REPEATS or self._pages_without_news >= _REPEATS:
            raise PagesRepeat(self.asked, "Amazon keeps sending the same pages: stopped, try again later")
        self.token = token
        return True


def is_rows(rows: object) -> bool:
    """Whether a part of an answer is a list of JSON objects."""
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
