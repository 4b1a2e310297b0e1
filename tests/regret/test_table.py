from types import SimpleNamespace

from regret.scores import Score
from regret.table import expected_beside_real


def score(expected, excess):
    cell = SimpleNamespace(domain="graphs")
    return Score(cell, "plan", 0, 1.0, excess, 0.0, 0.5, None, None, None, "ok", expected)


def test_expected_and_measured_excess_are_listed_in_bands():
    stated = [score(0.01, 0.005), score(0.015, 0.08), score(0.3, 0.2)]
    unstated = [score(None, 0.5), score(0.01, None)]
    lines = expected_beside_real([*stated, *unstated]).splitlines()[2:]
    assert [line.split("|")[2:-1] for line in lines] == [
        [" 0.0 % to 2.0 % ", " 2 ", " 1.2 % ", " 0.5 % ", " 8.0 % ", " 50 % "],
        [" 15 % and more ", " 1 ", " 30 % ", " 20 % ", " 20 % ", " 100 % "],
    ]
