"""Both databases keep the store's contract."""

import pytest

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
