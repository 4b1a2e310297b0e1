"""The set-ups of torch's own tests of its schedulers: the same rates, or a true reason.

Two groups at 0.05 and 0.5, as there; rates as floats and as tensors of both precisions.
"""

import gc
import random
import re
import weakref

import numpy as np
import pytest

from learnrate import ArgumentError
from learnrate.schedules import from_json, schedule

torch = pytest.importorskip("torch")
from learnrate.torch_scheduler import from_torch, to_torch  # noqa: E402 - after the skip

lr = torch.optim.lr_scheduler
CALLS = 24
KINDS = {"float": float, "float32": torch.float32, "float64": torch.float64}
pytestmark = pytest.mark.filterwarnings(
    "ignore:The epoch parameter in:UserWarning",
    "ignore:.*lr_scheduler.step.*:UserWarning",
    "ignore:this .* sets momentum too:UserWarning",  # here the rates alone are read
)


def cyclic(base, peak, up, down=None, **options):
    return lambda o: lr.CyclicLR(o, base, peak, up, down, cycle_momentum=False, **options)


SINGLE = {
    "step": lambda o: lr.StepLR(o, gamma=0.1, step_size=3),
    "step of 10": lambda o: lr.StepLR(o, gamma=0.9, step_size=10),
    "multi-step": lambda o: lr.MultiStepLR(o, gamma=0.1, milestones=[2, 5, 9]),
    "multi-step, listed twice": lambda o: lr.MultiStepLR(o, gamma=0.1, milestones=[9, 2, 5, 5]),
    "multi-step growing": lambda o: lr.MultiStepLR(o, gamma=1.5, milestones=[2, 5]),
    "exponential": lambda o: lr.ExponentialLR(o, gamma=0.9),
    "exponential growing": lambda o: lr.ExponentialLR(o, gamma=1.1),
    "constant": lambda o: lr.ConstantLR(o, factor=1 / 2, total_iters=4),
    "constant third": lambda o: lr.ConstantLR(o, factor=1 / 3, total_iters=4),
    "linear": lambda o: lr.LinearLR(o, start_factor=1 / 2, total_iters=4),
    "linear to": lambda o: lr.LinearLR(o, start_factor=0.4, end_factor=0.6, total_iters=4),
    "linear falling": lambda o: lr.LinearLR(o, start_factor=0.9, end_factor=0.1, total_iters=8),
    "linear from zero": lambda o: lr.LinearLR(o, start_factor=1e-8, total_iters=7),
    "polynomial": lambda o: lr.PolynomialLR(o, power=0.9, total_iters=5),
    "polynomial square": lambda o: lr.PolynomialLR(o, power=2.0, total_iters=10),
    "cosine": lambda o: lr.CosineAnnealingLR(o, T_max=30),
    "cosine with a floor": lambda o: lr.CosineAnnealingLR(o, T_max=10, eta_min=1e-10),
    "cosine that climbs": lambda o: lr.CosineAnnealingLR(o, T_max=10),
    "cosine rising": lambda o: lr.CosineAnnealingLR(o, T_max=40, eta_min=1.0),
    "restarts": lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=10),
    "restarts, growing": lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2),
    "restarts with a floor": lambda o: lr.CosineAnnealingWarmRestarts(o, T_0=5, eta_min=1e-10),
    "triangular": cyclic(1, 5, 4, mode="triangular"),
    "triangular, each": cyclic([1, 2], [5, 10], 4, mode="triangular"),
    "triangular2": cyclic(1, 5, 4, mode="triangular2"),
    "triangular2, lists": cyclic([0.01, 0.1], [0.05, 0.5], 2, 5, mode="triangular2"),
    "exp_range": cyclic(1, 5, 4, mode="exp_range", gamma=0.9),
    "exp_range, lists": cyclic([0.01, 0.1], [0.05, 0.5], 4, mode="exp_range", gamma=0.9),
    "triangular, own scale": cyclic(1, 5, 4, scale_fn=lambda x: 0.9**x, scale_mode="cycle"),
    "one cycle, linear": lambda o: lr.OneCycleLR(
        o, 25, total_steps=CALLS, anneal_strategy="linear"
    ),
    "one cycle": lambda o: lr.OneCycleLR(o, 25, total_steps=CALLS, final_div_factor=100),
    "one cycle, lists": lambda o: lr.OneCycleLR(o, [0.2, 2.0], total_steps=CALLS),
    "one cycle, three phases": lambda o: lr.OneCycleLR(
        o, [0.2, 2.0], total_steps=CALLS, three_phase=True, pct_start=0.4
    ),
    "lambda": lambda o: lr.LambdaLR(o, lambda s: 0.95**s),
    "lambdas": lambda o: lr.LambdaLR(o, [lambda s: 0.4 + s / 10, lambda s: 0.7 + s / 10]),
    "lambda changing its sign": lambda o: lr.LambdaLR(o, np.cos),
    "lambda below zero": lambda o: lr.LambdaLR(o, lambda s: -1.0 - s),
    "lambda zero": lambda o: lr.LambdaLR(o, lambda s: 0.0),
    "multiplicative": lambda o: lr.MultiplicativeLR(o, lambda s: 0.95),
    "multiplicatives": lambda o: lr.MultiplicativeLR(o, [lambda s: 0.9, lambda s: 0.8]),
    "multiplicative sign": lambda o: lr.MultiplicativeLR(o, lambda s: -0.9),
    "averaging": lambda o: torch.optim.swa_utils.SWALR(o, anneal_epochs=5, swa_lr=[0.01, 0.1]),
    "averaging, linear": lambda o: torch.optim.swa_utils.SWALR(
        o, anneal_epochs=8, anneal_strategy="linear", swa_lr=0.01
    ),
}
PARTS = {
    "linear": lambda o: lr.LinearLR(o, start_factor=0.4, end_factor=0.8, total_iters=6),
    "constant": lambda o: lr.ConstantLR(o, factor=0.3, total_iters=5),
    "step": lambda o: lr.StepLR(o, gamma=0.5, step_size=4),
    "multi-step": lambda o: lr.MultiStepLR(o, gamma=0.3, milestones=[4, 8]),
    "exponential": lambda o: lr.ExponentialLR(o, gamma=0.93),
    "polynomial": lambda o: lr.PolynomialLR(o, total_iters=30, power=0.8),
    "cosine": lambda o: lr.CosineAnnealingLR(o, T_max=30, eta_min=0),
}
PAIRS = [(a, b) for a in PARTS for b in PARTS if a != b]


def sequential(*names):
    milestones = [6 * (i + 1) for i in range(len(names) - 1)]
    return lambda o: lr.SequentialLR(o, [PARTS[name](o) for name in names], milestones)


def chained(*names):
    return lambda o: lr.ChainedScheduler([PARTS[name](o) for name in names], optimizer=o)


SETUPS = {
    **SINGLE,
    **{f"{a} then {b}": sequential(a, b) for a, b in PAIRS},
    "three in a row": sequential("linear", "exponential", "step"),
    **{f"{a} times {b}": chained(a, b) for a, b in PAIRS if a < b},
    "three at once": chained("step", "multi-step", "exponential"),
}


def build(name, kind="float", options=()):
    groups = []
    for rate in (0.05, 0.5):
        parameter = torch.nn.Parameter(torch.zeros(1))
        parameter.grad = torch.zeros(1)
        value = rate if kind == "float" else torch.tensor(rate, dtype=KINDS[kind])
        groups.append({"params": [parameter], "lr": value})
    optimizer = torch.optim.SGD(groups, lr=0.1, **dict(options))
    return optimizer, SETUPS[name](optimizer)


def rates_of(optimizer, scheduler, updates, every=1):
    rates = []
    for update in range(updates):
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        if (update + 1) % every == 0 and update + 1 < updates:
            scheduler.step()
    return np.array(rates)


def adopted_rates(name, kind, updates, every):
    """The rates under the adopted schedule, of each group alone if the groups part."""
    optimizer, scheduler = build(name, kind)
    try:
        schedules = [from_torch(scheduler, updates, every=every)]
    except ArgumentError as error:
        assert re.search("do not keep their ratio", str(error))  # noqa: PT017 - or there is no error
        schedules = [from_torch(scheduler, updates, every=every, group=i) for i in (0, 1)]
    for adopted in schedules:
        assert adopted == schedule(str(adopted)) == from_json(adopted.to_json())
        assert adopted.total_steps == updates
    groups = schedules if len(schedules) > 1 else None
    scheduler = to_torch(schedules[-1], optimizer, groups=groups)
    return rates_of(optimizer, scheduler, updates), groups is not None


def keep_their_ratio(rates, name, kind):
    first = [group["initial_lr"] for group in build(name)[0].param_groups]
    least = 1e-15 * np.abs(rates).max()
    close = 2 * np.finfo(np.float32).eps if kind == "float32" else 1e-9  # what a tensor can show
    return np.allclose(rates[:, 0], rates[:, 1] * first[0] / first[1], rtol=close, atol=least)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SETUPS)
def test_a_setup_of_torchs_tests_is_adopted_with_its_rates_or_refused_truly(name, kind):
    close = 1e-9 if kind != "float32" else 1e-5
    for every in (1, 3):
        updates = CALLS * every - every // 2  # the last epoch is not whole
        expected = rates_of(*build(name, kind), updates, every)
        actual, apart = adopted_rates(name, kind, updates, every)
        assert actual == pytest.approx(expected, rel=close, abs=close * np.abs(expected).max())
        exact = rates_of(*build(name), updates, every)
        assert apart is not keep_their_ratio(exact, name, kind)


def test_there_are_as_many_setups_as_torch_has():
    assert len(SETUPS) >= 94


@pytest.mark.parametrize("names", [("linear", "cosine"), ("constant", "exponential", "step")])
def test_a_sequence_of_shapes_is_not_a_table(names):
    optimizer, _ = build("step")
    adopted = from_torch(sequential(*names)(optimizer), 10_000 if "cosine" not in names else 36)
    assert len(str(adopted)) < 200
    assert "table" not in str(adopted)


def test_a_warm_up_and_a_cosine_of_a_long_run_are_a_short_text():
    optimizer, _ = build("step")
    parts = [lr.LinearLR(optimizer, 0.01, total_iters=500), lr.CosineAnnealingLR(optimizer, 9500)]
    adopted = from_torch(lr.SequentialLR(optimizer, parts, [500]), 10_000)
    assert str(adopted) == "0.5 * warmup(500, start=0.01) >> cosine(9500)"


@pytest.mark.parametrize("text", ["0.1 * warmup(5) >> cosine(95)", "0.1 * constant()"])
def test_from_torch_gives_back_what_to_torch_was_given(text):
    original = schedule(text)
    scheduler = to_torch(original, build("step")[0])
    assert from_torch(scheduler) is original
    assert from_torch(scheduler, 100).total_steps == 100
    if original.total_steps is not None:
        with pytest.raises(ArgumentError, match="100; got 50"):
            from_torch(scheduler, 50)


def test_an_epoch_scheduler_becomes_a_staircase():
    adopted = from_torch(build("step")[1], 390 * 30, every=390)
    assert str(adopted) == "0.5 * staircase(step(30, every=3), every=390)"
    with pytest.raises(ArgumentError, match="at least 1; got 0"):
        from_torch(build("step")[1], 100, every=0)


def test_a_function_of_the_users_does_not_move_the_generators():
    optimizer, _ = build("step")
    drawn = []

    def draws(step):
        drawn.append((random.random(), np.random.random(), float(torch.rand(()))))  # noqa: NPY002
        return random.Random(step).random()

    scheduler = lr.LambdaLR(optimizer, draws)
    drawn.clear()
    from_torch(scheduler, 50)
    first = list(drawn)
    from_torch(scheduler, 50)
    assert drawn == 2 * first  # from where the generators were


@pytest.mark.parametrize("draw", [random.random, np.random.random, lambda: float(torch.rand(()))])
def test_a_scheduler_that_draws_is_refused_with_the_reason(draw):
    optimizer, _ = build("step")
    with pytest.raises(ArgumentError, match="draws at random or changes what it depends on"):
        from_torch(lr.LambdaLR(optimizer, lambda _: draw()), 50)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("tensor", [True, False])
def test_a_compiled_function_with_scheduler_step_is_compiled_at_most_as_often_as_torchs(tensor):
    def graphs(make):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        parameter = torch.nn.Parameter(torch.ones(2))
        parameter.grad = torch.ones(2)
        optimizer = torch.optim.Adam([parameter], lr=torch.tensor(0.1) if tensor else 0.1)
        scheduler = make(optimizer)

        @torch.compile(backend="eager")
        def update():
            optimizer.step()
            scheduler.step()

        for _ in range(20):
            update()
        return torch._dynamo.utils.counters["frames"]["total"]

    compiled = graphs(lambda o: to_torch(schedule("0.1 * warmup(5) >> cosine(95)"), o))
    assert compiled <= graphs(lambda o: lr.StepLR(o, 3))


def test_no_cycle_keeps_an_optimizer_alive_after_to_torch():
    gc.collect()
    gc.disable()
    try:
        optimizer = build("step")[0]
        scheduler = to_torch(schedule("0.1 * cosine(9)"), optimizer)
        another = to_torch(schedule("0.1 * cosine(9)"), optimizer)
        alive = weakref.ref(optimizer)
        del optimizer, scheduler, another
        assert alive() is None
    finally:
        gc.enable()
