"""The daily asset check of erasure requests: none may be past its deadline.

Belongs here: what the check says. Does not belong here: the deadlines (`retention/erasures.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

import dagster as dg

from amzigo_pipelines.clock import today
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention import erasures
from amzigo_pipelines.retention.erasure_assets import ERASURES
from amzigo_pipelines.retention.erasures import Source

DEADLINES = "erasure_deadlines"
_DAYS = erasures.DEADLINE_DAYS
_DESCRIPTION = (
    f"Every erasure request is certified or refused by its deadline: {_DAYS[Source.PERSON]} days after it came, "
    f"{_DAYS[Source.AMAZON]} where Amazon asked. Warns {erasures.WARN_DAYS} days before."
)


def erasure_checks() -> list[dg.AssetChecksDefinition]:
    """The checks; a schedule runs them every day, also when nobody asked for an erasure."""

    @dg.asset_check(
        asset=ERASURES,
        name=DEADLINES,
        required_resource_keys={"platform"},
        description=_DESCRIPTION,
    )
    def erasure_deadlines(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with explained():
            return check_deadlines(context.resources.platform)

    return [erasure_deadlines]


def check_deadlines(platform: Platform) -> dg.AssetCheckResult:
    """Look at every open request now."""
    late, soon = erasures.overdue(platform)
    open_requests = erasures.list_requests(platform, erasures.OPEN)
    now_on = today(platform.clock)
    sentences = [f"{r.request_id} ({r.state}) should have been done by {r.due_on}" for r in late]
    sentences += [f"{r.request_id} ({r.state}) is due in {r.days_left(now_on)} days" for r in soon]
    return dg.AssetCheckResult(
        passed=not sentences,
        severity=dg.AssetCheckSeverity.ERROR if late else dg.AssetCheckSeverity.WARN,
        description="; ".join(sentences) or f"{len(open_requests)} open requests, none of them late",
        metadata={"open": len(open_requests), "late": len(late), "due_soon": len(soon)},
    )
