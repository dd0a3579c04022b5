"""The daily asset check of key ages: key-encryption keys, and the application's client secret.

Belongs here: what the check says. Does not belong here: the ages (`resources/keys/kek_status.py`,
`resources/spapi/secret_rotation.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

import dagster as dg

from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.keys import kek_status as keks
from amzigo_pipelines.resources.platform import Platform


def key_checks() -> list[dg.AssetChecksDefinition]:
    """The checks; the job `daily_retention_checks` runs them every day."""

    @dg.asset_check(
        asset="pii_retention",
        name="key_ages",
        required_resource_keys={"platform"},
        description=(
            f"No key-encryption key is used for more than {keks.LIVES_DAYS} days and no client secret for more than "
            "Amazon's 180; warns 30 days before. Fails, too, when the control database and the keys' folder do not fit."
        ),
    )
    def key_ages(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        with explained():
            return check_key_ages(context.resources.platform)

    return [key_ages]


def check_key_ages(platform: Platform) -> dg.AssetCheckResult:
    """Look at every age now."""
    status = keks.kek_status(platform)
    wrong = [f"{one.purpose}: {one.trouble}" for one in status if one.trouble]
    # A purpose without a version is one that nobody could look at.
    wrong += [f"{one.purpose}: there is no key-encryption key" for one in status if not one.version]
    wrong += [f"{one.purpose}: {one.days} days old" for one in status if one.is_old]
    soon = [f"{one.purpose}: {one.days} days old" for one in status if one.is_getting_old]
    days = _client_secret_days(platform)
    if days is not None:
        from amzigo_pipelines.resources.spapi.secret_rotation import LIVES_DAYS, WARN_FROM_DAY

        sentence = f"client secret: {days} days old, {LIVES_DAYS} at most"
        if days >= LIVES_DAYS:
            wrong.append(sentence)
        elif days >= WARN_FROM_DAY:
            soon.append(sentence)
    return dg.AssetCheckResult(
        passed=not wrong and not soon,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        description="; ".join([*wrong, *soon]) or "all keys are young enough",
        metadata={str(one.purpose): f"version {one.version}, {one.days} days old" for one in status},
    )


def _client_secret_days(platform: Platform) -> int | None:
    """None for the simulator's own, which never ends."""
    if platform.home.is_simulators_client:
        return None
    from amzigo_pipelines.resources.spapi.auth import renewed_credentials

    return platform.client_secrets.age(renewed_credentials(platform.home)).days
