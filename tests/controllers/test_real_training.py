"""A real training: warm-up, then plateaus, on digits; stopped, resumed, and replayed."""

import json
from itertools import pairwise

import pytest
import torch

from learnrate import schedule
from learnrate.controllers import Controlled, Plateau, SasaPlus
from learnrate.run import measured_step
from needed import needed

datasets = needed("sklearn.datasets")
STEPS = 1200


class Run:
    """An MLP on digits under SGD, whose every draw follows from the step."""

    def __init__(self):
        digits = datasets.load_digits()
        self.x = torch.tensor(digits.data, dtype=torch.float32) / 16
        self.y = torch.tensor(digits.target)
        torch.manual_seed(0)
        wrong = torch.rand(len(self.y)) < 0.2  # labels that cannot be learned: a floor to reach
        self.labels = torch.where(wrong, torch.randint(10, self.y.shape), self.y)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
        )
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5, weight_decay=3e-3)
        self.rates = Controlled(
            schedule("0.5 * warmup(100) >> constant()"),
            [
                Plateau(window=100, improvement=0.2, factor=0.3, warmup=100, cooldown=20),
                SasaPlus(min_samples=300, test_every=50, warmup=100, factor=0.3),
            ],
        )

    def update(self, step, lr):
        generator = torch.Generator().manual_seed(step)
        batch = torch.randint(len(self.x), (32,), generator=generator)
        self.optimizer.param_groups[0]["lr"] = lr
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(self.x[batch]), self.labels[batch])
        loss.backward()
        with measured_step(self.optimizer) as signals:
            self.optimizer.step()
        return loss.item(), signals

    def train(self, steps):
        used = []
        for step in steps:
            used.append(self.rates.lr(step))
            loss, signals = self.update(step, used[-1])
            self.rates.observe(step, loss, **signals)
        return used

    def weights(self):
        return torch.cat([p.detach().reshape(-1) for p in self.model.parameters()])


SAVED = (50, 700)  # in the warm-up, and after it


@pytest.fixture(scope="module")
def parts():
    """A run that is saved twice: its rates, and its state when it was saved and at its end."""
    run, used, states = Run(), [], {}
    for first, end in pairwise((0, *SAVED, STEPS)):
        used += run.train(range(first, end))
        states[end] = {
            "model": {name: value.clone() for name, value in run.model.state_dict().items()},
            "rates": json.dumps(run.rates.state_dict(), allow_nan=False),
            "weights": run.weights(),
            "changes": run.rates.changes,
        }
    return run, used, states


@pytest.fixture(scope="module")
def whole(parts):
    return parts[:2]


def test_the_rate_warms_up_and_then_falls_at_plateaus(whole):
    run, used = whole
    assert used[:100] == [schedule("0.5 * warmup(100)")(step) for step in range(100)]
    assert used[100] == 0.5
    assert 1 <= len(run.rates.changes) <= 10
    assert all(change.step > 200 and change.reason for change in run.rates.changes)
    assert used[-1] < 0.5


def test_the_network_learned(whole):
    run, _ = whole
    predicted = run.model(run.x).argmax(1)
    assert (predicted == run.y).float().mean() > 0.93


@pytest.mark.parametrize(("saved_step", "end"), [*pairwise((*SAVED, STEPS))])
def test_stopped_and_resumed_it_is_the_same_run_to_the_last_bit(parts, saved_step, end):
    _, used, states = parts
    saved, expected = states[saved_step], states[end]
    resumed = Run()
    resumed.model.load_state_dict(saved["model"])
    resumed.rates.load_state_dict(json.loads(saved["rates"]))
    assert resumed.train(range(saved_step, end)) == used[saved_step:end]
    assert torch.equal(resumed.weights(), expected["weights"])
    assert resumed.rates.changes == expected["changes"]


def test_trained_under_the_realised_schedule_it_is_the_same_run_to_the_last_bit(whole):
    run, used = whole
    again, realised = Run(), schedule(str(run.rates.realised(STEPS)))
    for step in range(STEPS):
        again.update(step, realised(step))
    assert [realised(step) for step in range(STEPS)] == used
    assert torch.equal(again.weights(), run.weights())
