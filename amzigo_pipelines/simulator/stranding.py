"""Listings that get lost for some days, so that Amazon has stock which nobody can buy.

Belongs here: which listings, when and why. Does not belong here: what follows from it: no orders
(`seller_world.py`), an inactive listing (`report_listings.py`), a line in a report (`report_stranded.py`).
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import NamedTuple

from amzigo_pipelines.simulator.catalogue import AMAZON, Listing

_DAY_S = 86_400
_CYCLE_S = 45 * _DAY_S
_LASTS_S = 6 * _DAY_S


class Cause(NamedTuple):
    """Why a listing is stranded, in Amazon's words."""

    reason: str
    action: str
    message: str


_CAUSES = (
    Cause("Listing closed", "Relist", ""),
    Cause("Pricing error", "Edit listing", "The price is outside of the limits that are set for it."),
    Cause("Listing removed", "Create removal order", "The detail page was removed."),
)


def stranded_since(listing: Listing, at: int) -> int | None:
    """The epoch second since which a listing has been stranded at an instant; None if it is not.

    One listing of Amazon's in four gets stranded, for six days of every 45.
    """
    phase = _phase(listing.fnsku, listing.marketplace_id) if listing.channel == AMAZON else None
    if phase is None:
        return None
    lasted = (at - phase) % _CYCLE_S
    return at - lasted if lasted < _LASTS_S else None


def cause(listing: Listing) -> Cause:
    """Why this listing gets stranded."""
    return _CAUSES[zlib.crc32(listing.fnsku.encode()) % len(_CAUSES)]


@cache
def _phase(fnsku: str, marketplace_id: str) -> int | None:
    chance = zlib.crc32(f"stranded/{fnsku}/{marketplace_id}".encode())
    return None if chance % 4 else chance // 4 % _CYCLE_S
