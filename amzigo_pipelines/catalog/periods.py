"""Retention classes, and how long data of each may live.

Belongs here: the policy's figures. Does not belong here: which column is of which class (the datasets), and
what an installation chooses within these limits (`resources/retention_settings.py`). Imports nothing: the settings are
read by commands that need no Arrow.
"""

from __future__ import annotations

from enum import StrEnum


class RetentionClass(StrEnum):
    """How long a column's data may live; the value is used in file names, keys and tags."""

    PII = "pii"
    PSEUDONYM = "pseudonym"
    BUSINESS = "business"


# Days that data of a class may live. PII: Amazon's Data Protection Policy, 30 days after delivery. Business: the
# same policy's 18 months. Pseudonyms: our own choice between the two.
PERIOD_DAYS: dict[RetentionClass, int] = {
    RetentionClass.PII: 30,
    RetentionClass.PSEUDONYM: 365,
    RetentionClass.BUSINESS: 548,
}
# What an installation may choose at most. Less is always allowed.
LONGEST_DAYS: dict[RetentionClass, int] = {
    RetentionClass.PII: 30,
    RetentionClass.PSEUDONYM: 548,
    RetentionClass.BUSINESS: 548,
}
