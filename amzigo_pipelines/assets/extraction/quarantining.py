"""Putting into quarantine what does not fit: read once more with everything kept and every fault counted.

Belongs here: which failures are those of structure, and the second reading. Does not belong here: where a batch is kept
(`resources/quarantine/store.py`), how faults are counted (`resources/quarantine/structure.py`).

Nothing is kept of an extraction that goes well: that would cost each of them a second copy. One that stumbles over what
does not fit is begun once more, on a tape; reports are not asked for anew, only downloaded again. If it fits this time,
the first answer was damaged on its way, and all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from amzigo_pipelines.assets.extraction.paths import FlattenError
from amzigo_pipelines.assets.extraction.results import Extraction, ExtractionResult
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.lake.files import LakeInputError
from amzigo_pipelines.resources.quarantine.store import Batch
from amzigo_pipelines.resources.quarantine.structure import Fault, StructureBroken, collecting
from amzigo_pipelines.resources.reports.values import ValueUnreadable
from amzigo_pipelines.resources.spapi.errors import ReportColumnsChanged, ReportUnreadable

MISFITS = (FlattenError, ValueUnreadable, ReportColumnsChanged, ReportUnreadable)
"""Failures of structure: what came does not fit what the catalog declares."""
_SHOWN_FAULTS = 3


class Quarantined(AmzigoError):
    """Some days did not fit and are in quarantine; all others are stored.

    Attributes:
        batches: what is in quarantine now.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = tuple(batches)
        super().__init__("; ".join(_told(batch) for batch in batches))


def keep_back(
    extraction: Extraction,
    extract: Callable[[Extraction, Sequence[date]], Iterator[ExtractionResult]],
    source: Sequence[str],
    days: Sequence[date],
    misfit: AmzigoError,
) -> tuple[list[ExtractionResult], Batch | None]:
    """Extract days once more, with what Amazon sends kept; the window that does not fit becomes a batch of quarantine.

    Args:
        extraction: what it works with.
        extract: the source's extraction.
        source: its datasets.
        days: those that are not stored yet.
        misfit: what the first reading failed with.

    Returns:
        the results of the days before the window; and the batch, None where everything fitted this time.

    Raises:
        LakeWriteError: the batch could not be kept.
        SpApiError: Amazon could not be asked once more.
    """
    platform, seller_id = extraction.platform, extraction.partner.seller_id
    results: list[ExtractionResult] = []
    with platform.quarantine.recording(seller_id, days[0]) as recording, collecting() as faults:
        with platform.selling_partner(seller_id) as partner:
            partner.listen_to(recording.tape)
            again = replace(extraction, partner=partner, being_written=set())
            sentence = str(misfit)
            try:
                results += extract(again, days)
                return results, None
            except (*MISFITS, StructureBroken, LakeInputError) as error:
                if not isinstance(error, StructureBroken):
                    sentence = str(error)
        stored = {result.day for result in results}
        # A source that reads before it opens its partitions has failed for all that is left.
        window = sorted(again.being_written - stored) or [day for day in days if day not in stored]
        found: list[Fault] = faults.list() or [Fault(source[0], "", "does not fit: see the sentence", 1)]
        batch = recording.keep(source, window, sentence, found)
    platform.audit.record(
        "extraction",
        "quarantine",
        seller_id,
        f"{batch.name}: {', '.join(source)} {batch.first_day}..{batch.last_day}",
        f"what came does not fit the catalog; it dies on {batch.expires_on}",
        None,
    )
    return results, batch


def _told(batch: Batch) -> str:
    days = str(batch.first_day) if batch.first_day == batch.last_day else f"{batch.first_day} to {batch.last_day}"
    shown = [
        f"{fault.dataset}.{fault.column} {fault.problem} ({fault.rows:,} rows)"
        for fault in batch.faults[:_SHOWN_FAULTS]
        if fault.column
    ]
    more = f" and {len(batch.faults) - _SHOWN_FAULTS} more" if len(batch.faults) > _SHOWN_FAULTS else ""
    return (
        f"{', '.join(batch.datasets)} of seller {batch.seller_id}, {days}, is quarantined as {batch.name} until "
        f"{batch.expires_on}: {', '.join(shown) + more or batch.sentence}; see 'amzigo quality quarantine show "
        f"{batch.name}', mend the mapping in the catalog and 'amzigo quality quarantine replay {batch.name}'"
    )
