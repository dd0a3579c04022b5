"""What the function of a report is given, and how tab-separated reports are put together.

Belongs here: what all reports share. Does not belong here: any one report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from amzigo_pipelines.simulator.marketplaces import Marketplace
from amzigo_pipelines.simulator.seller_world import SellerWorld

DAY_S = 86_400
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class OrderReportQuirks:
    """How the report of all orders behaves, as `SimulatorSettings` has it; without it, as Amazon documents it."""

    bulk_lines: int = 0
    has_item_ids: bool = False
    is_regional: bool = False


@dataclass(frozen=True)
class ReportRequest:
    """A report to be made.

    Attributes:
        seller: the seller's world, made until `as_of`.
        as_of: epoch second as of which the data is seen.
        markets: the marketplaces asked for, at least one.
        start, end: epoch seconds of the asked window, or None.
        options: `reportOptions` as given.
        is_localised: whether header names that Amazon translates are translated.
        quirks: how the report of all orders behaves.
    """

    seller: SellerWorld
    as_of: int
    markets: Sequence[Marketplace]
    start: float | None = None
    end: float | None = None
    options: dict[str, str] = field(default_factory=dict)
    is_localised: bool = False
    quirks: OrderReportQuirks = OrderReportQuirks()

    @property
    def market_ids(self) -> frozenset[str]:
        """The ids of the marketplaces asked for."""
        return frozenset(market.marketplace_id for market in self.markets)

    def sees(self, role: str) -> bool:
        """Whether the application has a role, `BUYER` or `RECIPIENT`."""
        return role in self.seller.profile.roles

    def window(self) -> tuple[float, float]:
        """First and last epoch second that count, both included; the day before `as_of` where nothing was asked."""
        end = self.as_of if self.end is None else min(self.end, self.as_of)
        return end - DAY_S if self.start is None else self.start, end

    def is_longer_than(self, days: int) -> bool:
        """Whether more days were asked for than a report may have; local days may have an hour more."""
        end = self.as_of if self.end is None else self.end
        return self.start is not None and end - self.start > days * DAY_S + 3_600

    def finished_days(self, market: Marketplace) -> list[date]:
        """The calendar days of a marketplace that the window touches and that were over by `as_of`, in order."""
        start, end = self.window()
        first, last = local_day(start, market), min(local_day(end, market), local_day(self.as_of, market) - _ONE_DAY)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def tab_separated(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A flat file as Amazon makes them: no quoting, tabs and line ends in values become spaces."""
    lines = ["\t".join(header)]
    lines += ["\t".join(" ".join(str(value).split()) for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def too_long(days: int) -> str:
    """What Amazon says, instead of a table, of a window that is longer than a report may be."""
    return (
        f"The requested date range is too long: the report covers at most {days} days. Please ask for a shorter one.\n"
    )


def local_day(epoch: float, market: Marketplace) -> date:
    """The calendar day of a marketplace on which an instant falls."""
    return datetime.fromtimestamp(epoch, market.zone).date()


def offset_instant(epoch: float) -> str:
    """An instant as most flat files write it: `2026-01-31T10:11:12+00:00`."""
    return datetime.fromtimestamp(int(epoch), UTC).isoformat()


def local_midnight(day: date, market: Marketplace) -> int:
    """The epoch second at which a calendar day of a marketplace begins."""
    return int(datetime(day.year, day.month, day.day, tzinfo=market.zone).timestamp())
