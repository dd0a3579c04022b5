"""The assets `audit_review` and `audit_retention`, and their checks, as Dagster sees them.

Belongs here: metadata, and the translation of what was done. Does not belong here: doing it (`reviews.py`,
`resources/audit/segments.py`), and when a run is asked for (`automation/audit.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from datetime import datetime, timedelta

import dagster as dg

from amzigo_pipelines.resources.audit.segments import KEPT_DAYS, delete_old
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.labels import PRIVACY_TEAM
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.review.reviews import ACCESS, TRAIL, build_trail_review, due_spans, list_reviews

AUDIT_REVIEW, AUDIT_RETENTION = dg.AssetKey("audit_review"), dg.AssetKey("audit_retention")
SIGNED_OFF, ACCESS_REVIEWED, INTACT = "reviews_signed_off", "access_reviewed", "trail_intact"
SIGN_WITHIN = timedelta(days=14)
ACCESS_WITHIN = timedelta(days=92)


def audit_assets() -> list[dg.AssetsDefinition]:
    """The two assets."""

    @dg.asset(
        key=AUDIT_REVIEW,
        group_name="retention",
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"python"},
        tags={"audit": "review"},
        description=(
            "Looks through the audit trail of every two weeks that are over: unusual volume against everybody's own "
            "past, hours, new users, readings of personal data, failed calls, denied keys, exports, changes. Checks "
            "the whole chain. Somebody has to sign each review off: `amzigo audit review sign`."
        ),
    )
    def audit_review(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        platform = context.resources.platform
        with explained():
            built = [build_trail_review(platform, start, end) for start, end in due_spans(platform)]
            unsigned = [r.review_id for r in list_reviews(platform, TRAIL) if r.signed_at is None]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(built),
                "built": ", ".join(f"{r.review_id} ({r.findings} findings)" for r in built) or "none: nothing was due",
                "not_signed_off": ", ".join(unsigned) or "none",
            }
        )

    @dg.asset(
        key=AUDIT_RETENTION,
        group_name="retention",
        required_resource_keys={"platform"},
        owners=[PRIVACY_TEAM],
        kinds={"python"},
        tags={"retention": "audit"},
        description=(
            f"Signs the audit trail's head, and deletes entries older than {KEPT_DAYS} days in whole segments: of each "
            "its signed end stays, from which the chain goes on."
        ),
    )
    def audit_retention(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        platform = context.resources.platform
        with explained():
            platform.audit.flush()
            platform.audit.sign()
            report = delete_old(platform.audit)
        return dg.MaterializeResult(
            metadata={"dagster/row_count": report.deleted, "first_entry_kept": report.first_kept}
        )

    return [audit_review, audit_retention]


def audit_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of reviews and of the chain."""

    @dg.asset_check(
        asset=AUDIT_REVIEW,
        name=SIGNED_OFF,
        required_resource_keys={"platform"},
        description=(
            f"Warns when a review of the audit trail is older than {SIGN_WITHIN.days} days and nobody signed it off, "
            "or when two weeks are over that nobody looked through."
        ),
    )
    def signed_off(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with explained():
            return check_signed_off(context.resources.platform)

    @dg.asset_check(
        asset=AUDIT_REVIEW,
        name=ACCESS_REVIEWED,
        required_resource_keys={"platform"},
        description=(
            f"Warns when nobody has reviewed for {ACCESS_WITHIN.days} days who can open what: `amzigo access sign`."
        ),
    )
    def access_reviewed(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with explained():
            return check_access_reviewed(context.resources.platform)

    @dg.asset_check(
        asset=AUDIT_RETENTION,
        name=INTACT,
        required_resource_keys={"platform"},
        description="Fails when an entry of the audit trail is changed, missing, moved or cut off; counts its entries.",
    )
    def intact(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with explained():
            found = context.resources.platform.audit.verified()
        return dg.AssetCheckResult(
            # A trail without entries was not looked at.
            passed=found.entries > 0,
            metadata={"entries": found.entries, "signed_through": found.signed_through},
        )

    return [signed_off, access_reviewed, intact]


def check_signed_off(platform: Platform) -> dg.AssetCheckResult:
    """Whether reviews are built and signed off in time."""
    now = platform.clock.now()
    known = list_reviews(platform, TRAIL)
    late = [r.review_id for r in known if r.signed_at is None and now - r.built_at > SIGN_WITHIN]
    unbuilt = [end for _, end in due_spans(platform) if now - end > SIGN_WITHIN]
    wrong = [f"{review_id} has waited for a sign-off for more than {SIGN_WITHIN.days} days" for review_id in late]
    wrong += [f"the two weeks until {end:%Y-%m-%d} were never reviewed" for end in unbuilt]
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(wrong) or "all reviews are signed off, or not late yet",
        metadata={"reviews": len(known), "late": len(late), "never_built": len(unbuilt)},
    )


def check_access_reviewed(platform: Platform) -> dg.AssetCheckResult:
    """Whether access was reviewed within a quarter; a new installation has as long."""
    now = platform.clock.now()
    signed = [review.signed_at for review in list_reviews(platform, ACCESS) if review.signed_at is not None]
    since: datetime | None = max(signed, default=None)
    if since is None:
        first = next(platform.audit.entries(), None)
        since = first.at if first else None
    passed = since is not None and now - since <= ACCESS_WITHIN
    last = f"last on {max(signed):%Y-%m-%d}" if signed else "never"
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"who can open what was reviewed: {last}"
        + ("" if passed else "; look at 'amzigo access report', then 'amzigo access sign'"),
        metadata={"reviews": len(signed)},
    )
