"""A store of every older version is upgraded to the tables that a new one has."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from older_stores import VERSIONS, make_older_store
from sqlalchemy import inspect

from learnrate import Store
from learnrate.store._migrations import LATEST, version_of
from learnrate.store._place import engine_of, url_of
from learnrate.watch import Finding, Severity

OLDER = range(1, len(VERSIONS) + 1)
FINDING = Finding(code="MY1", severity=Severity.ADVICE, step=0, message="", evidence={}, remedy="")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request, tmp_path):
    """A function that returns the place of another empty database."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres")
    numbers = iter(range(100))
    return lambda: str(tmp_path / f"{next(numbers)}.db")


def older_store(place, version):
    engine = engine_of(url_of(place))
    make_older_store(engine, version)
    engine.dispose()
    return place


def described(place):
    """The columns, keys and indexes of a store's tables, and its version."""
    store = Store(place, create=False)
    with store.writing() as connection:
        inspector = inspect(connection)
        tables = {}
        for table in inspector.get_table_names():
            keys = inspector.get_pk_constraint(table)["constrained_columns"]
            columns = {
                column["name"]: (
                    _kind(column["type"], connection.dialect.name),
                    column["nullable"] and column["name"] not in keys,
                )
                for column in inspector.get_columns(table)
            }
            indexes = {
                index["name"]: index["column_names"] for index in inspector.get_indexes(table)
            }
            tables[table] = columns, keys, indexes
        version = version_of(connection)
    store.close()
    return tables, version


def _kind(column_type, dialect):
    kind = str(column_type)
    return "DOUBLE" if dialect == "sqlite" and kind == "REAL" else kind  # both have 8 bytes there


def test_every_version_but_the_first_upgrades_the_one_before():
    assert len(VERSIONS) == LATEST


@pytest.mark.parametrize("version", OLDER)
def test_the_upgraded_tables_are_those_of_a_new_store(new_place, version):
    new = new_place()
    Store(new).close()
    assert described(older_store(new_place(), version)) == described(new)


@pytest.mark.parametrize("version", OLDER)
def test_an_older_store_keeps_what_it_has_and_can_be_written(new_place, version):
    store = Store(older_store(new_place(), version), create=False)
    (run,) = store.runs()
    assert (run.name, run.total_steps, run.step, run.status) == ("old", 8, 3, "finished")
    assert store.observations(run.id).column("loss").tolist() == [2.0, 1.5, 1.0]
    assert [finding.code for finding in store.findings(run.id)] == ["LR101"]
    assert [(edit.kind, edit.value, edit.position) for edit in store.edits(run.id)] == [
        ("scale", 0.5, None)
    ]
    assert [snapshot.place for snapshot in store.snapshots(run.id)] == ["1.pt"]
    new_run = store.new_run(total_steps=5)
    store.add_edit(new_run, "stop", author="ann")
    store.answer_edit(new_run, 1, "applied", step=0, position=1)
    store.add_finding(new_run, FINDING)
    assert store.run(new_run).total_steps == 5
    assert store.edits(new_run)[0].position == 1
    assert store.findings(new_run) == [FINDING]
    store.close()


def test_many_threads_upgrade_a_store_at_once(new_place):
    place = older_store(new_place(), 1)
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: Store(place), range(8)))
    assert [len(store.runs()) for store in stores] == [1] * 8
    for store in stores:
        store.close()
