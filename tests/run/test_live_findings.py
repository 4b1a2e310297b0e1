"""Findings come while they can still be acted upon: in runs of a few hundred updates, too."""

import math
import time

import pytest
import torch

import learnrate
from learnrate import _row_checks
from learnrate._row_checks import RowChecks, next_check

TOTAL = 400


def steps_of_findings(place, monkeypatch, *, lr, not_finite_from=TOTAL):
    """The updates after which each code was in `run.findings`, before the run ended."""
    monkeypatch.setattr(_row_checks, "_EXTRA_SECONDS", math.inf)  # however slow this machine is
    weight = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    generator = torch.Generator().manual_seed(0)
    step_by_code = {}
    with learnrate.attach(optimizer, lr, total_steps=TOTAL, store=place) as run:
        for step in range(80):
            optimizer.zero_grad()
            loss = 0.5 * weight.square().sum() * (math.nan if step >= not_finite_from else 1.0)
            loss.backward()
            optimizer.step()
            run.step(loss + 0.01 * torch.randn((), generator=generator))
            wait_for_look(run.recorder)
            for finding in run.findings:
                step_by_code.setdefault(finding.code, step + 1)
    return step_by_code


def wait_for_look(recorder):
    """Let the recorder's thread finish a look that it was asked for."""
    end = time.monotonic() + 30.0
    while recorder._row_checks.next_step == math.inf and time.monotonic() < end:
        time.sleep(0.001)


@pytest.mark.parametrize(("lr", "code"), [(0.0, "LR202"), (3.0, "LR101")])
def test_a_rate_of_0_and_an_explosion_are_reported_within_a_tenth_of_400_updates(
    tmp_path, monkeypatch, lr, code
):
    step_by_code = steps_of_findings(tmp_path / "runs.db", monkeypatch, lr=lr)
    assert step_by_code[code] <= TOTAL // 10


@pytest.mark.parametrize("first", [0, 50])
def test_losses_that_are_not_finite_are_reported_at_the_third_one(tmp_path, monkeypatch, first):
    place = tmp_path / "runs.db"
    step_by_code = steps_of_findings(place, monkeypatch, lr=0.1, not_finite_from=first)
    assert step_by_code == {"LR101": first + 3}


@pytest.mark.parametrize("every", [1, 10])
def test_checks_come_after_eight_rows_and_then_a_quarter_more(every):
    looks, rows = RowChecks(lambda: 0.0), [0]
    for row in range(1, 400):
        if (row - 1) * every >= looks.next_step:
            looks.add((row - 1) * every, row - rows[-1], seconds=0.0)
            rows.append(row)
    settled = rows[3:]  # by then it knows how many updates a row stands for
    assert settled[0] <= 20
    assert settled[1:] == [next_check(row) for row in settled[:-1]]


def test_checks_wait_when_they_took_more_than_their_share_of_the_time():
    times = iter([0.0, 1.0, 2.0, 20.0])
    looks = RowChecks(lambda: next(times))
    looks.add(0, 1, seconds=0.01)
    assert looks.next_step == 8
    looks.add(8, 8, seconds=0.1)  # at 1 s, 0.11 s are far more than 0.02 s and 0.5 %
    assert looks.next_step == math.inf
    looks.add(16, 8, seconds=0.0)
    assert looks.next_step == math.inf
    looks.add(400, 384, seconds=0.0)  # at 20 s, they are within them
    assert looks.next_step == 500
