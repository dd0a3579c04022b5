"""Removing what due keys opened: files that the books know, strays under a due file's name, dead marts.

Belongs here: trying everything, and the reasons where something stays. Does not belong here: the order of a sweep
(`sweep.py`) and looking afterwards (`verify.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.errors import AmzigoError
from amzigo_pipelines.resources.durability import sync_folders, unlink_all
from amzigo_pipelines.resources.lake.files import LakeDamaged, LakeFile, check_place
from amzigo_pipelines.retention.disk import list_seller
from amzigo_pipelines.retention.due import due, holds_marts
from amzigo_pipelines.retention.ledger import EVERYONE, Run

if TYPE_CHECKING:
    from amzigo_pipelines.resources.platform import Platform


def unlink(
    platform: Platform, retention_class: RetentionClass, through: date, work: Mapping[str, Run]
) -> dict[str, list[str]]:
    """Unlink the files that the database knows, then whatever else lies there under a due file's name, then marts.

    Returns:
        Reasons by seller where something stays; under "*" those that concern all.
    """
    if not platform.home.lake_dir.is_dir():
        # Else a volume that isn't mounted would have all its files recorded as unlinked.
        return {EVERYONE: [f"the lake {platform.home.lake_dir} is not there"]}
    problems: dict[str, list[str]] = {}
    found = due(platform.control, retention_class, through, list(work))
    sound: list[LakeFile] = []
    for seller_id, one in found.items():
        for file in one.files:
            try:
                sound.append(check_place(file))
            except LakeDamaged as error:
                problems.setdefault(seller_id, []).append(str(error))
    owner = {file.path: file.seller_id for file in sound}
    for path, reason in platform.lake.destroy_files(sound).failed.items():
        problems.setdefault(owner[path], []).append(f"{path} could not be unlinked ({reason})")
    folders: set[Path] = set()
    for run in work.values():
        reasons = _unlink_strays(platform, retention_class, through, run, owner, folders)
        if holds_marts(retention_class):
            reasons += _discard_marts(platform, run.seller_id)
        problems.setdefault(run.seller_id, []).extend(reasons)
    sync_folders(folders)
    return problems


def _unlink_strays(
    platform: Platform,
    retention_class: RetentionClass,
    through: date,
    run: Run,
    tried: Collection[str],
    folders: set[Path],
) -> list[str]:
    """Remove temporary and forgotten files of due keys; gives the reasons where one stays."""
    lake_dir = platform.home.lake_dir
    listing = list_seller(lake_dir, run.seller_id, retention_class, run.earliest_death(through), through)
    strays = [path for path in listing.due if path not in tried]
    folders.update((lake_dir / path).parent for path in strays)
    left = zip(strays, unlink_all([f"{lake_dir}/{path}" for path in strays]), strict=True)
    return [f"{path} could not be unlinked ({reason})" for path, reason in left if reason is not None]


def _discard_marts(platform: Platform, seller_id: str) -> list[str]:
    try:
        platform.warehouse.discard_dead(seller_id)
    except AmzigoError as error:
        return [f"dead marts of seller {seller_id} could not be removed ({error})"]
    return []
