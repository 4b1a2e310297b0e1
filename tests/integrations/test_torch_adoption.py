"""from_torch: contracts that hold for every scheduler of torch."""

import copy
import warnings

import pytest

from learnrate import ArgumentError, Schedule
from learnrate.schedules import FromFunction, Interpolated, Skip, from_json

torch = pytest.importorskip("torch")
from learnrate.torch_scheduler import from_torch, to_torch  # noqa: E402 - after the skip

lr = torch.optim.lr_scheduler
TOTAL = 40
HALFWAY = 13

SCHEDULERS = {
    "LambdaLR": lambda o: lr.LambdaLR(o, lambda s: 0.95**s),
    "MultiplicativeLR": lambda o: lr.MultiplicativeLR(o, lambda s: 0.97 if s % 2 else 0.9),
    "StepLR": lambda o: lr.StepLR(o, 10, 0.3),
    "MultiStepLR": lambda o: lr.MultiStepLR(o, [5, 5, 20], 0.5),
    "ConstantLR": lambda o: lr.ConstantLR(o, 0.25, total_iters=15),
    "LinearLR": lambda o: lr.LinearLR(o, 0.1, 1.0, total_iters=20),
    "LinearLR falling": lambda o: lr.LinearLR(o, 1.0, 0.2, total_iters=20),
    "ExponentialLR": lambda o: lr.ExponentialLR(o, 0.93),
    "SequentialLR": lambda o: lr.SequentialLR(
        o, [lr.LinearLR(o, 0.1, 1.0, 8), lr.CosineAnnealingLR(o, 20)], [8]
    ),
    "CosineAnnealingLR": lambda o: lr.CosineAnnealingLR(o, 15),
    "ChainedScheduler": lambda o: lr.ChainedScheduler(
        [lr.ConstantLR(o, 0.1, 6), lr.ExponentialLR(o, 0.9)], o
    ),
    "CyclicLR": lambda o: lr.CyclicLR(
        o, [g["lr"] / 10 for g in o.param_groups], [g["lr"] for g in o.param_groups], 7, 5
    ),
    "CyclicLR triangular2": lambda o: lr.CyclicLR(
        o,
        [g["lr"] / 10 for g in o.param_groups],
        [g["lr"] for g in o.param_groups],
        7,
        mode="triangular2",
    ),
    "CosineAnnealingWarmRestarts": lambda o: lr.CosineAnnealingWarmRestarts(o, 5, 2),
    "OneCycleLR": lambda o: lr.OneCycleLR(o, [g["lr"] for g in o.param_groups], total_steps=TOTAL),
    "PolynomialLR": lambda o: lr.PolynomialLR(o, 30, 2.0),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, swa_lr=0.0, anneal_epochs=9),
}
CYCLE_MOMENTUM = {"CyclicLR", "CyclicLR triangular2", "OneCycleLR"}

# SequentialLR calls its parts as torch deprecates, in some versions. Here the rates alone are read.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The epoch parameter in:UserWarning", "ignore:this .* sets momentum too:UserWarning"
)
every_scheduler = pytest.mark.parametrize("name", SCHEDULERS)


@pytest.fixture
def build(make_optimizer):
    """An optimizer of two groups under one of torch's schedulers."""

    def make(name):
        optimizer = make_optimizer(0.1, 0.02, momentum=0.9)
        return optimizer, SCHEDULERS[name](optimizer)

    return make


@pytest.fixture
def torch_rates(build, trained_at):
    """What torch trains with, undisturbed."""

    def train(name, updates=TOTAL):
        return trained_at(*build(name), updates - 1)

    return train


def close(expected):
    return [pytest.approx(rates, rel=1e-9, abs=1e-16) for rates in expected]


def after(expected, step):
    return [rates[step:] for rates in expected]


@every_scheduler
def test_an_adopted_scheduler_trains_with_the_same_rates(name, build, torch_rates, trained_at):
    optimizer, scheduler = build(name)
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer)
    assert trained_at(optimizer, adopted, TOTAL - 1) == close(torch_rates(name))


@every_scheduler
def test_the_result_is_a_schedule_that_can_be_saved(name, build):
    schedule = from_torch(build(name)[1], TOTAL)
    assert isinstance(schedule, Schedule)
    assert schedule.total_steps == TOTAL
    assert schedule == from_json(schedule.to_json())


@every_scheduler
def test_from_torch_changes_neither_scheduler_nor_optimizer(name, build, torch_rates, trained_at):
    optimizer, scheduler = build(name)
    weights = [group["params"][0] for group in optimizer.param_groups]
    groups = copy.deepcopy([dict(group) for group in optimizer.param_groups])
    state = copy.deepcopy(scheduler.state_dict())
    from_torch(scheduler, TOTAL)
    assert [group["params"][0] for group in optimizer.param_groups] == weights
    assert repr(groups) == repr([dict(group) for group in optimizer.param_groups])
    assert state.keys() == scheduler.state_dict().keys()
    assert state.get("last_epoch") == scheduler.state_dict().get("last_epoch")
    assert trained_at(optimizer, scheduler, TOTAL - 1) == torch_rates(name)


@every_scheduler
def test_adopted_halfway_it_continues_as_torch_would_have(name, build, torch_rates, trained_at):
    optimizer, scheduler = build(name)
    trained_at(optimizer, scheduler, HALFWAY)
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer, step=HALFWAY)
    rates = trained_at(optimizer, adopted, TOTAL - 1 - HALFWAY)
    assert rates == close(after(torch_rates(name), HALFWAY))


@every_scheduler
@pytest.mark.parametrize("with_optimizer", [True, False])
def test_it_resumes_with_and_without_the_optimizers_state(
    name, with_optimizer, build, torch_rates, trained_at
):
    optimizer, scheduler = build(name)
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer)
    trained_at(optimizer, adopted, HALFWAY)
    saved, weights = adopted.state_dict(), optimizer.state_dict()
    optimizer, scheduler = build(name)
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer)
    if with_optimizer:
        optimizer.load_state_dict(weights)
    adopted.load_state_dict(saved)
    rates = trained_at(optimizer, adopted, TOTAL - 1 - HALFWAY)
    assert rates == close(after(torch_rates(name), HALFWAY))


@every_scheduler
def test_a_group_added_later_follows_with_its_own_share(name, build, torch_rates, trained_at):
    optimizer, scheduler = build(name)
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer)
    trained_at(optimizer, adopted, HALFWAY)
    base = max(group["initial_lr"] for group in optimizer.param_groups)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer.add_param_group({"params": [parameter], "lr": base / 2})
    *known, added = trained_at(optimizer, adopted, TOTAL - 1 - HALFWAY)
    assert known == close(after(torch_rates(name), HALFWAY))
    assert added == pytest.approx([rate / 2 for rate in known[0]], rel=1e-12)


@every_scheduler
def test_a_hand_edit_of_the_rate_lasts_one_update_every_scheduler_alike(
    name, build, torch_rates, trained_at
):
    optimizer, scheduler = build(name)
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer)
    trained_at(optimizer, adopted, HALFWAY)
    for group in optimizer.param_groups:
        group["lr"] = 7.0
    rates = trained_at(optimizer, adopted, TOTAL - 1 - HALFWAY)
    assert [column[0] for column in rates] == [7.0, 7.0]
    assert after(rates, 1) == close(after(torch_rates(name), HALFWAY + 1))


@every_scheduler
def test_an_edit_of_the_schedule_lasts_and_survives_a_resume(name, build, torch_rates, trained_at):
    optimizer, scheduler = build(name)
    adopted = from_torch(scheduler, TOTAL)
    edited = adopted.head(HALFWAY).then(0.1 * Skip(adopted, HALFWAY))
    adopted = to_torch(edited, optimizer)
    trained_at(optimizer, adopted, HALFWAY + 3)
    saved = adopted.state_dict()
    optimizer, _ = build(name)
    adopted = to_torch(edited, optimizer)
    adopted.load_state_dict(saved)
    expected = [[0.1 * rate for rate in rates] for rates in after(torch_rates(name), HALFWAY + 3)]
    assert trained_at(optimizer, adopted, TOTAL - 4 - HALFWAY) == close(expected)


@every_scheduler
def test_a_rate_edited_before_adoption_continues_as_torch_would_have(name, build, trained_at):
    def edited():
        optimizer, scheduler = build(name)
        trained_at(optimizer, scheduler, HALFWAY)
        for group in optimizer.param_groups:
            group["lr"] *= 0.5
        return optimizer, scheduler

    expected = trained_at(*edited(), TOTAL - 1 - HALFWAY)
    optimizer, scheduler = edited()
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer, step=HALFWAY)
    assert trained_at(optimizer, adopted, TOTAL - 1 - HALFWAY) == close(expected)


@pytest.mark.parametrize("name", sorted(CYCLE_MOMENTUM))
def test_the_momentum_it_cycles_can_be_adopted_too(name, build, trained_at):
    def momentum(group):
        return group["momentum"]

    optimizer, scheduler = build(name)
    expected = trained_at(optimizer, scheduler, TOTAL - 1, read=momentum)
    optimizer, scheduler = build(name)
    cycled = from_torch(scheduler, TOTAL, name="momentum")
    adopted = to_torch(from_torch(scheduler, TOTAL), optimizer, hyper={"momentum": cycled})
    assert trained_at(optimizer, adopted, TOTAL - 1, read=momentum) == close(expected)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("StepLR", "0.1 * step(factor=0.3, every=10)"),
        ("MultiStepLR", "0.1 * multi_step(factor=0.5, boundaries=[5, 5, 20])"),
        ("ConstantLR", "0.1 * (0.25 * constant(15)) >> constant()"),
        ("LinearLR", "0.1 * warmup(20, start=0.1) >> constant()"),
        ("LinearLR falling", "0.1 * linear(20, floor=0.2) >> (0.2 * constant())"),
        ("ExponentialLR", "0.1 * exponential(factor=0.93, every=1)"),
        ("PolynomialLR", "0.1 * polynomial(30, power=2) >> (0 * constant())"),
        ("CosineAnnealingWarmRestarts", "0.1 * cosine_restarts(every=5, growth=2)"),
    ],
)
def test_where_one_of_our_shapes_is_the_same_the_schedule_is_that_shape(name, text, build):
    assert str(from_torch(build(name)[1])) == text


def test_a_one_cycle_knows_its_own_length(make_optimizer):
    optimizer = make_optimizer(0.1)
    schedule = from_torch(lr.OneCycleLR(optimizer, 0.1, total_steps=100))
    expected = "0.1 * warmup(29, start=0.04, curve=cosine) >> cosine(70, floor=4e-6) >> (4e-6 * "
    assert str(schedule).startswith(expected)


def test_a_cosine_within_its_length_is_a_cosine(make_optimizer):
    scheduler = lr.CosineAnnealingLR(make_optimizer(0.1), 3000, eta_min=0.01)
    assert str(from_torch(scheduler, 3000)) == "0.1 * cosine(3000, floor=0.1)"


def test_a_cosine_that_climbs_again_has_half_cosines_that_climb(make_optimizer):
    schedule = from_torch(lr.CosineAnnealingLR(make_optimizer(0.1), 10), 21)
    assert isinstance(schedule.split()[1], Interpolated)
    assert schedule(20) == pytest.approx(0.1)


def test_groups_that_do_not_keep_their_ratio_are_adopted_one_by_one(make_optimizer, trained_at):
    def build():
        optimizer = make_optimizer(0.1, 0.02)
        return optimizer, lr.CosineAnnealingLR(optimizer, 30, eta_min=0.01)

    expected = trained_at(*build(), 29)
    optimizer, scheduler = build()
    with pytest.raises(ArgumentError, match="do not keep their ratio"):
        from_torch(scheduler, 30)
    schedules = [from_torch(scheduler, 30, group=group) for group in (0, 1)]
    adopted = to_torch(schedules[0], optimizer, groups=schedules)
    assert trained_at(optimizer, adopted, 29) == close(expected)


def test_negative_rates_are_adopted(make_optimizer, trained_at):
    optimizer = make_optimizer(0.1)
    adopted = to_torch(from_torch(lr.LambdaLR(optimizer, lambda s: -1.0 - s), 10), optimizer)
    (rates,) = trained_at(optimizer, adopted, 9)
    assert rates == pytest.approx([0.1 * (-1.0 - s) for s in range(9)])


def test_a_lambda_without_a_total_stays_the_users_function(make_optimizer):
    schedule = from_torch(lr.LambdaLR(make_optimizer(0.1), lambda s: 0.5**s))
    assert isinstance(schedule.split()[1], FromFunction)
    assert schedule(2000) == 0.1 * 0.5**2000


def test_a_closed_loop_is_refused(make_optimizer):
    plateau = lr.ReduceLROnPlateau(make_optimizer(0.1))
    with pytest.raises(ArgumentError, match=r"ReduceLROnPlateau.*controllers"):
        from_torch(plateau, 10)


@pytest.mark.parametrize(
    ("make", "total_steps", "match"),
    [
        (lambda o: lr.MultiplicativeLR(o, lambda _: 0.9), None, "must be given for this Multipl"),
        (lambda o: lr.CosineAnnealingLR(o, 10), None, "must be given for this CosineAnn"),
        (
            lambda o: lr.OneCycleLR(o, 0.1, total_steps=9),
            20,
            "must not exceed the scheduler's length",
        ),
        (lambda o: lr.StepLR(o, 10), 0, "beyond the scheduler's step, 0; got 0"),
    ],
)
def test_a_total_that_cannot_be_is_refused(make, total_steps, match, make_optimizer):
    with pytest.raises(ArgumentError, match=match):
        from_torch(make(make_optimizer(0.1)), total_steps)


def test_what_torch_does_with_an_edit_differs_from_scheduler_to_scheduler(build, trained_at):
    """The reason for the matrix: half of torch's schedulers keep an edit, half lose it."""
    exact = set()
    for name in SCHEDULERS:
        optimizer, scheduler = build(name)
        trained_at(optimizer, scheduler, 2)
        plain = copy.deepcopy(scheduler)
        for group in optimizer.param_groups:
            group["lr"] *= 0.1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step()
            plain.step()
        edited, unedited = (s.optimizer.param_groups[0]["lr"] for s in (scheduler, plain))
        if edited != unedited:
            exact.add(name)
    assert "StepLR" in exact
    assert not {"LambdaLR", "OneCycleLR"} & exact
