"""Both databases keep the store's contract."""

import warnings

import pytest
from sqlalchemy import inspect

from learnrate.store import Recorder
from learnrate.store._tables import schema
from learnrate.testing import StoreContract


class Contract(StoreContract):
    def test_the_migrations_make_the_tables_that_are_written(self):
        with self.store.writing() as connection:
            found = inspect(connection)
            for name, table in schema.tables.items():
                made = {column["name"]: column["nullable"] for column in found.get_columns(name)}
                stated = {column.name: column.nullable for column in table.columns}
                assert set(made) == set(stated)
                assert found.get_pk_constraint(name)["constrained_columns"] == [
                    column.name for column in table.primary_key
                ]
                keys = {column.name for column in table.primary_key}
                assert {n: made[n] for n in made.keys() - keys} == {
                    n: stated[n] for n in stated.keys() - keys
                }


class TestSqlite(Contract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path):
        self.count = 0
        self.folder = tmp_path
        super().setup_method()

    def setup_method(self):
        pass  # the folder comes with the fixture

    def make(self):
        self.count += 1
        return str(self.folder / f"{self.count}.db")


class TestPostgres(Contract):
    @pytest.fixture(autouse=True)
    def _place(self, postgres):
        self.make = postgres
        super().setup_method()

    def setup_method(self):
        pass  # the server comes with the fixture

    def test_a_lost_connection_costs_no_point(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            recorder = Recorder(self.store.url, names=("loss",))
            recorder.add((0, (1.0,), None))
            assert recorder.flush()
            with self.store.writing() as connection:
                connection.exec_driver_sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
            recorder.add((1, (2.0,), None))
            assert recorder.flush(20)
            recorder.close("finished")
        assert len(caught) == 1
        assert "gives an error" not in str(caught[0].message)
        assert self.store.observations(recorder.run).step.tolist() == [0, 1]
