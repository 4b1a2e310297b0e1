"""A torch scheduler that is stepped once an epoch, under attach."""

import warnings

import pytest

torch = pytest.importorskip("torch")
import learnrate  # noqa: E402 - after the skip

EPOCHS, UPDATES = 4, 30


def trained(every, step_scheduler=True, store=False):
    """The rates of all updates of the tutorial's loop, and the warnings."""
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    run = learnrate.attach(
        optimizer, scheduler, total_steps=EPOCHS * UPDATES, every=every, store=store
    )
    rates = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(EPOCHS):
            for _ in range(UPDATES):
                optimizer.zero_grad()
                loss = weight.square().sum()
                loss.backward()
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                run.step(loss)
            if step_scheduler:
                scheduler.step()
    run.finish()
    return rates, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("step_scheduler", [True, False])
def test_a_scheduler_stepped_once_an_epoch_keeps_its_rhythm_and_no_warning_is_given(
    step_scheduler,
):
    rates, messages = trained(UPDATES, step_scheduler)
    expected = [0.7**epoch for epoch in range(EPOCHS) for _ in range(UPDATES)]
    inside = [
        i for i in range(len(expected)) if i % UPDATES
    ]  # the scheduler writes before the first
    assert [rates[i] for i in inside] == pytest.approx([expected[i] for i in inside])
    assert messages == []


def test_a_rhythm_other_than_every_is_one_warning_with_the_way_out():
    _, messages = trained(1)
    (message,) = messages
    assert "StepLR was stepped after about 3" in message
    assert "len(loader) if it is stepped once an epoch" in message


def test_every_is_for_torchs_schedulers_alone():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    with pytest.raises(learnrate.ArgumentError, match=r"attach\(every=\.\.\.\)"):
        learnrate.attach(optimizer, "linear(9)", every=3, store=False)
