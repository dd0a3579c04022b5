"""The section `[retention]` of the settings: how long each class may live, and when a sweep stops to ask.

Belongs here: the figures and their limits. Does not belong here: dates of death (`retention/dates.py`,
`lake/files.py`), and what the guard does (`retention/guard.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amzigo_pipelines.catalog.periods import LONGEST_DAYS, PERIOD_DAYS, RetentionClass

_WHY = {
    RetentionClass.PII: "Amazon allows buyers' data for 30 days after delivery at most",
    RetentionClass.PSEUDONYM: "pseudonyms may not outlive the orders that they stand in",
    RetentionClass.BUSINESS: "Amazon allows its data for 18 months at most",
}


@dataclass(frozen=True)
class RetentionSettings:
    """Periods and the guard. A changed period counts for keys made from then on: a date of death is never moved.

    Attributes:
        pii_days: days after the last moment at which an order is known not to have been delivered; at most 30.
        pseudonym_days: days after the first of the partition's month; at most 548.
        business_days: the same for all other columns; at most 548.
        guard_share: a sweep stops for a seller of whose keys more than this share is due at once (0 to 1).
        guard_keys: and more than so many keys: below, nothing stops it.
    """

    pii_days: int = PERIOD_DAYS[RetentionClass.PII]
    pseudonym_days: int = PERIOD_DAYS[RetentionClass.PSEUDONYM]
    business_days: int = PERIOD_DAYS[RetentionClass.BUSINESS]
    guard_share: float = 0.5
    guard_keys: int = 7

    def period_days(self, retention_class: RetentionClass) -> int:
        """How many days data of a class may live."""
        return int(getattr(self, f"{retention_class}_days"))


def read_retention_settings(section: Any) -> RetentionSettings:
    """The settings from the section as TOML has it; what is left out stays as it is by default.

    Raises:
        ValueError: with the sentence for the user.
    """
    if not isinstance(section, Mapping):
        raise ValueError("retention must be a section: write [retention] on a line of its own")
    if unknown := sorted(section.keys() - RetentionSettings.__dataclass_fields__.keys()):
        raise ValueError(f"[retention] has {', '.join(unknown)}, which Amzigo does not know")
    for retention_class, longest in LONGEST_DAYS.items():
        name = f"{retention_class}_days"
        if name in section and not _is_whole(section[name], 1, longest):
            raise ValueError(
                f"{name} must be a whole number from 1 to {longest}, it is {section[name]!r}: {_WHY[retention_class]}"
            )
    if "guard_share" in section and not _is_share(section["guard_share"]):
        raise ValueError(f"guard_share must be a number from 0 to 1, it is {section['guard_share']!r}")
    if "guard_keys" in section and not _is_whole(section["guard_keys"], 0, 10_000):
        raise ValueError(f"guard_keys must be a whole number from 0, it is {section['guard_keys']!r}")
    settings = RetentionSettings(**section)
    if settings.pseudonym_days > settings.business_days:
        raise ValueError(
            f"pseudonym_days ({settings.pseudonym_days}) must not be above business_days ({settings.business_days}): "
            f"{_WHY[RetentionClass.PSEUDONYM]}"
        )
    return settings


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_share(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value <= 1
