"""Batches whose size follows a schedule."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

import learnrate
from learnrate import ArgumentError
from learnrate.batch_size import ScheduledBatchSampler
from learnrate.trials import Training, preserved


@given(
    st.integers(1, 40),
    st.lists(st.floats(0.02, 1), min_size=1, max_size=12),
    st.integers(0, 2**63 - 1),
    st.booleans(),
)
def test_every_pass_has_every_example_once_and_batches_the_size_of_their_step(
    examples, shares, seed, shuffle
):
    sizes = [max(1.0, share * examples) for share in shares]
    table = learnrate.schedule(f"table({sizes})")
    sampler = ScheduledBatchSampler(examples, table, shuffle=shuffle, seed=seed)
    batches = list(sampler)
    assert [len(batch) for batch in batches] == [int(size + 0.5) for size in sizes]
    stream = [index for batch in batches for index in batch]
    for begin in range(0, len(stream), examples):
        part = stream[begin : begin + examples]
        assert len(set(part)) == len(part)
        if len(part) == examples:
            assert sorted(part) == list(range(examples))
    for step in (0, len(batches) // 2, len(batches)):
        sampler.start_at(step)
        assert list(sampler) == batches[step:]
        assert len(sampler) == len(batches) - step


def test_a_resumed_loader_gives_the_batches_it_would_have_given_though_workers_read_ahead():
    data = TensorDataset(torch.arange(50.0)[:, None])
    text = "20 * warmup(50%, start=0.1) >> constant()"

    def loader():
        sampler = ScheduledBatchSampler(len(data), text, total_steps=12, seed=3)
        return DataLoader(data, batch_sampler=sampler), sampler

    whole = [batch[0] for batch in loader()[0]]
    first, sampler = loader()
    iterator = iter(first)
    for _ in range(5):
        next(iterator)
    second, sampler = loader()
    sampler.start_at(5)
    rest = [batch[0] for batch in second]
    assert len(rest) == 7
    assert all(torch.equal(*pair) for pair in zip(rest, whole[5:], strict=True))


def test_ranks_share_each_batch():
    whole = ScheduledBatchSampler(30, "table([4, 8, 6])", multiple_of=2)
    parts = [
        list(ScheduledBatchSampler(30, "table([4, 8, 6])", multiple_of=2, rank=rank, ranks=2))
        for rank in (0, 1)
    ]
    assert [sorted(left + right) for left, right in zip(*parts, strict=True)] == [
        sorted(batch) for batch in whole
    ]


def test_a_task_seeds_its_order_and_leaves_the_sampler_as_it_was():
    x = torch.arange(32.0)[:, None]
    sampler = ScheduledBatchSampler(32, "table([4, 8, 16])", seed=5)
    before = list(sampler)
    task = learnrate.Task(
        model=lambda: torch.nn.Linear(1, 1),
        loss=torch.nn.MSELoss(),
        data=DataLoader(TensorDataset(x, x), batch_sampler=sampler),
        total_steps=3,
    )

    def batches(seed):
        with preserved(task):
            training = Training(task, seed)
            return [training.next_batch()[0].flatten().tolist() for _ in range(3)]

    assert [len(batch) for batch in batches(1)] == [4, 8, 16]
    assert batches(1) == batches(1) != batches(2)
    assert list(sampler) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, "constant()"), "has no length; give total_steps"),
        ((8, "16 * constant(4)"), "sizes from 1 to the 8 examples.*gives 16 to 16"),
        ((8, "4 * linear(8)"), "gives 0.5 to 4"),
        ((0, "constant(4)"), r"examples=...\) must be a whole number of at least 1; got 0"),
    ],
)
def test_data_without_batches_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ScheduledBatchSampler(*arguments)
