"""Both databases keep the store's contract."""

import warnings

import pytest

from learnrate.store import Recorder
from learnrate.testing import StoreContract


class TestSqlite(StoreContract):
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


class TestPostgres(StoreContract):
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
        assert "reports an error" not in str(caught[0].message)
        assert self.store.observations(recorder.run).step.tolist() == [0, 1]
