"""The dashboard of a PostgreSQL store whose connections are cut."""

import pytest
import sqlalchemy
from served import recorded, serving

from learnrate.store import Store


@pytest.fixture
def store(postgres):
    found = Store(postgres())
    yield found
    found.close()


def cut(store):
    """End every other connection to the database, as an administrator or a restart does."""
    engine = sqlalchemy.create_engine(store.url)
    with engine.connect() as connection:
        others = "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        here = "where datname = current_database() and pid <> pg_backend_pid()"
        ended = connection.execute(sqlalchemy.text(others + here)).scalar()
    engine.dispose()
    return ended


def test_cut_connections_are_made_anew_and_no_edit_is_lost(store):
    run = recorded(store, "a", status="running")
    with serving(store) as served:
        assert served.ask(f"/api/runs/{run}/edits", "POST", {"kind": "hold"})[0] == 201
        assert cut(store) >= 1
        assert served.ask(f"/api/runs/{run}/edits", "POST", {"kind": "release"})[0] == 201
        assert cut(store) >= 1
        status, found = served.ask(f"/api/runs/{run}")
        curves = served.ask(f"/api/runs/{run}/curves?column=loss")[1]
    assert status == 200
    assert [edit["kind"] for edit in found["edits"]] == ["hold", "release"]
    assert curves["rows"] == 1000
