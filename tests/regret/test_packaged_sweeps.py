"""The sweeps that the package has for its claims are those that are stored."""

import json

from regret.cells import CELLS
from regret.packaged_sweeps import PACKAGED, packaged_sweeps


def test_the_sweeps_of_the_package_are_the_stored_ones():
    packaged = json.loads(PACKAGED.read_text())
    assert packaged == packaged_sweeps(CELLS)
    assert len(packaged) == 95
