"""What a promise's evidence is: found today, missing, or not ours to show.

Belongs here: the words. Does not belong here: any promise (`table.py`) or looking for its evidence (`data.py`,
`protection.py`, `people.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from amzigo_pipelines.errors import AmzigoError

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


class State(StrEnum):
    """How a promise stands."""

    GREEN = "green"
    RED = "red"
    DEPLOYMENT = "deployment"


class NoEvidence(AmzigoError):
    """Evidence is missing, or speaks against the promise; the sentence says what to do."""


Look = Callable[["Platform"], str]
"""Looks for evidence, now. Returns what was found as a sentence; raises an `AmzigoError` where there is none."""


@dataclass(frozen=True)
class Promise:
    """One row of the table.

    Attributes:
        clause: of Amzigo's data policy; `DPP` and `AUP` are Amazon's Data Protection and Acceptable Use Policies.
        promise: what is promised, in our words.
        kept_by: what of this project keeps it.
        proof: the tests or commands that show it at any time, as a reader may run them.
        look: finds today's evidence in an installation; None where nothing in it can be looked at.
        deployment: what only whoever runs the installation can keep, with the setting; empty: nothing.
    """

    clause: str
    promise: str
    kept_by: str
    proof: str
    look: Look | None
    deployment: str = ""


@dataclass(frozen=True)
class Evidence:
    """How one promise stands today.

    Attributes:
        promise: which.
        state: red where any part of it lacks evidence; deployment where nothing of it is ours to show.
        finding: what was found, or what to do.
    """

    promise: Promise
    state: State
    finding: str


def look_at(promise: Promise, platform: Platform) -> Evidence:
    """Find today's evidence of a promise. What can't be looked at is red, whatever the reason."""
    if promise.look is None:
        return Evidence(promise, State.DEPLOYMENT, promise.deployment)
    try:
        found = promise.look(platform)
    except AmzigoError as error:
        return Evidence(promise, State.RED, str(error))
    except OSError as error:
        return Evidence(promise, State.RED, f"{error.filename or 'a file'} can't be looked at: {error.strerror}")
    more = f" Deployment: {promise.deployment}" if promise.deployment else ""
    return Evidence(promise, State.GREEN, f"{found}.{more}")
