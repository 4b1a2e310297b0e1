"""Episodes: what is in them, that halves and sides never share, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnrate import ArgumentError, TaskError
from learnrate.meta import (
    Episode,
    Episodes,
    FewShot,
    MetaTask,
    MixedRegression,
    Sinusoids,
    adapt,
    advise,
    sweep,
    train,
)

LABELS = np.repeat(np.arange(12), 6)
INPUTS = np.arange(72, dtype=np.float32)[:, None]  # each example is its own row's number
GROUPS = LABELS // 4


@given(st.integers(2, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 10**6))
def test_an_episode_has_its_classes_and_no_example_twice(ways, shots, queries, seed):
    drawn = FewShot(INPUTS, LABELS, ways=ways, shots=shots, queries=queries).draw(3, seed)
    for (near, far), (support_labels, query_labels) in (
        ((drawn.support[0][index, :, 0], drawn.query[0][index, :, 0]),
         (drawn.support[1][index], drawn.query[1][index]))
        for index in range(3)
    ):  # fmt: skip
        rows = torch.cat([near, far]).long()
        assert len(rows.unique()) == ways * (shots + queries)
        classes = torch.from_numpy(LABELS)[rows]
        numbered = torch.cat([support_labels, query_labels])
        for number in range(ways):
            assert len(classes[numbered == number].unique()) == 1
        assert support_labels.tolist() == sorted(list(range(ways)) * shots)


def test_the_same_seed_draws_the_same_and_another_does_not():
    source = FewShot(INPUTS, LABELS, ways=3, shots=1, queries=2)
    first, again, other = (source.draw(5, seed).support[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_with_groups_an_episode_stays_within_one():
    drawn = FewShot(INPUTS, LABELS, ways=4, shots=1, queries=1, groups=GROUPS).draw(20, 0)
    groups = GROUPS[drawn.support[0][..., 0].long().numpy()]
    assert (groups == groups[:, :1]).all()
    assert len(np.unique(groups)) == 3


@pytest.mark.parametrize(("by", "keys"), [("class", LABELS), ("group", GROUPS)])
def test_a_split_shares_nothing(by, keys):
    source = FewShot(INPUTS, LABELS, ways=2, shots=1, queries=1, groups=GROUPS)
    held_out = 4 if by == "class" else 1
    classes = [
        set(keys[side.draw(60, 0).support[0].long().flatten().numpy()])
        for side in source.split(by=by, held_out=held_out, seed=1)
    ]
    assert not classes[0] & classes[1]
    assert len(classes[1]) <= held_out


def test_a_dataset_of_pairs_serves_as_well():
    pairs = torch.utils.data.TensorDataset(torch.from_numpy(INPUTS), torch.from_numpy(LABELS))
    by_array = FewShot(INPUTS, LABELS, ways=3, shots=2, queries=2)
    by_dataset = FewShot(pairs, ways=3, shots=2, queries=2)
    assert torch.equal(by_array.draw(4, 0).query[0], by_dataset.draw(4, 0).query[0])


def test_sine_waves_are_sine_waves():
    drawn = Sinusoids(shots=400, queries=1).draw(5, seed=0)
    for x, y in zip(*drawn.support, strict=True):
        columns = torch.cat([torch.sin(x), torch.cos(x)], dim=1)
        coefficients = torch.linalg.lstsq(columns, y).solution
        assert float((columns @ coefficients - y).abs().max()) < 1e-3
        assert 0.1 <= float(coefficients.norm()) <= 5.0


def test_mixed_regression_has_the_stated_scatter_and_noise():
    family = MixedRegression(dim=4, shots=200, queries=1, sigma=0.5, nu=2.0, centre=1.0)
    x, y = family.draw(800, seed=0).support
    weights = torch.linalg.lstsq(x, y).solution[..., 0]
    assert float(weights.mean()) == pytest.approx(1.0, abs=0.1)
    assert float((weights - 1).square().sum(1).mean()) == pytest.approx(4.0, rel=0.1)
    residual = y - x @ weights[..., None]
    assert float(residual.std()) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("source", [Sinusoids(), MixedRegression(dim=2, shots=1, queries=1)])
def test_every_family_is_a_source_of_episodes(source):
    assert isinstance(source, Episodes)
    assert len(source.draw(3, 0)) == 3


def short_class():
    return FewShot(INPUTS[:-3], LABELS[:-3], ways=2, shots=3, queries=3)


BAD = {
    "a class with too few": (short_class, r"class 11 has 3 examples.*shots \+ queries = 6"),
    "more ways than classes": (
        lambda: FewShot(INPUTS, LABELS, ways=13, shots=1, queries=1),
        "there are 12",
    ),
    "more ways than a group has": (
        lambda: FewShot(INPUTS, LABELS, ways=5, shots=1, queries=1, groups=GROUPS),
        "no group has more than 4",
    ),
    "a class in two groups": (
        lambda: FewShot(INPUTS, LABELS, ways=2, shots=1, queries=1, groups=np.arange(72)),
        "class 0 is in several groups",
    ),
    "labels of another length": (
        lambda: FewShot(INPUTS, LABELS[1:], ways=2, shots=1, queries=1),
        "one entry for each example",
    ),
    "one way": (lambda: FewShot(INPUTS, LABELS, ways=1, shots=1, queries=1), "at least 2"),
    "neither labels nor a dataset": (lambda: FewShot(3, ways=2, shots=1, queries=1), "Dataset"),
    "no points": (lambda: Sinusoids(shots=0), "at least 1"),
    "noise below 0": (lambda: Sinusoids(noise=-1.0), "at least 0"),
    "nothing left": (
        lambda: FewShot(INPUTS, LABELS, ways=2, shots=1, queries=1).split(by="class", held_out=12),
        "some on each side",
    ),
    "groups that are not there": (
        lambda: FewShot(INPUTS, LABELS, ways=2, shots=1, queries=1).split(by="group", held_out=1),
        "if groups=... is given",
    ),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD)
def test_episodes_that_cannot_be_are_refused(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


class Drawn:
    """A source of episodes of a user's own that draws what it was given."""

    def __init__(self, drawn):
        self.drawn = drawn

    def draw(self, count, seed):
        return self.drawn


PAIR = (torch.ones(3, 2, 1), torch.ones(3, 2, 1))


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (3, "got an int"),
        (Episode(PAIR, ([1.0], [1.0])), "got a float in it"),
        (Episode(PAIR, PAIR)[:2], r"got a tensor of shape \(2, 2, 1\)"),
    ],
    ids=["a number", "lists", "too few rows"],
)
def test_a_source_that_draws_something_else_is_refused(drawn, message):
    linear, loss = torch.nn.Linear(1, 1), torch.nn.MSELoss()
    task = MetaTask(model=linear, loss=loss, episodes=Drawn(drawn), batch=3)
    with pytest.raises(TaskError, match=message):
        train(task, total_steps=1, progress=False)


def test_arguments_of_another_kind_are_refused_by_name():
    task = MetaTask(model=torch.nn.Linear(1, 1), loss=torch.nn.MSELoss(), episodes=Sinusoids())
    drawn = task.episodes.draw(2, seed=0)
    wrong = {
        r"train\(task=...\) must be a learnrate.meta.MetaTask": lambda: train(task.model),
        r"sweep\(task=...\) must be": lambda: sweep(task.model, [0.1], [0.1]),
        r"advise\(task=...\) must be": lambda: advise(task.model),
        r"adapt\(task=...\) must be": lambda: adapt(task.model, task, drawn),
        r"adapt\(model=...\) must be": lambda: adapt(task, task, drawn),
        r"adapt\(episode=...\) must be": lambda: adapt(task, task.model, drawn.support),
        r"adapt\(steps=...\) must be": lambda: adapt(task, task.model, drawn, steps=0),
    }
    for message, call in wrong.items():
        with pytest.raises(ArgumentError, match=message):
            call()
