"""What a run of the corpus trains, and the faults that are injected.

Whether a fault took is decided by comparing losses with the healthy twin of the run, never by a
rule.
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
class Base:
    """What a run trains when nothing is wrong."""

    task: str
    optimizer: str
    seed: int
    batch: int = 64
    text: str = COSINE
    known: bool = True  # whether the log says which schedule was meant
    index: int = 0  # of the run among those of its fault

    @property
    def total_steps(self) -> int:
        """Updates of the whole run."""
        return TOTALS.get(self.task, 800)

    @property
    def peak(self) -> float:
        """The rate that a short sweep found best, or the next lower one."""
        return PEAKS[self.task, self.optimizer]

    @property
    def meant(self) -> Schedule:
        """The schedule that the run should follow."""
        return (self.peak * schedule(self.text)).over(self.total_steps)


@dataclass(frozen=True)
class Made:
    """What a run left behind: what a log of it holds, and whether the fault took."""

    columns: dict[str, np.ndarray]
    facts: dict[str, Any]
    total_steps: int
    meant: Schedule | None = None
    took: bool = True
    note: str = ""

    def observations(self, name: str) -> Observations:
        """As the rules see it."""
        return Observations(
            run=name,
            step=np.arange(len(self.columns["loss"])),
            columns=self.columns,
            total_steps=self.total_steps,
            schedule=self.meant,
            facts=self.facts,
        )


def trained(base: Base, rates: np.ndarray | None = None, **wrong: Any) -> Made:
    """Train a base, with what is wrong with it."""
    rates = base.meant.table() if rates is None else rates
    made: dict[str, Any] = {
        "task": base.task,
        "optimizer": base.optimizer,
        "seed": base.seed,
        "batch": base.batch,
    }
    columns, facts = train(Training(**(made | {"rates": rates} | wrong)))
    return Made(columns, facts, len(rates))


def level(made: Made, start: float, stop: float) -> float:
    """The median loss over a share of the planned run; inf where it was not finite or over."""
    loss = made.columns["loss"][int(start * made.total_steps) : int(stop * made.total_steps)]
    return float(np.median(loss)) if len(loss) else math.inf


def first(made: Made) -> float:
    """The loss before training."""
    return float(np.median(made.columns["loss"][:3]))


def left(made: Made) -> bool:
    """Whether it ends no better than it began."""
    return not level(made, 0.95, 1.0) < first(made)


def healthy(base: Base) -> Made:
    """Nothing is wrong; a third also say which schedule was meant, a quarter are still running."""
    made = replace(trained(base), meant=base.meant if base.known else None)
    if base.index % 4 == 3:
        seen = int(0.6 * base.total_steps)
        made = replace(made, columns={name: held[:seen] for name, held in made.columns.items()})
    return made


def escalated(
    base: Base, factors: tuple[float, ...], took: Callable[[Made], bool], **wrong: Any
) -> Made:
    """The run at the first factor on its rate at which the fault took."""
    made = None
    for factor in factors:
        made = trained(base, factor * base.meant.table(), **wrong)
        if took(made):
            return replace(made, note=f"rate x{factor:g}")
    assert made is not None
    return replace(made, took=False)


def too_high(base: Base) -> Made:
    """LR101: the rate is so high that the run ends no better than it began."""
    return escalated(base, (30, 300, 3000), left)


def not_a_number(base: Base) -> Made:
    """LR101: the weights become NaN in the middle."""
    rates = base.meant.table()
    rates[int((0.3 + 0.1 * (base.index % 4)) * len(rates))] = math.nan
    made = trained(base, rates)
    made.columns["lr"][:] = base.meant.table()[: len(made.columns["lr"])]
    return made


def lost(made: Made) -> bool:
    """Whether it ends with hardly anything learned."""
    return not level(made, 0.95, 1.0) < 0.8 * first(made)


def kicked(base: Base) -> Made:
    """LR102: one bad batch in every tenth or so of the run throws the weights."""
    every = base.total_steps // (8 + base.index)
    made = trained(base)
    for force in (1, 3, 6, 12, 30):
        made = trained(base, kick=every, force=force)
        loss, places = made.columns["loss"], range(every, base.total_steps - 4, every)
        if len(loss) < base.total_steps or lost(made):
            break
        after = np.array([np.median(loss[at : at + 3]) for at in places])
        before = np.array([np.median(loss[at - 12 : at - 1]) for at in places])
        fall = first(made) - float(np.min(before))
        jumps = (after - before > 0.15 * fall) & (before < first(made) - 0.7 * fall)
        if int(jumps.sum()) >= 4:
            return replace(made, note=f"force x{force:g}")
    return replace(made, took=False)


def hot(base: Base) -> Made:
    """LR103: the rate is too high for progress, and not high enough to diverge."""
    twin = trained(base)
    fall = first(twin) - level(twin, 0.95, 1.0)

    def took(made: Made) -> bool:
        middle, end = level(made, 0.4, 0.6), level(made, 0.95, 1.0)
        return middle > level(twin, 0.4, 0.6) + 0.2 * fall and end < first(made) - 0.2 * fall

    return escalated(base, (4, 9, 18), took)


def beyond(base: Base) -> Made:
    """LR104: the rate comes up to 2 / sharpness, measured while it trains, and progress suffers."""
    limit = {"sgd": 2.0, "momentum": 3.8, "nesterov": 3.8 / 2.8}[base.optimizer]
    twin = trained(base)
    fall = first(twin) - level(twin, 0.95, 1.0)

    def took(made: Made) -> bool:
        ratios = [made.columns["lr"][at] * value / limit for at, value in made.facts["sharpness"]]
        worse = level(made, 0.1, 0.4) > level(twin, 0.1, 0.4) + 0.25 * fall
        return float(np.mean(np.array(ratios) >= 1.0)) >= 0.25 and worse and not lost(made)

    factors = (4, 8, 16, 32)
    return escalated(base, factors, took, sharpness_every=base.total_steps // 20)


def clipped(base: Base) -> Made:
    """LR105: gradients are clipped to a fifth of their usual norm."""
    norm = float(np.median(trained(base).columns["gradient_norm"]))
    made = trained(base, clip=norm / (5 + 2 * base.index))
    return replace(made, took=bool(made.columns["clipped"].mean() > 0.6))


def slow(base: Base) -> Made:
    """LR201: a hundredth of the rate."""
    twin = trained(base)
    made = trained(base, 0.01 * base.meant.table())
    lost = level(made, 0.95, 1.0) - level(twin, 0.95, 1.0)
    return replace(made, took=lost > 0.25 * (first(twin) - level(twin, 0.95, 1.0)))


def frozen(base: Base) -> Made:
    """LR202: a rate of 0, or an optimizer that holds copies of the weights."""
    if base.index % 2:
        return trained(base, frozen=True)
    return trained(base, 0.0 * base.meant.table())


def plateau(base: Base) -> Made:
    """LR301: a constant rate, seen when the loss has stopped falling and time is left.

    It took if the last quarter of what is seen brought less than a twentieth of the whole fall.
    """
    total_steps = 4 * base.total_steps
    seen = int(0.6 * total_steps)
    rates = base.peak * schedule("warmup(2%) >> constant()").over(total_steps).table()
    made = trained(base, rates[:seen], noise=0.3)
    columns = {name: values[:seen] for name, values in made.columns.items()}
    third, fourth = (
        np.mean(columns["loss"][a:b])
        for a, b in ((seen // 2, seen * 3 // 4), (seen * 3 // 4, seen))
    )
    fall = columns["loss"][0] - fourth
    return replace(
        made, columns=columns, total_steps=total_steps, took=bool(third - fourth < 0.05 * fall)
    )


def constant(base: Base) -> Made:
    """LR302: the rate stays at its peak to the end."""
    return trained(replace(base, text="warmup(5%) >> constant()"))


def ended(base: Base) -> Made:
    """LR303: the schedule was told a total that is too small."""
    short = int((0.5 + 0.1 * (base.index % 4)) * base.total_steps)
    meant = (base.peak * schedule(base.text)).over(short)
    made = trained(base, meant(np.arange(base.total_steps)))
    return replace(made, meant=meant if base.known else None)


def cold(base: Base) -> Made:
    """LR304: no warm-up at a rate that needs one; with one the same rate trains well."""
    bare, warm = replace(base, text="cosine()"), replace(base, text="warmup(10%) >> cosine()")
    made, usual = trained(bare), trained(warm)
    fall = first(usual) - level(usual, 0.95, 1.0)
    for factor in (8, 16):
        made = trained(bare, factor * bare.meant.table())
        loss = made.columns["loss"]
        gained = loss[0] - level(made, 0.95, 1.0)
        early = loss[: base.total_steps // 10]
        high = max(np.median(early[at : at + 3]) for at in range(len(early) - 3))
        if high < loss[0] + 0.2 * gained or level(made, 0.3, 0.4) > loss[0] - 0.4 * gained:
            continue
        if lost(made):  # it died, and no warm-up is what it lacks most
            continue
        twin = trained(warm, factor * warm.meant.table())
        if level(twin, 0.95, 1.0) < first(usual) - 0.8 * fall:
            return replace(made, note=f"rate x{factor}")
    return replace(made, took=False)


def resumed(base: Base) -> Made:
    """LR305: after an interruption the rate goes on elsewhere: from the start, higher, lower."""
    at = int((0.5 + 0.1 * (base.index % 3)) * base.total_steps)
    rates = base.meant.table()
    wrong = (rates[: base.total_steps - at], 6.0 * rates[at:], 0.3 * rates[at:])
    rates = np.concatenate([rates[:at], wrong[base.index % 3]])
    made = trained(base, rates)
    facts = made.facts | ({"resumed_at": [at]} if base.index % 3 else {})
    return replace(made, facts=facts, meant=base.meant if base.known else None)


def climbed(base: Base) -> Made:
    """LR306: torch's cosine, whose T_max is shorter than the run."""
    half = (0.55 + 0.1 * (base.index % 4)) * base.total_steps
    steps = np.arange(base.total_steps)
    return trained(base, base.peak * 0.5 * (1.0 + np.cos(np.pi * steps / half)))


def per_epoch(base: Base) -> Made:
    """LR307: a schedule over batches stepped once an epoch of 20, or the reverse."""
    meant, steps = base.meant, np.arange(base.total_steps)
    if base.index % 2 == 0:
        rates = meant(steps // 20)
    else:
        epochs = base.total_steps // 20
        rates = (base.peak * schedule("cosine(floor=0.01)")).over(epochs)(steps)
    made = trained(base, rates)
    facts = made.facts | {"steps_per_epoch": 20}
    return replace(made, facts=facts, meant=meant if base.known else None)


def not_applied(base: Base) -> Made:
    """LR308: the schedule is set, and the optimizer keeps another rate."""
    if base.index % 2 == 0:
        made = trained(base, np.full(base.total_steps, base.peak))
        return replace(made, meant=base.meant)
    made = trained(base, np.full(base.total_steps, 0.5 * base.peak))
    made.columns["lr"][:] = base.meant.table()
    return made


def overfitted(base: Base) -> Made:
    """LR401: few examples, a part of them with wrong labels."""
    made = trained(base, examples=300, wrong=0.3)
    seen = made.columns["validation"]
    seen = seen[~np.isnan(seen)]
    return replace(made, took=bool(np.median(seen[-3:]) > 1.15 * seen.min()))


def at_chance(base: Base) -> Made:
    """LR402: labels that have nothing to do with the inputs, or inputs that hold nothing."""
    return trained(base, blank=True) if base.index % 2 else trained(base, shuffled=True)


FAULTS: dict[str, tuple[Callable[[Base], Made], ...]] = {
    "LR101": (too_high, not_a_number),
    "LR102": (kicked,),
    "LR103": (hot,),
    "LR104": (beyond,),
    "LR105": (clipped,),
    "LR201": (slow,),
    "LR202": (frozen,),
    "LR301": (plateau,),
    "LR302": (constant,),
    "LR303": (ended,),
    "LR304": (cold,),
    "LR305": (resumed,),
    "LR306": (climbed,),
    "LR307": (per_epoch,),
    "LR308": (not_applied,),
    "LR401": (overfitted,),
    "LR402": (at_chance,),
}
