"""Well-known schedules by name: functions that combine shapes.

All have peak 1; multiply by the rate. `floor` and `start` are shares of the peak. A duration is a
number of steps, or text such as `"5%"` (of the whole run).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from learnrate._errors import ScheduleError
from learnrate.schedules._cyclic import CosineRestarts
from learnrate.schedules._decays import InverseSqrt, Saturating
from learnrate.schedules._fields import whole_number
from learnrate.schedules._shapes import Constant, Cosine, Linear, Warmup
from learnrate.schedules._stable_recipes import power_lr, with_steps, wsd, wsd_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.schedules._base import Schedule
    from learnrate.schedules._durations import Duration

__all__ = [
    "RECIPES",
    "d2z",
    "decay_then_constant",
    "flat_cosine",
    "noam",
    "one_cycle",
    "one_cycle_momentum",
    "one_cycle_torch",
    "power_lr",
    "sgdr",
    "untuned_warmup",
    "warmup_cosine",
    "wsd",
    "wsd_s",
]

Curve = Literal["linear", "cosine"]


def warmup_cosine(warmup: Duration = "5%", floor: float = 0.0) -> Schedule:
    """Warm up, then fall along a cosine for the rest of the run.

    Args:
        warmup: Duration of the warm-up.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> warmup_cosine()
        schedule('warmup(5%) >> cosine()')
    """
    return Warmup(warmup).then(Cosine(floor=floor))


def d2z(warmup: Duration = "10%") -> Schedule:
    """Warm up, then decay linearly to zero for the rest of the run.

    Examples:
        >>> d2z()
        schedule('warmup(10%) >> linear()')

    Ref: Bergsma et al. 2025, "Straight to zero", arXiv:2502.15938.
    """
    return Warmup(warmup).then(Linear())


def flat_cosine(flat: Duration = "75%", floor: float = 0.0) -> Schedule:
    """Stay at the peak, then fall along a cosine for the rest of the run.

    Args:
        flat: Duration of the peak.
        floor: Lowest value, a share of the peak from 0 to 1.

    Examples:
        >>> flat_cosine()
        schedule('constant(75%) >> cosine()')

    fastai's `fit_flat_cos(pct_start=0.75)` gives the same rates.
    """
    return Constant(flat).then(Cosine(floor=floor))


def decay_then_constant(decay: Duration = "80%", shape: Schedule | None = None) -> Schedule:
    """Decay in a part of the run, then stay at the lowest rate.

    Args:
        decay: Duration of the decay.
        shape: The decay without a length, `Linear(floor=0.1)` by default.

    Raises:
        ScheduleError: `shape` has a length.

    Examples:
        >>> decay_then_constant()
        schedule('linear(80%, floor=0.1) >> (0.1 * constant())')
    """
    fall = Linear(floor=0.1) if shape is None else shape
    return with_steps(fall, decay).then(fall.over(1)(1) * Constant())


def one_cycle(
    warmup: Duration = "30%",
    *,
    start: float = 1 / 25,
    floor: float = 1 / 25 / 1e4,
    curve: Curve = "cosine",
) -> Schedule:
    """Rise from `start` to the peak, then fall to `floor`: the 1cycle policy in two phases.

    The defaults are those of optax's `cosine_onecycle_schedule` (`div_factor` 25,
    `final_div_factor` 1e4). fastai's floor is `max / div_final`: `floor=1e-5`. torch reaches the
    peak and the floor one step earlier: see `one_cycle_torch`.

    Args:
        warmup: Duration of the rise; the fall takes the rest of the run.
        start: First value, a share of the peak from 0 to 1.
        floor: Last value, a share of the peak from 0 to 1.
        curve: `cosine` or `linear`, for both phases.

    Examples:
        >>> one_cycle().over(100)
        schedule('warmup(30, start=0.04, curve=cosine) >> cosine(70, floor=4e-6)')

    Ref: Smith and Topin 2018, "Super-convergence", arXiv:1708.07120.
    """
    fall = Cosine(floor=floor) if curve == "cosine" else Linear(floor=floor)
    return Warmup(warmup, start=start, curve=curve).then(fall)


def one_cycle_momentum(
    warmup: Duration = "30%", *, high: float = 0.95, low: float = 0.85, curve: Curve = "cosine"
) -> Schedule:
    """The momentum for `one_cycle`: `high` when the rate is low, `low` when it is at its peak.

    Args:
        warmup: Duration of the rate's rise, in which the momentum falls.
        high: Highest momentum, above 0.
        low: Lowest momentum, from 0 to `high`.
        curve: `cosine` or `linear`, for both phases.

    Raises:
        ScheduleError: `low` or `high` is outside its range.

    Examples:
        >>> momentum = one_cycle_momentum().over(100)
        >>> [round(momentum(s), 2) for s in (0, 30, 100)]
        [0.95, 0.85, 0.95]
    """
    if not 0 <= low <= high or high == 0:
        raise ScheduleError(f"one_cycle_momentum needs 0 <= low <= high; got {low=}, {high=}.")
    share = low / high
    fall = (Cosine if curve == "cosine" else Linear)(warmup, floor=share)
    return high * fall.then(Warmup(start=share, curve=curve))


def one_cycle_torch(
    total_steps: int,
    warmup: int,
    *,
    start: float = 1 / 25,
    floor: float = 1 / 25 / 1e4,
    curve: Curve = "cosine",
    phases: Literal[2, 3] = 2,
) -> Schedule:
    """The rates of the 1cycle policy exactly as in `torch.optim.lr_scheduler.OneCycleLR`.

    `OneCycleLR` cycles the momentum too, unless it is made with `cycle_momentum=False`; a schedule
    of rates does not. The peak is at step `warmup - 1`, and the last update, `total_steps - 1`, is at `floor`: torch
    counts intervals between updates, while `one_cycle` counts updates.

    Args:
        total_steps: Steps of the whole run.
        warmup: Steps of the rise, torch's `pct_start * total_steps`, at least 2.
        start: First value, a share of the peak: torch's `1 / div_factor`.
        floor: Last value, a share of the peak: torch's `start / final_div_factor`.
        curve: `cosine` or `linear`, for all phases.
        phases: 3 for torch's `three_phase=True`, which falls to `start` before it falls to `floor`.

    Raises:
        ScheduleError: `warmup` is below 2, or `total_steps` is too small for the phases.

    Examples:
        >>> one_cycle_torch(100, 30)
        schedule('warmup(29, start=0.04, curve=cosine) >> cosine(70, floor=4e-6) >> (4e-6 * constant(1))')
    """
    fall = Cosine if curve == "cosine" else Linear
    shortest = warmup + 1 if phases == 2 else 2 * warmup
    if not warmup >= 2 or not shortest <= total_steps:
        raise ScheduleError(
            f"one_cycle_torch needs warmup >= 2 and total_steps >= {shortest}; "
            f"got {total_steps=}, {warmup=}."
        )
    rise = Warmup(warmup - 1, start=start, curve=curve)
    last = floor * Constant(1)
    if phases == 2:
        return rise.then(fall(total_steps - warmup, floor=floor), last)
    rest = total_steps - 1 - 2 * (warmup - 1)
    return rise.then(fall(warmup - 1, floor=start), start * fall(rest, floor=floor / start), last)


def sgdr(
    every: int | str = "25%",
    *,
    growth: float = 1.0,
    decay: float = 1.0,
    floor: float = 0.0,
    warmup: Duration = None,
) -> Schedule:
    """Cosine cycles with warm restarts, after a warm-up if one is given.

    Args:
        every: Length of the first cycle, in steps or as a share of the run.
        growth: How many times as long each cycle is as the one before, from 1 to 100.
        decay: How many times as high above `floor` each peak is as the one before, above 0 and at
            most 1.
        floor: Lowest value, a share of the first peak from 0 to 1.
        warmup: Duration of the warm-up; None for none.

    Examples:
        >>> sgdr(every="10%", growth=2.0, warmup="5%")
        schedule('warmup(5%) >> cosine_restarts(every=10%, growth=2)')

    Ref: Loshchilov and Hutter 2017, "SGDR", arXiv:1608.03983.
    """
    cycles = CosineRestarts(every=every, growth=growth, decay=decay, floor=floor)
    return cycles if warmup is None else Warmup(warmup).then(cycles)


def noam(warmup: int = 4000, width: int | None = None) -> Schedule:
    """Warm up linearly, then fall as the inverse square root, without an end.

        value(s) = min((s + 1) / warmup, sqrt(warmup / (s + 1)))

    Args:
        warmup: Steps of the warm-up, at least 2; the peak is at step `warmup - 1`.
        width: Width of the model, at least 1. If given, the peak is 1 / sqrt(width warmup), the
            rate of the paper; else it is 1.

    Raises:
        ScheduleError: `warmup` or `width` is outside its range.

    Examples:
        >>> noam(4000)
        schedule('warmup(3999, start=2.5e-4) >> inverse_sqrt(every=4000)')

    Ref: Vaswani et al. 2017, "Attention is all you need", arXiv:1706.03762.
    """
    steps = whole_number(warmup)
    if steps is None or steps < 2:
        raise ScheduleError(
            f"noam(warmup=...) must be a whole number of at least 2; got {warmup!r}."
        )
    shape = Warmup(steps - 1, start=1 / steps).then(InverseSqrt(every=steps))
    if width is None:
        return shape
    if whole_number(width) is None or width < 1:
        raise ScheduleError(
            f"noam(width=...) must be a whole number of at least 1; got {width!r}."
        )
    return 1 / math.sqrt(width * steps) * shape


def untuned_warmup(
    beta2: float = 0.999, curve: Literal["linear", "exponential"] = "linear"
) -> Schedule:
    """A warm-up whose length follows from Adam's `beta2`, so it needs no tuning.

        linear:       value(s) = min((s + 1) / n, 1), n = 2 / (1 - beta2), rounded
        exponential:  value(s) = 1 - exp(-(s + 1) (1 - beta2))

    Args:
        beta2: Adam's decay rate of the second moments, at least 0 and below 1.
        curve: `linear`, to be joined with what follows, or `exponential`, to be multiplied with
            another schedule.

    Raises:
        ScheduleError: `beta2` is outside its range.

    Examples:
        >>> untuned_warmup(0.99).then(Cosine())
        schedule('warmup(199, start=5e-3) >> cosine()')
        >>> untuned_warmup(0.99, "exponential") * Cosine()
        schedule('saturating(every=100) * cosine()')

    Ref: Ma and Yarats 2021, "On the adequacy of untuned warmup for adaptive optimization",
    arXiv:1910.04209. pytorch_warmup's `UntunedLinearWarmup` rounds n down.
    """
    if not 0 <= beta2 < 1:
        raise ScheduleError(
            f"untuned_warmup(beta2=...) must be at least 0 and below 1; got {beta2!r}."
        )
    if curve == "exponential":
        # 1 - 0.99 is not 0.01 in binary; nobody types more than 12 figures.
        return Saturating(every=float(f"{1 / (1 - beta2):.12g}"))
    steps = max(round(2 / (1 - beta2)), 2)
    return Warmup(steps - 1, start=1 / steps)


RECIPES: dict[str, Callable[..., Schedule]] = {
    recipe.__name__: recipe
    for recipe in (
        d2z,
        decay_then_constant,
        flat_cosine,
        noam,
        one_cycle,
        one_cycle_momentum,
        one_cycle_torch,
        power_lr,
        sgdr,
        untuned_warmup,
        warmup_cosine,
        wsd,
        wsd_s,
    )
}
