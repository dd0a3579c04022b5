"""What the function of a report is given, and how tab-separated reports are put together.

Belongs here: what all reports share. Does not belong here: any one report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.seller_world import SellerWorld


@dataclass(frozen=True)
class ReportRequest:
    """A report to be made.

    Attributes:
        seller: the seller's world, made until `as_of`.
        as_of: epoch second as of which the data is seen.
        markets: the marketplaces asked for, at least one.
        start, end: epoch seconds of the asked window, or None.
        options: `reportOptions` as given.
    """

    seller: SellerWorld
    as_of: int
    markets: Sequence[Marketplace]
    start: float | None = None
    end: float | None = None
    options: dict[str, str] = field(default_factory=dict)


def tab_separated(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A flat file as Amazon makes them: no quoting, tabs and line ends in values become spaces."""
    lines = ["\t".join(header)]
    lines += ["\t".join(" ".join(str(value).split()) for value in row) for row in rows]
    return "\n".join(lines) + "\n"
