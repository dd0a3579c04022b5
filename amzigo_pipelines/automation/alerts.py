"""Telling people: the sensor that keeps the book of alerts and delivers what it says.

Belongs here: when it looks. Does not belong here: what it finds (`alert_conditions.py`), what is told
(`resources/alerts/`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotations of sensors itself.

import dagster as dg
import sqlalchemy as sa

from amzigo_pipelines.automation.alert_conditions import check_states, ended_runs, owners_of
from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.quality.erasure_checks import DEADLINES
from amzigo_pipelines.resources.control.schema import installation
from amzigo_pipelines.resources.failures import explained
from amzigo_pipelines.resources.platform import Platform
from amzigo_pipelines.retention.assets import asset_name
from amzigo_pipelines.retention.checks import CHECK
from amzigo_pipelines.retention.erasure_assets import ERASURES

# The promises with dates: silence about them is a trouble of its own.
DAILY_CHECKS = (
    *(dg.AssetCheckKey(dg.AssetKey(asset_name(one)), CHECK) for one in RetentionClass),
    dg.AssetCheckKey(dg.AssetKey("pii_retention"), "key_ages"),
    dg.AssetCheckKey(ERASURES, DEADLINES),
)


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Tells owners of failed runs and checks by webhook and mail ([alerts] in amzigo.toml): once when a trouble "
        "begins, once when it is over, and daily while an error stands. Without routes it only keeps the book."
    ),
)
def tell_alerts(context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
    """Bring the book up to date with Dagster's records, then deliver."""
    with explained():
        graph = context.repository_def.asset_graph if context.repository_def is not None else None
        if graph is None:
            return dg.SkipReason("No code location: nothing to look at.")
        runs = ended_runs(context.instance, float(context.cursor or 0.0))
        with platform.control.read() as connection:
            installed_at = connection.execute(sa.select(installation.c.created_at)).scalar_one()
        checks = check_states(
            context.instance,
            keys=graph.asset_check_keys,
            owners=owners_of((key, graph.get(key).owners) for key in graph.get_all_asset_keys()),
            daily=DAILY_CHECKS,
            installed_at=installed_at,
            now=platform.clock.now(),
        )
        changes = platform.alerts.update(
            [*runs.failed.values(), *checks.failed],
            # A failed run is over with the next one that succeeds; a check with its next word.
            is_over=lambda key: key in runs.mended if key.startswith("run|") else key not in checks.undecided,
        )
        # Only now: a turn that died before is done again.
        context.update_cursor(str(runs.until))
        taken, reasons = platform.alert_delivery.run()
    said = ", ".join(f"{number} {change}" for change, number in changes.items()) or "nothing new"
    trouble = f"; not delivered: {'; '.join(sorted(set(reasons)))}" if reasons else ""
    return dg.SkipReason(f"Alerts: {said}; {taken} messages delivered{trouble}.")


ALERT_SENSORS = (tell_alerts,)
