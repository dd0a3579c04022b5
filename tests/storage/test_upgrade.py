"""The control database's tables, on SQLite and PostgreSQL: those of a release, and the way from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgres_kit import PostgresServer

from amzigo_pipelines.resources.control import upgrade
from amzigo_pipelines.resources.control.database import (
    REVISION,
    REVISION_TABLE,
    ControlDatabase,
    ControlError,
    OtherRelease,
)
from amzigo_pipelines.resources.control.schema import metadata, sellers


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def control(request: pytest.FixtureRequest, tmp_path: Path) -> ControlDatabase:
    if request.param == "sqlite":
        return ControlDatabase(f"sqlite:///{tmp_path / 'control.db'}")
    return ControlDatabase(request.getfixturevalue("server").database())


def migrated(control: ControlDatabase) -> None:
    """Make the tables by the migrations alone, from nothing."""
    control.create()
    with control.transaction(of_any_release=True) as connection:
        upgrade.migrate(connection, REVISION, upgrade.NOTHING)
    with control.transaction(of_any_release=True) as connection:
        assert sa.inspect(connection).get_table_names() == ["amzigo_revision"]
        connection.execute(sa.text("DELETE FROM amzigo_revision"))
        upgrade.migrate(connection, upgrade.NOTHING, "head")


def differences(control: ControlDatabase) -> list[object]:
    with control.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE, "compare_type": True})
        return list(compare_metadata(context, metadata))


def test_the_newest_revision_is_the_one_that_is_asked_for() -> None:
    assert upgrade.newest_revision() == REVISION


def test_made_at_once_and_made_by_migrations_are_the_same(control: ControlDatabase) -> None:
    control.create()
    assert upgrade.revision_of(control) == REVISION
    made_at_once = inspected(control)
    assert differences(control) == []
    migrated(control)
    assert differences(control) == []
    assert inspected(control) == made_at_once


def inspected(control: ControlDatabase) -> dict[str, object]:
    """Tables with their columns, keys and indexes, as the database itself tells them."""
    with control.read() as connection:
        look = sa.inspect(connection)
        return {
            table: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(table)],
                look.get_pk_constraint(table)["constrained_columns"],
                sorted((str(i["name"]), i["column_names"], bool(i["unique"])) for i in look.get_indexes(table)),
                sorted(str(key["referred_table"]) for key in look.get_foreign_keys(table)),
            )
            for table in sorted(look.get_table_names())
        }


def test_a_database_of_this_release_is_left_as_it_is(control: ControlDatabase) -> None:
    control.create()
    with control.transaction() as connection:
        connection.execute(sellers.insert().values(seller_id="A", name="A", marketplace_ids="[]", added_at=_AT))
    assert upgrade.upgrade(control) == REVISION
    with control.read() as connection:
        assert connection.execute(sa.select(sellers.c.seller_id)).scalar() == "A"


@pytest.mark.parametrize(("revision", "who"), [("0000", "another release"), ("9999", "another release")])
def test_another_release_is_refused_with_what_to_do(control: ControlDatabase, revision: str, who: str) -> None:
    control.create()
    _pretend(control, revision)
    fresh = ControlDatabase(control._url.render_as_string(hide_password=False))
    for use in (fresh.read, fresh.transaction):
        with (
            pytest.raises(OtherRelease, match=rf"revision {revision}, this one's is {REVISION}.*'amzigo upgrade'"),
            use(),
        ):
            pytest.fail("it was let in")
    with pytest.raises(OtherRelease, match="of a later release"):
        upgrade.upgrade(fresh)


def test_tables_of_no_release_are_refused(control: ControlDatabase) -> None:
    control.create()
    with control.transaction() as connection:
        connection.execute(sa.text("DROP TABLE amzigo_revision"))
    fresh = ControlDatabase(control._url.render_as_string(hide_password=False))
    with pytest.raises(ControlError, match="lacks its tables"), fresh.read():
        pytest.fail("it was let in")


def test_an_upgrade_that_breaks_leaves_everything_as_it_was(control: ControlDatabase) -> None:
    control.create()
    with control.transaction() as connection:
        # What a step of the way back would drop is not there.
        connection.execute(sa.text("DROP TABLE alerts"))
    before = sorted(_tables(control))
    with (
        pytest.raises(ControlError, match=r"was refused .*: nothing was changed"),
        control.transaction(of_any_release=True) as one,
    ):
        upgrade.migrate(one, REVISION, upgrade.NOTHING)
    assert sorted(_tables(control)) == before


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://amzigo:s3cr3t@db.example.com/amzigo",
        "postgresql://amzigo:s3cr3t@db.example.com/amzigo?sslmode=prefer",
        "postgresql://amzigo:s3cr3t@/amzigo?host=db.example.com",
    ],
)
def test_keys_do_not_cross_a_network_in_the_clear(address: str) -> None:
    with pytest.raises(ControlError, match="asks for no TLS: add") as caught:
        ControlDatabase(address)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("address", ["mysql://x/y", "s3cr3t", "postgresql//x", ""])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(ControlError, match="the database's address is none") as caught:
        ControlDatabase(address)
    assert "s3cr3t" not in str(caught.value)


def test_a_server_elsewhere_with_tls_is_let_be() -> None:
    ControlDatabase("postgresql://amzigo@db.example.com/amzigo?sslmode=verify-full")


def _tables(control: ControlDatabase) -> list[str]:
    with control.read(of_any_release=True) as connection:
        return sa.inspect(connection).get_table_names()


def _pretend(control: ControlDatabase, revision: str) -> None:
    with control.transaction() as connection:
        connection.execute(sa.text("UPDATE amzigo_revision SET version_num = :revision"), {"revision": revision})


_AT = sa.func.current_timestamp()
