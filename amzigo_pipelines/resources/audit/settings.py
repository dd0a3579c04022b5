"""Noticing that somebody changed the settings: amzigo.toml is edited by hand, and no command tells us.

Belongs here: comparing the file with what was last seen. Does not belong here: what settings mean (`home.py`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from amzigo_pipelines.resources.control.database import ControlDatabase
from amzigo_pipelines.resources.control.schema import seen_settings
from amzigo_pipelines.resources.control.statements import put_row

if TYPE_CHECKING:
    from amzigo_pipelines.resources.audit.trail import AuditTrail
    from amzigo_pipelines.resources.home import Home


def note_settings(control: ControlDatabase, audit: AuditTrail, home: Home) -> None:
    """Write down that the settings are other ones than before. Of the file only its hash is kept."""
    name = home.settings_file.name
    try:
        sha256 = hashlib.sha256(home.settings_file.read_bytes()).hexdigest()
    except FileNotFoundError:
        # Whoever opens the home next says so.
        return
    with control.read() as connection:
        seen = connection.execute(sa.select(seen_settings.c.sha256).where(seen_settings.c.name == name)).scalar()
    if seen == sha256:
        return
    with control.transaction() as connection:
        put_row(connection, seen_settings, {"name": name}, {"sha256": sha256, "seen_at": audit.clock.now()})
        if seen is not None:
            acting = audit.acting
            detail = {"sha256_before": seen, "sha256": sha256}
            audit.record_in(connection, acting.label, "change_settings", None, name, "seen changed", detail=detail)
