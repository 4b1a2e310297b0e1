"""A run that another process began: its watcher knows the stored past."""

import numpy as np
import pytest
import torch

import learnrate
from learnrate import ArgumentError, Store
from learnrate.watch import Watcher

TOTAL, HALF, PEAK = 400, 200, 0.05


class Job:
    """A linear regression whose rates a cosine of torch sets."""

    def __init__(self, place):
        self.generator = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(256, 8, generator=self.generator)
        weights = torch.randn(8, 1, generator=self.generator)
        noise = torch.randn(256, 1, generator=self.generator)
        self.targets = self.inputs @ weights + 0.3 * noise
        self.model = torch.nn.Linear(8, 1)
        torch.nn.init.zeros_(self.model.weight)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=PEAK)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, TOTAL)
        self.run = learnrate.attach(self.optimizer, None, total_steps=TOTAL, store=place)

    def state(self):
        return [
            part.state_dict() for part in (self.model, self.optimizer, self.scheduler, self.run)
        ]

    def train(self, updates, factor=1.0):
        for update in range(updates):
            rows = torch.randint(256, (32,), generator=self.generator)
            loss = (self.model(self.inputs[rows]) - self.targets[rows]).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            (group,) = self.optimizer.param_groups
            due = group["lr"]
            group["lr"] = factor * due
            self.optimizer.step()
            group["lr"] = due
            self.scheduler.step()
            self.run.step(loss)
            if update % 10 == 9:
                self.run.recorder.flush()


def resumed(place, *, factor=1.0, with_scheduler=True):
    """The run that continues what another attach began, and what is said while it goes on."""
    first = Job(place)
    first.train(HALF)
    state = first.state()
    first.run.finish("stopped")
    second = Job(place)
    parts = (second.model, second.optimizer, second.scheduler, second.run)
    for part, saved in zip(parts, state, strict=True):
        if part is second.scheduler and not with_scheduler:
            second.optimizer.param_groups[0]["lr"] = PEAK
            continue
        part.load_state_dict(saved)
    second.train(HALF - 10, factor)
    live = [finding.code for finding in second.run.findings]
    second.run.finish("stopped")
    assert second.run.id == first.run.id
    return second.run, live


@pytest.mark.parametrize("factor", [0.001, 0.3, 3.0])
def test_another_rate_from_a_resume_on_is_reported_live(tmp_path, factor):
    run, live = resumed(tmp_path / "runs.db", factor=factor)
    assert "LR305" in live
    (finding,) = [
        finding
        for finding in Store(tmp_path / "runs.db").findings(run.id)
        if finding.code == "LR305"
    ]
    assert (finding.step, finding.severity) == (HALF, "error")


def test_a_schedule_that_restarts_on_resume_is_reported_live(tmp_path):
    assert "LR305" in resumed(tmp_path / "runs.db", with_scheduler=False)[1]


def test_a_run_that_is_resumed_correctly_has_no_finding(tmp_path):
    assert resumed(tmp_path / "runs.db")[1] == []


def test_a_watcher_that_knows_the_past_judges_both_parts_as_one_run():
    step = np.arange(400)
    rate = 0.05 * (1.0 + np.cos(np.pi * step / 400))
    loss = 0.2 + 2.0 * np.exp(-step / 40)
    rate[200:] *= 10.0
    watcher = Watcher("a", total_steps=400)
    watcher.resume(step[:200], {"lr": rate[:200], "loss": loss[:200]}, step=200)
    codes = []
    for row in range(200, 260):
        new = watcher.feed([row], {"lr": rate[row : row + 1], "loss": loss[row : row + 1]})
        codes += [(row, finding.code) for finding in new]
    ((row, code),) = codes
    assert (code, row < 230) == ("LR305", True)


def test_findings_of_the_past_come_first_and_are_not_reported_again():
    watcher = Watcher("a", total_steps=400)
    loss = np.where(np.arange(200) < 60, 1.0, np.inf)
    watcher.resume(np.arange(100), {"loss": loss[:100]}, step=100, reported=["LR101"])
    assert watcher.feed(np.arange(100, 200), {"loss": loss[100:]}) == ()
    with pytest.raises(ArgumentError, match="before the first feed"):
        watcher.resume([0], {"loss": [1.0]}, step=1)
