"""What is due: the one predicate that planning, destroying and verifying share.

Belongs here: which keys and files of a class must be gone by a day. Does not belong here: doing anything about it.

Two versions of "which" would drift, and a drift is data lost or left. So after a sweep, this same question must have
the answer "nothing".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from amzigo_pipelines.catalog.model import RetentionClass
from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import data_keys, lake_files
from amzigo_pipelines.resources.keys.store import KeyClass
from amzigo_pipelines.resources.lake.files import CURRENT, GARBAGE, LakeFile, file_of_row


@dataclass
class Due:
    """What is due of one seller.

    Attributes:
        seller_id: whose.
        keys: date of death by key id; keys not destroyed yet.
        mart_keys: the same of mart files whose date has come, for the classes that marts hold.
        files: files of the class not destroyed yet, also replaced ones that still wait to be unlinked.
    """

    seller_id: str
    keys: dict[str, date] = field(default_factory=dict)
    mart_keys: dict[str, date] = field(default_factory=dict)
    files: list[LakeFile] = field(default_factory=list)


def holds_marts(retention_class: RetentionClass) -> bool:
    """Whether marts hold data of a class: then what is due of it takes the marts' due keys along."""
    return retention_class is not RetentionClass.PII


def kek_purposes(retention_class: RetentionClass) -> tuple[str, ...]:
    """The key-encryption keys above what a sweep of a class destroys: exchanged, so that no copy revives it."""
    return (str(retention_class), "mart") if holds_marts(retention_class) else (str(retention_class),)


def due(
    control: ControlDatabase,
    retention_class: RetentionClass,
    as_of: date,
    seller_ids: Collection[str] | None = None,
) -> dict[str, Due]:
    """What must be gone by a day, by seller; sellers with nothing due are not in it.

    A key is due by its own date, or by the date of a file that it opens; a file by its own date, or with its key. The
    two dates are the same unless a row was edited: then the earlier one counts. Sellers are those that own keys or
    files, also ones that were removed.

    Args:
        control: the control database.
        retention_class: which class.
        as_of: dates of death up to and including this day.
        seller_ids: only these; all when None.
    """
    with control.read() as connection:
        return due_in(connection, retention_class, as_of, seller_ids)


def files_of(connection: Connection, where: sa.ColumnElement[bool]) -> list[LakeFile]:
    """Files by a condition on `lake_files`, whatever their state, ordered by path."""
    columns = [lake_files.c[name] for name in LakeFile.__dataclass_fields__]
    rows = connection.execute(sa.select(*columns).where(where).order_by(lake_files.c.path))
    return [file_of_row(row) for row in rows]


def due_in(
    connection: Connection, retention_class: RetentionClass, as_of: date, seller_ids: Collection[str] | None
) -> dict[str, Due]:
    """As `due`, in the caller's transaction."""
    k, f = data_keys.c, lake_files.c
    of_class = [k.key_class == str(retention_class)]
    # By what they are and not by what they aren't: else all that was ever destroyed is gone through each time.
    in_family = [f.family == str(retention_class), f.state.in_((CURRENT, GARBAGE))]
    if seller_ids is not None:
        of_class.append(k.seller_id.in_(sorted(set(seller_ids))))
        in_family.append(f.seller_id.in_(sorted(set(seller_ids))))
    late_files = sa.select(f.key_id).where(*in_family, f.expires_on <= as_of)
    late_keys = sa.select(k.key_id).where(*of_class, sa.or_(k.expires_on <= as_of, k.key_id.in_(late_files)))
    found: dict[str, Due] = {}
    rows = connection.execute(
        sa.select(k.key_id, k.seller_id, k.expires_on)
        .where(k.key_id.in_(late_keys), k.destroyed_at.is_(None))
        .order_by(k.seller_id, k.expires_on, k.key_id)
    )
    for key_id, seller_id, expires_on in rows:
        found.setdefault(seller_id, Due(seller_id)).keys[key_id] = expires_on
    if holds_marts(retention_class):
        marts = sa.select(k.key_id, k.seller_id, k.expires_on).where(
            k.key_class == str(KeyClass.MART), k.expires_on <= as_of, k.destroyed_at.is_(None)
        )
        if seller_ids is not None:
            marts = marts.where(k.seller_id.in_(sorted(set(seller_ids))))
        for key_id, seller_id, expires_on in connection.execute(marts.order_by(k.expires_on, k.key_id)):
            found.setdefault(seller_id, Due(seller_id)).mart_keys[key_id] = expires_on
    for file in files_of(connection, sa.and_(*in_family, sa.or_(f.expires_on <= as_of, f.key_id.in_(late_keys)))):
        found.setdefault(file.seller_id, Due(file.seller_id)).files.append(file)
    return dict(sorted(found.items()))
