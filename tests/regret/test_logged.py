"""The sweeps that the package has for its claims are those that are stored."""

import json

from regret.cells import CELLS
from regret.logged import LOGGED, logged_sweeps


def test_the_sweeps_of_the_package_are_the_stored_ones():
    logged = json.loads(LOGGED.read_text())
    assert logged == logged_sweeps(CELLS)
    assert len(logged) == 57
