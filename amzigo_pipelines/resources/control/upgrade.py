"""Bringing a control database of an earlier release to this one's tables, and back.

Every release's tables are a revision (`migrations/versions/`). All steps of an upgrade are one transaction, on SQLite
as on PostgreSQL: it is done or it was never begun. Belongs here: running migrations. Does not belong here: the check
that a database is of this release (`database.py`), and the tables (`schema.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import Connection

from amzigo_pipelines.resources.control.database import REVISION_TABLE, ControlError, OtherRelease

if TYPE_CHECKING:
    from amzigo_pipelines.resources.control.database import ControlDatabase

# Before the first revision: no tables.
NOTHING = "base"
_FOLDER = Path(__file__).parent / "migrations"


def newest_revision() -> str:
    """The revision that this release's tables are."""
    revision = ScriptDirectory(str(_FOLDER)).get_current_head()
    assert revision is not None
    return revision


def revision_of(control: ControlDatabase) -> str | None:
    """The revision of a database's tables; None where it has none.

    Raises:
        ControlError: the database can't be read.
    """
    with control.read(of_any_release=True) as connection:
        return MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE}).get_current_revision()


def upgrade(control: ControlDatabase, revision: str = "head") -> str:
    """Bring the tables to a revision, older ones included.

    Args:
        control: which database.
        revision: to which; this release's by default.

    Returns:
        The revision they have now.

    Raises:
        OtherRelease: the database is of a later release, whose revisions are not known here.
        ControlError: it has no tables of ours, or a step was refused; then it is as it was.
    """
    before = revision_of(control)
    if before is None:
        raise ControlError(
            f"the control database {control.place} has no tables of a released version: restore it from a backup, or "
            "make a new home in another folder with 'amzigo init'"
        )
    with control.transaction(of_any_release=True) as connection:
        migrate(connection, before, revision)
    after = revision_of(control)
    assert after is not None
    return after


def migrate(connection: Connection, before: str, revision: str) -> None:
    """Take all steps from one revision to another, within the caller's transaction.

    Raises:
        OtherRelease, ControlError: as `upgrade`; the caller's transaction must not be committed then.
    """
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    try:
        # Newest first; before the first there was nothing.
        known = [*(script.revision for script in scripts.walk_revisions()), NOTHING]
        if before not in known:
            raise OtherRelease(
                f"the control database is of a later release (revision {before}): install that release, or go back "
                "with it before installing this one"
            )
        wanted = known[0] if revision == "head" else revision
        is_back = known.index(wanted) > known.index(before)
        (command.downgrade if is_back else command.upgrade)(config, wanted)
    except (CommandError, ValueError):
        raise ControlError(f"there is no revision {revision}: 'amzigo upgrade' alone goes to this release's") from None
    except sa.exc.SQLAlchemyError as error:
        raise ControlError(f"the upgrade was refused ({type(error).__name__}): nothing was changed") from None
