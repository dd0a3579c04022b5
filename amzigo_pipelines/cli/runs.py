"""Running Dagster jobs from the command line, in this process and in Dagster's own history.

Belongs here: how a command starts a run and reads its outcome. Does not belong here: what the jobs do
(`assets/`, `retention/`) or which runs the schedules start (`automation/`).
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amzigo_pipelines.errors import AmzigoError

if TYPE_CHECKING:
    import dagster as dg

    from amzigo_pipelines.resources.home import Home
    from amzigo_pipelines.resources.platform import Platform


class RunFailed(AmzigoError):
    """A run failed; the message holds the sentence of each step that did.

    Attributes:
        materialised: what it materialised before, and what its other steps did.
    """

    def __init__(self, message: str, materialised: Sequence[Materialised] = ()) -> None:
        super().__init__(message)
        self.materialised = list(materialised)


class DagsterHomeRefused(AmzigoError):
    """DAGSTER_HOME can't be used."""


@dataclass(frozen=True)
class Materialised:
    """One partition of an asset that a run materialised: the asset's last name, and its metadata as plain values."""

    name: str
    facts: dict[str, Any]

    @property
    def rows(self) -> int:
        """The row count that the asset reported."""
        return int(self.facts["dagster/row_count"])


def rows_by_asset(materialised: Iterable[Materialised]) -> Counter[str]:
    """Rows of each asset, over all its partitions."""
    rows: Counter[str] = Counter()
    for one in materialised:
        rows[one.name] += one.rows
    return rows


class Runner:
    """Starts runs of an installation's jobs in this process.

    Args:
        platform: the parts that the runs work on.

    Attributes:
        instance: Dagster's instance that records them.

    Runs are recorded under DAGSTER_HOME, so the UI shows them like any other.
    """

    def __init__(self, platform: Platform) -> None:
        # Under another installation's database nothing would be due and nothing known: a sweep would pass as done.
        platform.lake.check_installation()
        use_dagster_home(platform.home)
        import dagster as dg
        from dagster._core.instance.ref import InstanceRef
        from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager

        from amzigo_pipelines.definitions import build_definitions

        self._platform = platform
        self._definitions = build_definitions(platform)
        # Our steps print nothing, and capturing that costs three processes a step, which Ctrl-C makes print tracebacks.
        no_capture = {"module": NoOpComputeLogManager.__module__, "class": NoOpComputeLogManager.__name__}
        settings = InstanceRef.from_dir(os.environ["DAGSTER_HOME"], overrides={"compute_logs": no_capture})
        self.instance = dg.DagsterInstance.from_ref(settings)

    def run(
        self,
        job: str,
        *,
        partition_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        selection: Sequence[dg.AssetKey] | None = None,
        config: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[Materialised]:
        """Execute a job and return what it materialised, one entry a partition of an asset, by partition.

        Args:
            job: name of a job of the code location.
            partition_key: the partition, unless `tags` name a range.
            tags: further tags of the run.
            selection: the job's assets to run; all when None.
            config: run config of assets, by the asset's name.

        Raises:
            RunFailed: a step failed; the other steps that could run did.
        """
        from amzigo_pipelines.automation.killed_commands import PROCESS_TAG, process_mark

        self.know_sellers()
        result = self._definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            partition_key=partition_key,
            tags={**(tags or {}), PROCESS_TAG: process_mark()},
            asset_selection=list(selection) if selection else None,
            raise_on_error=False,
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {name: {"config": dict(values)} for name, values in (config or {}).items()},
            },
        )
        if not result.success:
            if _is_interrupted(result):
                raise KeyboardInterrupt
            raise RunFailed(_sentences(result), _materialised(result))
        return _materialised(result)

    def know_sellers(self) -> None:
        """Make Dagster's seller partitions those of the control database."""
        from amzigo_pipelines.automation.pipeline import align_seller_partitions

        align_seller_partitions(self.instance, self._platform)


def use_dagster_home(home: Home) -> None:
    """Point Dagster at the home's folder: without it Dagster throws its history away on exit.

    Raises:
        DagsterHomeRefused: the folder can't be used, or lacks its settings: Dagster's own would send telemetry.
    """
    folder = home.dagster_dir.absolute()
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise DagsterHomeRefused(
            f"DAGSTER_HOME, {folder}, is no folder that can be written: make it or mend its permissions, or unset "
            "DAGSTER_HOME to use the home's own"
        )
    if not (folder / "dagster.yaml").is_file():
        raise DagsterHomeRefused(
            f"{folder} lacks dagster.yaml, and Dagster's own settings would send telemetry: copy the one of this "
            "project there, or unset DAGSTER_HOME to use the home's own"
        )
    os.environ["DAGSTER_HOME"] = str(folder)
    # Parts of Dagster that we use are marked beta or preview: known, pinned, and no news to a user.
    warnings.filterwarnings("ignore", message=r".* is currently in (beta|preview)")


def _materialised(result: Any) -> list[Materialised]:
    found = [
        event.step_materialization_data.materialization for event in result.all_events if event.is_step_materialization
    ]
    return [
        Materialised(event.asset_key.path[-1], {name: value.value for name, value in event.metadata.items()})
        for event in sorted(found, key=lambda event: event.partition or "")
    ]


def _is_interrupted(result: Any) -> bool:
    # Dagster takes Ctrl-C for a failure of the step that it hit, and wraps it.
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error is not None:
            if error.cls_name in ("KeyboardInterrupt", "DagsterExecutionInterruptedError"):
                return True
            error = error.cause
    return False


def _sentences(result: Any) -> str:
    found: list[str] = []
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data.user_failure_data
            text = failure.description if failure is not None else None
            found.append(text or f"step {event.step_key} failed without saying why: look at run {result.run_id}")
    return "; ".join(dict.fromkeys(found)) or f"run {result.run_id} failed before its first step: open it in the UI"
