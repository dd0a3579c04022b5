"""The installation as Dagster's resource `platform`: who acts is known for as long as a run lasts.

Belongs here: what surrounds a run: its actor in the audit trail, and writing what was counted at its end. Does not
belong here: the installation (`platform.py`).
"""

# No "from __future__ import annotations" here: Dagster reads the annotation of `context` itself.

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from amzigo_pipelines.resources.audit.acting import launcher
from amzigo_pipelines.resources.audit.settings import note_settings
from amzigo_pipelines.resources.platform import Platform


def platform_resource(platform: Platform) -> dg.ResourceDefinition:
    """The resource.

    Args:
        platform: the parts to work on.
    """

    def opened(context: dg.InitResourceContext) -> Iterator[Platform]:
        run = context.run
        if run is None:
            # A schedule or a sensor decides; it opens no data, and seldom a key.
            yield platform
            platform.audit.flush()
            return
        before = platform.audit.acting
        acting = replace(
            before, run_id=run.run_id, job=run.job_name, launched_by=launcher(run.tags) or before.command or "Dagster"
        )
        with platform.audit.acting_as(acting):
            note_settings(platform.control, platform.audit, platform.home)
            yield platform

    return dg.ResourceDefinition(opened, description="The installation: lake, keys, sellers, marts, audit trail.")
