"""The dashboard of a PostgreSQL store whose connections are cut."""

import pytest
import sqlalchemy
from served import recorded, serving

from learnrate.store import Store


@pytest.fixture
def store(postgres):
    store = Store(postgres())
    yield store
    store.close()


def cut(store):
    """End every other connection to the database, as a restart of the server does."""
    engine = sqlalchemy.create_engine(store.url)
    with engine.connect() as connection:
        query = (
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        count = connection.execute(sqlalchemy.text(query)).scalar()
    engine.dispose()
    return count


def test_cut_connections_are_opened_again_and_no_edit_is_lost(store):
    run = recorded(store, "a", status="running")
    with serving(store) as served:
        assert served.ask(f"/api/runs/{run}/edits", "POST", {"kind": "hold"})[0] == 201
        assert cut(store) >= 1
        assert served.ask(f"/api/runs/{run}/edits", "POST", {"kind": "release"})[0] == 201
        assert cut(store) >= 1
        status, detail = served.ask(f"/api/runs/{run}")
        curves = served.ask(f"/api/runs/{run}/curves?column=loss")[1]
    assert status == 200
    assert [edit["kind"] for edit in detail["edits"]] == ["hold", "release"]
    assert curves["rows"] == 1000
