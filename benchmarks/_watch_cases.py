"""What the runs of the corpus train, and the faults that are injected.

Whether a fault had an effect is decided by comparing losses with the healthy twin of the run, never
by a rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from _watch_training import Training, train

from learnrate.schedules import Schedule, schedule
from learnrate.watch import Observations

if TYPE_CHECKING:
    from collections.abc import Callable

COSINE = "warmup(5%) >> cosine()"
TEXTS = (COSINE, "warmup(5%) >> linear()", "warmup(10%) >> constant() >> linear(30%)")
PEAKS = {
    ("digits", "sgd"): 0.7,
    ("digits", "momentum"): 0.1,
    ("digits", "adamw"): 0.01,
    ("digits", "nesterov"): 0.1,
    ("digits-deep", "sgd"): 0.3,
    ("digits-deep", "momentum"): 0.05,
    ("digits-deep", "adamw"): 0.005,
    ("digits-deep", "nesterov"): 0.05,
    ("fashion", "sgd"): 0.2,
    ("fashion", "momentum"): 0.03,
    ("fashion", "adamw"): 0.003,
    ("fashion", "adam"): 0.003,
    ("fashion-cnn", "sgd"): 0.2,
    ("fashion-cnn", "momentum"): 0.03,
    ("fashion-cnn", "adamw"): 0.01,
    ("adult", "sgd"): 0.3,
    ("adult", "momentum"): 0.03,
    ("adult", "nesterov"): 0.03,
    ("adult", "adamw"): 0.003,
    ("adult-linear", "sgd"): 0.5,
    ("adult-linear", "momentum"): 0.05,
    ("adult-linear", "nesterov"): 0.05,
    ("shakespeare", "momentum"): 0.1,
    ("shakespeare", "adamw"): 0.01,
}
TOTALS = {"shakespeare": 300, "fashion-cnn": 600}


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a run trains if nothing is wrong."""

    task: str
    optimizer: str
    seed: int
    batch: int = 64
    text: str = COSINE
    known: bool = True  # whether the log records the schedule
    index: int = 0  # of the run among those with its fault

    @property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return TOTALS.get(self.task, 800)

    @property
    def peak(self) -> float:
        """The rate that a short sweep found best, or the next lower one."""
        return PEAKS[self.task, self.optimizer]

    @property
    def schedule(self) -> Schedule:
        """The schedule that the run should follow."""
        return (self.peak * schedule(self.text)).over(self.total_steps)


@dataclass(frozen=True)
class TrainedRun:
    """What a log of a run contains, and whether the fault had an effect."""

    columns: dict[str, np.ndarray]
    facts: dict[str, Any]
    total_steps: int
    schedule: Schedule | None = None
    had_effect: bool = True
    note: str = ""

    def observations(self, name: str) -> Observations:
        """The run as the rules read it."""
        return Observations(
            run=name,
            step=np.arange(len(self.columns["loss"])),
            columns=self.columns,
            total_steps=self.total_steps,
            schedule=self.schedule,
            facts=self.facts,
        )


def trained(setup: Setup, rates: np.ndarray | None = None, **faults: Any) -> TrainedRun:
    """Train a run with its faults."""
    rates = setup.schedule.table() if rates is None else rates
    settings: dict[str, Any] = {
        "task": setup.task,
        "optimizer": setup.optimizer,
        "seed": setup.seed,
        "batch": setup.batch,
    }
    columns, facts = train(Training(**(settings | {"rates": rates} | faults)))
    return TrainedRun(columns, facts, len(rates))


def median_loss(run: TrainedRun, start: float, stop: float) -> float:
    """The median loss over a share of the planned run; inf where it was not finite or over."""
    loss = run.columns["loss"][int(start * run.total_steps) : int(stop * run.total_steps)]
    return float(np.median(loss)) if len(loss) else math.inf


def start_loss(run: TrainedRun) -> float:
    """The loss before training."""
    return float(np.median(run.columns["loss"][:3]))


def diverged(run: TrainedRun) -> bool:
    """Whether a run ends no better than it began."""
    return not median_loss(run, 0.95, 1.0) < start_loss(run)


def healthy(setup: Setup) -> TrainedRun:
    """Nothing is wrong; a third record the schedule, a quarter are still running."""
    run = replace(trained(setup), schedule=setup.schedule if setup.known else None)
    if setup.index % 4 == 3:
        rows = int(0.6 * setup.total_steps)
        columns = {name: column[:rows] for name, column in run.columns.items()}
        return replace(run, columns=columns)
    return run


def escalated(
    setup: Setup,
    factors: tuple[float, ...],
    has_effect: Callable[[TrainedRun], bool],
    **faults: Any,
) -> TrainedRun:
    """The run at the first factor on its rate at which the fault has an effect."""
    run = None
    for factor in factors:
        run = trained(setup, factor * setup.schedule.table(), **faults)
        if has_effect(run):
            return replace(run, note=f"rate x{factor:g}")
    assert run is not None
    return replace(run, had_effect=False)


def too_high(setup: Setup) -> TrainedRun:
    """LR101: the rate is so high that the run ends no better than it began."""
    return escalated(setup, (30, 300, 3000), diverged)


def not_a_number(setup: Setup) -> TrainedRun:
    """LR101: the weights become NaN in the middle."""
    rates = setup.schedule.table()
    rates[int((0.3 + 0.1 * (setup.index % 4)) * len(rates))] = math.nan
    run = trained(setup, rates)
    run.columns["lr"][:] = setup.schedule.table()[: len(run.columns["lr"])]
    return run


def hardly_learned(run: TrainedRun) -> bool:
    """Whether a run ends with hardly anything learned."""
    return not median_loss(run, 0.95, 1.0) < 0.8 * start_loss(run)


def bad_batches(setup: Setup) -> TrainedRun:
    """LR102: about ten bad batches change the weights by far too much."""
    every = setup.total_steps // (8 + setup.index)
    run = trained(setup)
    for force in (1, 3, 6, 12, 30):
        run = trained(setup, kick=every, force=force)
        loss, kicks = run.columns["loss"], range(every, setup.total_steps - 4, every)
        if len(loss) < setup.total_steps or hardly_learned(run):
            break
        after = np.array([np.median(loss[step : step + 3]) for step in kicks])
        before = np.array([np.median(loss[step - 12 : step - 1]) for step in kicks])
        fall = start_loss(run) - float(np.min(before))
        jumps = (after - before > 0.15 * fall) & (before < start_loss(run) - 0.7 * fall)
        if int(jumps.sum()) >= 4:
            return replace(run, note=f"force x{force:g}")
    return replace(run, had_effect=False)


def oscillating(setup: Setup) -> TrainedRun:
    """LR103: the rate is too high to make progress, but not high enough to diverge."""
    twin = trained(setup)
    fall = start_loss(twin) - median_loss(twin, 0.95, 1.0)

    def has_effect(run: TrainedRun) -> bool:
        middle, end = median_loss(run, 0.4, 0.6), median_loss(run, 0.95, 1.0)
        return (
            middle > median_loss(twin, 0.4, 0.6) + 0.2 * fall
            and end < start_loss(run) - 0.2 * fall
        )

    return escalated(setup, (4, 9, 18), has_effect)


def beyond_edge(setup: Setup) -> TrainedRun:
    """LR104: the rate reaches the limit over the sharpness measured in training, with an effect."""
    limit = {"sgd": 2.0, "momentum": 3.8, "nesterov": 3.8 / 2.8}[setup.optimizer]
    twin = trained(setup)
    fall = start_loss(twin) - median_loss(twin, 0.95, 1.0)

    def has_effect(run: TrainedRun) -> bool:
        sharpness = run.facts["sharpness"]
        ratios = [run.columns["lr"][step] * value / limit for step, value in sharpness]
        worse = median_loss(run, 0.1, 0.4) > median_loss(twin, 0.1, 0.4) + 0.25 * fall
        return (
            float(np.mean(np.array(ratios) >= 1.0)) >= 0.25 and worse and not hardly_learned(run)
        )

    factors = (4, 8, 16, 32)
    return escalated(setup, factors, has_effect, sharpness_every=setup.total_steps // 20)


def clipped(setup: Setup) -> TrainedRun:
    """LR105: gradients are clipped to a fifth of their usual norm."""
    norm = float(np.median(trained(setup).columns["gradient_norm"]))
    run = trained(setup, clip=norm / (5 + 2 * setup.index))
    return replace(run, had_effect=bool(run.columns["clipped"].mean() > 0.6))


def too_low(setup: Setup) -> TrainedRun:
    """LR201: a hundredth of the rate."""
    twin = trained(setup)
    run = trained(setup, 0.01 * setup.schedule.table())
    loss_gap = median_loss(run, 0.95, 1.0) - median_loss(twin, 0.95, 1.0)
    return replace(
        run, had_effect=loss_gap > 0.25 * (start_loss(twin) - median_loss(twin, 0.95, 1.0))
    )


def frozen(setup: Setup) -> TrainedRun:
    """LR202: a rate of 0, or an optimizer that holds copies of the weights."""
    if setup.index % 2:
        return trained(setup, frozen=True)
    return trained(setup, 0.0 * setup.schedule.table())


def plateau(setup: Setup) -> TrainedRun:
    """LR301: a constant rate, observed when the loss has stopped falling and time is left.

    It has an effect if the loss fell by less than a twentieth of its total decrease in the last quarter.
    """
    total_steps = 4 * setup.total_steps
    rows = int(0.6 * total_steps)
    rates = setup.peak * schedule("warmup(2%) >> constant()").over(total_steps).table()
    run = trained(setup, rates[:rows], noise=0.3)
    columns = {name: values[:rows] for name, values in run.columns.items()}
    third, fourth = (
        np.mean(columns["loss"][first:end])
        for first, end in ((rows // 2, rows * 3 // 4), (rows * 3 // 4, rows))
    )
    fall = columns["loss"][0] - fourth
    return replace(
        run,
        columns=columns,
        total_steps=total_steps,
        had_effect=bool(third - fourth < 0.05 * fall),
    )


def never_decayed(setup: Setup) -> TrainedRun:
    """LR302: the rate stays at its peak until the end."""
    return trained(replace(setup, text="warmup(5%) >> constant()"))


def ended_early(setup: Setup) -> TrainedRun:
    """LR303: the schedule was given a total that is too small."""
    short = int((0.5 + 0.1 * (setup.index % 4)) * setup.total_steps)
    too_short = (setup.peak * schedule(setup.text)).over(short)
    run = trained(setup, too_short(np.arange(setup.total_steps)))
    return replace(run, schedule=too_short if setup.known else None)


def without_warmup(setup: Setup) -> TrainedRun:
    """LR304: no warm-up at a rate that needs one; with one the same rate trains well."""
    bare, warm = replace(setup, text="cosine()"), replace(setup, text="warmup(10%) >> cosine()")
    run, usual = trained(bare), trained(warm)
    fall = start_loss(usual) - median_loss(usual, 0.95, 1.0)
    for factor in (8, 16):
        run = trained(bare, factor * bare.schedule.table())
        loss = run.columns["loss"]
        gained = loss[0] - median_loss(run, 0.95, 1.0)
        early = loss[: setup.total_steps // 10]
        high = max(np.median(early[row : row + 3]) for row in range(len(early) - 3))
        if high < loss[0] + 0.2 * gained or median_loss(run, 0.3, 0.4) > loss[0] - 0.4 * gained:
            continue
        if hardly_learned(run):  # the rate is too high even with a warm-up
            continue
        twin = trained(warm, factor * warm.schedule.table())
        if median_loss(twin, 0.95, 1.0) < start_loss(usual) - 0.8 * fall:
            return replace(run, note=f"rate x{factor}")
    return replace(run, had_effect=False)


def resumed(setup: Setup) -> TrainedRun:
    """LR305: after an interruption the rate continues from the start, or higher, or lower."""
    step = int((0.5 + 0.1 * (setup.index % 3)) * setup.total_steps)
    rates = setup.schedule.table()
    continuations = (rates[: setup.total_steps - step], 6.0 * rates[step:], 0.3 * rates[step:])
    rates = np.concatenate([rates[:step], continuations[setup.index % 3]])
    run = trained(setup, rates)
    facts = run.facts | ({"resumed_at": [step]} if setup.index % 3 else {})
    return replace(run, facts=facts, schedule=setup.schedule if setup.known else None)


def past_its_end(setup: Setup) -> TrainedRun:
    """LR306: torch's cosine, whose T_max is shorter than the run."""
    half = (0.55 + 0.1 * (setup.index % 4)) * setup.total_steps
    steps = np.arange(setup.total_steps)
    return trained(setup, setup.peak * 0.5 * (1.0 + np.cos(np.pi * steps / half)))


def per_epoch(setup: Setup) -> TrainedRun:
    """LR307: a schedule over batches, stepped once per epoch of 20, or the reverse."""
    steps = np.arange(setup.total_steps)
    if setup.index % 2 == 0:
        rates = setup.schedule(steps // 20)
    else:
        epochs = setup.total_steps // 20
        rates = (setup.peak * schedule("cosine(floor=0.01)")).over(epochs)(steps)
    run = trained(setup, rates)
    facts = run.facts | {"steps_per_epoch": 20}
    return replace(run, facts=facts, schedule=setup.schedule if setup.known else None)


def not_applied(setup: Setup) -> TrainedRun:
    """LR308: the schedule is set, but the optimizer keeps another rate."""
    if setup.index % 2 == 0:
        run = trained(setup, np.full(setup.total_steps, setup.peak))
        return replace(run, schedule=setup.schedule)
    run = trained(setup, np.full(setup.total_steps, 0.5 * setup.peak))
    run.columns["lr"][:] = setup.schedule.table()
    return run


def overfitted(setup: Setup) -> TrainedRun:
    """LR401: few examples, some of them with wrong labels."""
    run = trained(setup, examples=300, wrong=0.3)
    validation = run.columns["validation"]
    validation = validation[~np.isnan(validation)]
    return replace(run, had_effect=bool(np.median(validation[-3:]) > 1.15 * validation.min()))


def at_chance(setup: Setup) -> TrainedRun:
    """LR402: labels that are unrelated to the inputs, or inputs that are all 0."""
    return trained(setup, blank=True) if setup.index % 2 else trained(setup, shuffled=True)


FAULTS: dict[str, tuple[Callable[[Setup], TrainedRun], ...]] = {
    "LR101": (too_high, not_a_number),
    "LR102": (bad_batches,),
    "LR103": (oscillating,),
    "LR104": (beyond_edge,),
    "LR105": (clipped,),
    "LR201": (too_low,),
    "LR202": (frozen,),
    "LR301": (plateau,),
    "LR302": (never_decayed,),
    "LR303": (ended_early,),
    "LR304": (without_warmup,),
    "LR305": (resumed,),
    "LR306": (past_its_end,),
    "LR307": (per_epoch,),
    "LR308": (not_applied,),
    "LR401": (overfitted,),
    "LR402": (at_chance,),
}
