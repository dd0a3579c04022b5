"""What really lies in the lake's folders, whatever the control database says.

Belongs here: listing a seller's partitions and telling apart what is due, what isn't, and what nobody made. Does not
belong here: deciding what to do about it (`sweep.py`, `verify.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from amzigo_pipelines.catalog.model import LONGEST_DAYS, RetentionClass
from amzigo_pipelines.catalog.registry import DATASETS
from amzigo_pipelines.resources.lake.files import TEMPORARY_PREFIX

_NAME = re.compile(
    rf"(?:{re.escape(TEMPORARY_PREFIX)}[0-9a-z]+-)?"
    rf"(?P<family>{'|'.join(RetentionClass)})-(?P<expires_on>\d{{4}}-\d\d-\d\d)-\d{{6,}}\.parquet"
)


@dataclass
class Listing:
    """What lies in a seller's folders.

    Attributes:
        folders: how many were listed.
        due: what has a due file's name, also temporary files and such as the database doesn't know; relative paths.
        foreign: what has no name that the lake gives; relative paths.
        unseen: folders that couldn't be listed, with the reason.
    """

    folders: int = 0
    due: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def list_seller(
    lake_dir: Path, seller_id: str, retention_class: RetentionClass, earliest_death: date, through: date
) -> Listing:
    """List the folders of a seller in which files of a class with certain dates of death can lie.

    Partitions later than the last date hold nothing due, nor do those from before the class's period (and a month, as
    dates may count from a month's beginning).

    Args:
        lake_dir: the lake's folder.
        seller_id: whose.
        retention_class: which files.
        earliest_death: the earliest date of death to look for.
        through: the last one.
    """
    listing = Listing()
    first_day = earliest_death - timedelta(days=LONGEST_DAYS[retention_class] + 31)
    datasets = _names(lake_dir, "", listing)
    if datasets is None:
        listing.unseen.append(f"{lake_dir} (it isn't there)")
    for dataset in sorted(datasets or ()):
        # What the catalog doesn't know may hold anything, such as files of a dataset that was renamed.
        if dataset in DATASETS and retention_class not in DATASETS[dataset].families:
            continue
        if not os.path.isdir(lake_dir / dataset):
            continue
        seller_folder = f"{dataset}/seller={seller_id}"
        for day_folder in _day_folders(lake_dir, seller_folder, first_day, through, listing):
            for name in sorted(_names(lake_dir, day_folder, listing) or ()):
                _sort(f"{day_folder}/{name}", name, retention_class, through, listing)
    return listing


def _day_folders(lake_dir: Path, seller_folder: str, first: date, last: date, listing: Listing) -> Iterator[str]:
    for name in sorted(_names(lake_dir, seller_folder, listing) or ()):
        day = _date(name.removeprefix("day=")) if name.startswith("day=") else None
        if day is None:
            listing.foreign.append(f"{seller_folder}/{name}")
        elif first <= day <= last:
            yield f"{seller_folder}/{name}"


def _sort(path: str, name: str, retention_class: RetentionClass, through: date, listing: Listing) -> None:
    match = _NAME.fullmatch(name)
    expires_on = _date(match["expires_on"]) if match else None
    if match is None or expires_on is None:
        listing.foreign.append(path)
    elif match["family"] == retention_class and expires_on <= through:
        listing.due.append(path)


def _names(lake_dir: Path, folder: str, listing: Listing) -> list[str] | None:
    """Names in a folder; None when it isn't there."""
    try:
        names = os.listdir(f"{lake_dir}/{folder}")
    except FileNotFoundError:
        return None
    except OSError as error:
        listing.unseen.append(f"{folder or lake_dir} ({error.strerror})")
        return []
    listing.folders += 1
    return names


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
