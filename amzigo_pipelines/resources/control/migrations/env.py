"""Alembic's entry: runs the migrations on the connection that it is handed. Nothing here opens a database.

Belongs here: how migrations run. Does not belong here: a migration (`versions/`), when they run (`upgrade.py`).
"""

from __future__ import annotations

from alembic import context

from amzigo_pipelines.resources.control.database import REVISION_TABLE
from amzigo_pipelines.resources.control.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=REVISION_TABLE,
    # SQLite can't alter a column in place.
    render_as_batch=True,
    compare_type=True,
)
# The caller's transaction: all migrations, or none.
context.run_migrations()
