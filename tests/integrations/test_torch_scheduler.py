"""to_torch: schedules as schedulers of torch."""

import copy
import io
import pickle
from importlib import import_module

import pytest

from learnrate import ArgumentError
from learnrate.schedules import Constant, Cosine, FromFunction, Linear, Step, Warmup, one_cycle

torch = pytest.importorskip("torch")
from learnrate.torch_scheduler import TorchSchedule, to_torch  # noqa: E402 - after the skip

RATE = 3e-2 * Warmup(5).then(Cosine(15, floor=0.1))
TOTAL = 20


def values(schedule, first=0, last=TOTAL, share=1.0):
    return [schedule(step) * share for step in range(first, last)]


def test_it_is_a_real_scheduler_of_torch(make_optimizer):
    scheduler = to_torch(RATE, make_optimizer(0.1))
    assert isinstance(scheduler, torch.optim.lr_scheduler.LRScheduler)
    assert scheduler.last_epoch == 0
    assert scheduler.schedule == RATE
    assert scheduler.base_lrs == [0.1]


@pytest.mark.parametrize(
    "schedule", [RATE, 0.1 * Step(every=3), (0.1 * one_cycle().over(TOTAL)).ascending()], ids=str
)
def test_every_update_is_made_at_the_rate_of_its_step(schedule, make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    (rates,) = trained_at(optimizer, to_torch(schedule, optimizer), 1500)
    assert values(schedule, last=1500) == rates


def test_groups_keep_the_ratio_they_were_built_with(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1, 0.4, 0.0)
    low, high, frozen = trained_at(optimizer, to_torch(RATE, optimizer), TOTAL)
    assert values(RATE) == high
    assert values(RATE, share=0.25) == low
    assert frozen == [0.0] * TOTAL


def test_groups_built_with_a_rate_of_zero_all_get_the_schedule(make_optimizer, trained_at):
    optimizer = make_optimizer(0.0, 0.0)
    assert [values(RATE)] * 2 == trained_at(optimizer, to_torch(RATE, optimizer), TOTAL)


def test_a_group_may_have_a_schedule_of_its_own(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1, 5.0, 0.05)
    group_schedule = 1e-4 * Linear(TOTAL)
    scheduler = to_torch(RATE, optimizer, groups=[None, group_schedule, None])
    first, second, third = trained_at(optimizer, scheduler, TOTAL)
    assert values(RATE) == first
    assert values(group_schedule) == second
    assert values(RATE, share=0.5) == third


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_a_group_added_later_follows_from_its_first_update(rate, make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    scheduler = to_torch(RATE, optimizer)
    trained_at(optimizer, scheduler, 7)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate})
    first, added = trained_at(optimizer, scheduler, TOTAL - 7)
    assert values(RATE, 7) == first
    assert values(RATE, 7, share=rate / 0.1) == added
    assert scheduler.get_last_lr() == [RATE(TOTAL), RATE(TOTAL) * (rate / 0.1)]


def test_the_newest_of_many_schedulers_is_the_one_a_new_group_follows(make_optimizer):
    optimizer = make_optimizer(0.1)
    for edit in range(1200):  # more than Python would let calls nest
        to_torch(RATE, optimizer)
        newest = to_torch((edit + 1) * RATE, optimizer)
    rate = newest.schedule(0)
    optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 0.05})
    assert newest.get_last_lr() == [rate, rate / 2]
    assert newest.get_last_lr() == [group["lr"] for group in optimizer.param_groups]


def test_a_group_can_be_added_after_a_copy_was_unpickled(make_optimizer):
    scheduler = pickle.loads(pickle.dumps(to_torch(RATE, make_optimizer(0.1))))
    scheduler.optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 0.05})
    assert [group["lr"] for group in scheduler.optimizer.param_groups] == [RATE(0), RATE(0) / 2]


def test_other_hyper_parameters_can_be_scheduled(make_optimizer, trained_at):
    momentum = Linear(TOTAL, floor=0.5)
    optimizer = make_optimizer(0.1, 0.1, momentum=0.9, weight_decay=0.1)
    optimizer.param_groups[1]["weight_decay"] = 0.0
    decay = 0.2 * Cosine(TOTAL)
    scheduler = to_torch(RATE, optimizer, hyper={"momentum": momentum, "weight_decay": decay})
    used = trained_at(
        optimizer, scheduler, TOTAL, read=lambda g: (g["lr"], g["momentum"], g["weight_decay"])
    )
    expected = list(zip(values(RATE), values(momentum), values(decay), strict=True))
    assert expected == used[0]
    assert [(lr, m, 0.0) for lr, m, _ in expected] == used[1]


def test_one_of_two_betas_can_be_scheduled(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1, cls=torch.optim.Adam)
    beta = 0.9 * Linear(TOTAL, floor=0.5)
    scheduler = to_torch(RATE, optimizer, hyper={"betas[0]": beta})
    (used,) = trained_at(optimizer, scheduler, TOTAL, read=lambda group: group["betas"])
    assert [(value, 0.999) for value in values(beta)] == used


def test_the_share_of_weight_decay_survives_a_resume_where_all_of_it_was_zero(make_optimizer):
    def build():
        optimizer = make_optimizer(0.1, 0.1, weight_decay=0.1)
        optimizer.param_groups[1]["weight_decay"] = 0.0
        return optimizer

    decay = Constant(2).then(0.0 * Constant(2), Constant(5))
    first = build()
    to_torch(RATE, first, hyper={"weight_decay": decay}, step=3)
    second = build()
    second.load_state_dict(first.state_dict())
    to_torch(RATE, second, hyper={"weight_decay": decay}, step=4)
    assert [group["weight_decay"] for group in second.param_groups] == [1.0, 0.0]


# Resuming: one integer is enough, with or without the optimizer's state.


def optimizer_first(optimizer, scheduler, saved):
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])


def scheduler_first(optimizer, scheduler, saved):
    scheduler.load_state_dict(saved["scheduler"])
    optimizer.load_state_dict(saved["optimizer"])


def scheduler_only(optimizer, scheduler, saved):
    scheduler.load_state_dict(saved["scheduler"])


def one_integer(optimizer, scheduler, saved):
    scheduler.load_state_dict({"last_epoch": saved["scheduler"]["last_epoch"]})


@pytest.mark.parametrize(
    "restore", [optimizer_first, scheduler_first, scheduler_only, one_integer]
)
@pytest.mark.parametrize("tensors", [False, True])
def test_it_resumes_at_the_same_rates(restore, tensors, make_optimizer, trained_at):
    def build():
        rates = [torch.tensor(rate, dtype=torch.float64) if tensors else rate for rate in (1, 0.5)]
        optimizer = make_optimizer(*rates)
        return optimizer, to_torch(RATE, optimizer)

    optimizer, scheduler = build()
    trained_at(optimizer, scheduler, 8)
    file = io.BytesIO()
    saved = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict()}
    torch.save(saved, file)
    file.seek(0)
    optimizer, scheduler = build()
    restore(optimizer, scheduler, torch.load(file, weights_only=True))
    resumed = trained_at(optimizer, scheduler, 12)
    assert [values(RATE, 8), values(RATE, 8, share=0.5)] == resumed


def test_it_starts_at_any_step(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    (rates,) = trained_at(optimizer, to_torch(RATE, optimizer, step=8), 12)
    assert values(RATE, 8) == rates


def test_a_late_group_resumes_with_its_share_also_before_it_is_added_again(
    make_optimizer, trained_at
):
    optimizer = make_optimizer(0.1)
    scheduler = to_torch(RATE, optimizer)
    trained_at(optimizer, scheduler, 3)
    optimizer.add_param_group({"params": [torch.zeros(1)], "lr": 0.4})
    state = scheduler.state_dict()
    fresh = make_optimizer(0.1)
    resumed = to_torch(RATE, fresh)
    resumed.load_state_dict(state)
    fresh.add_param_group({"params": [torch.zeros(1)], "lr": 77.0})
    assert [RATE(3), RATE(3) * 4.0] == pytest.approx(resumed.get_last_lr(), rel=1e-15)


def test_it_continues_at_the_step_of_the_torch_scheduler_it_replaces(make_optimizer, trained_at):
    before = make_optimizer(0.1)
    old = torch.optim.lr_scheduler.CosineAnnealingLR(before, TOTAL)
    trained_at(before, old, 6)
    optimizer = make_optimizer(0.1)
    scheduler = to_torch(RATE, optimizer)
    scheduler.load_state_dict(old.state_dict())
    assert [RATE(6)] == scheduler.get_last_lr()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_continues_by_itself(copied, make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    scheduler = to_torch(RATE, optimizer)
    trained_at(optimizer, scheduler, 4)
    twin = copied(scheduler)
    assert twin.optimizer is not optimizer
    for parameter in (p for group in twin.optimizer.param_groups for p in group["params"]):
        parameter.grad = torch.zeros(1)
    (rates,) = trained_at(twin.optimizer, twin, 6)
    assert values(RATE, 4, 10) == rates
    assert [RATE(4)] == [group["lr"] for group in optimizer.param_groups]


def test_a_rate_written_by_hand_lasts_until_the_next_step(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    scheduler = to_torch(RATE, optimizer)
    trained_at(optimizer, scheduler, 4)
    optimizer.param_groups[0]["lr"] *= 0.1
    (rates,) = trained_at(optimizer, scheduler, 6)
    assert rates == [RATE(4) * 0.1, *values(RATE, 5, 10)]


def test_a_counter_set_by_hand_is_followed(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    scheduler = to_torch(RATE, optimizer)
    scheduler.last_epoch = 11
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == RATE(12)
    scheduler.step(3)
    assert optimizer.param_groups[0]["lr"] == RATE(3)


# Tensor rates and torch.compile.


def test_a_tensor_rate_stays_the_same_tensor(make_optimizer, trained_at):
    optimizer = make_optimizer(torch.tensor(0.1))
    (tensor,) = (group["lr"] for group in optimizer.param_groups)
    scheduler = to_torch(RATE, optimizer)
    (rates,) = trained_at(optimizer, scheduler, TOTAL)
    assert rates == pytest.approx(values(RATE), rel=1e-7)
    assert optimizer.param_groups[0]["lr"] is tensor
    assert all(isinstance(rate, torch.Tensor) for rate in scheduler.get_last_lr())
    assert scheduler.get_last_lr()[0] is not tensor


def test_groups_with_tensor_rates_keep_their_ratio(make_optimizer, trained_at):
    optimizer = make_optimizer(torch.tensor(0.1), torch.tensor(0.4))
    low, high = trained_at(optimizer, to_torch(RATE, optimizer), TOTAL)
    assert high == pytest.approx(values(RATE), rel=1e-6)
    assert low == pytest.approx(values(RATE, share=0.25), rel=1e-6)
    scheduler = to_torch(RATE, optimizer)
    scheduler.step(7)  # not the next step: written by another path
    written = [float(group["lr"]) for group in optimizer.param_groups]
    assert written == pytest.approx([0.25 * RATE(7), RATE(7)], rel=1e-6)


def compilations(optimizer):
    """How often an update is compiled over ten steps of the schedule."""
    torch._dynamo.reset()
    scheduler = to_torch(RATE, optimizer)
    counter = import_module("torch._dynamo.testing").CompileCounter()
    update = torch.compile(optimizer.step, backend=counter)
    for _ in range(10):
        update()
        scheduler.step()
    return counter.frame_count


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_a_compiled_update_is_not_compiled_again_for_a_tensor_rate(make_optimizer):
    assert compilations(make_optimizer(torch.tensor(0.1), cls=torch.optim.Adam)) == 1
    assert compilations(make_optimizer(0.1, cls=torch.optim.Adam)) > 1


# What is refused, and what torch warns of.


def test_stepping_the_scheduler_first_is_warned_of_in_the_callers_file(make_optimizer):
    scheduler = to_torch(RATE, make_optimizer(0.1))
    with pytest.warns(UserWarning, match=r"before optimizer\.step") as caught:
        scheduler.step()
    assert [__file__] == [warning.filename for warning in caught]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"schedule": Linear()}, "must be bound to a run"),
        ({"schedule": "3e-4 * linear(10)"}, "must be a schedule"),
        ({"optimizer": torch.nn.Linear(1, 1)}, r"must be a torch\.optim\.Optimizer"),
        ({"groups": [RATE, RATE]}, "got 2 for 1"),
        ({"groups": [Linear()]}, r"groups=\.\.\.\)\[0\] must be bound"),
        ({"hyper": {"momentun": RATE}}, "the groups of this optimizer have .*momentum"),
        ({"hyper": {"lr": RATE}}, "`schedule` is its schedule"),
        ({"hyper": {"betas[0": RATE}}, "'betas\\[0\\]'; got"),
        ({"hyper": {"momentum": Linear()}}, r"'momentum': \.\.\.\}\) must be bound"),
        ({"step": -1}, "at least 0; got -1"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, match, make_optimizer):
    with pytest.raises(ArgumentError, match=match):
        to_torch(**{"schedule": RATE, "optimizer": make_optimizer(0.1), **arguments})


def test_a_state_without_a_step_is_refused(make_optimizer):
    with pytest.raises(ArgumentError, match="'last_epoch'"):
        to_torch(RATE, make_optimizer(0.1)).load_state_dict({"best": 1.0})


def test_a_function_that_ends_with_the_run_is_not_asked_beyond_it(make_optimizer, trained_at):
    listed = values(RATE, last=TOTAL + 1)
    optimizer = make_optimizer(0.1)
    scheduler = to_torch(FromFunction(listed.__getitem__), optimizer)
    assert trained_at(optimizer, scheduler, TOTAL) == [listed[:-1]]


def test_a_torch_sequence_may_hold_it(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    lr = torch.optim.lr_scheduler
    scheduler = to_torch(RATE, optimizer)
    sequence = lr.SequentialLR(
        optimizer, [scheduler, lr.ConstantLR(optimizer, 1.0)], milestones=[5]
    )
    (rates,) = trained_at(optimizer, sequence, 6)
    assert rates == [*values(RATE, 0, 5), pytest.approx(0.1)]


def test_its_class_is_named_in_the_module():
    assert TorchSchedule.__module__ == "learnrate.torch_scheduler._to_torch"
