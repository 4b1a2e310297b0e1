"""Schedulers that Accelerate has wrapped are those of torch within."""

import pytest

import learnrate
from learnrate import ArgumentError
from needed import needed

torch = pytest.importorskip("torch")
accelerate = needed("accelerate")


@pytest.fixture
def prepared():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    return accelerate.Accelerator(cpu=True).prepare(optimizer, scheduler)


def test_attach_and_from_torch_take_what_accelerate_has_wrapped(prepared):
    optimizer, scheduler = prepared
    run = learnrate.attach(optimizer, scheduler, total_steps=10, store=False)
    assert str(run.schedule) == "0.1 * cosine(10)"
    run.finish()
    assert learnrate.from_torch(scheduler, 10) == learnrate.schedule("0.1 * cosine(10)")


def test_a_scheduler_that_is_stepped_for_every_process_is_refused(prepared, monkeypatch):
    optimizer, scheduler = prepared
    monkeypatch.setattr("learnrate.torch_scheduler._wrapped.rank_and_size", lambda: (0, 2))
    with pytest.raises(ArgumentError, match="2 times an update"):
        learnrate.attach(optimizer, scheduler, total_steps=10, store=False)
    scheduler.split_batches = True
    assert learnrate.from_torch(scheduler, 10).total_steps == 10
