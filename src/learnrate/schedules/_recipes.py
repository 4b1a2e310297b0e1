"""Schedules of the field by their names: plain functions over shapes and joins.

All have peak 1; multiply by the rate. `floor`, `start` and `end` are shares of the peak.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from learnrate._errors import ScheduleError
from learnrate.schedules._cyclic import CosineRestarts
from learnrate.schedules._decays import InverseSqrt, Saturating
from learnrate.schedules._fields import whole_number
from learnrate.schedules._registry import changed
from learnrate.schedules._shapes import Constant, Cosine, Linear, Warmup

if TYPE_CHECKING:
    from learnrate.schedules._base import Schedule
    from learnrate.schedules._durations import Duration

__all__ = [
    "d2z",
    "decay_then_constant",
    "flat_cosine",
    "noam",
    "one_cycle",
    "one_cycle_momentum",
    "one_cycle_torch",
    "sgdr",
    "untuned_warmup",
    "warmup_cosine",
    "wsd",
]

Curve = Literal["linear", "cosine"]


def warmup_cosine(warmup: Duration = "5%", floor: float = 0.0) -> Schedule:
    """Warm up, then fall along a cosine for the rest of the run.

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


def wsd(
    warmup: Duration = "5%", decay: Duration = "20%", shape: Schedule | None = None
) -> Schedule:
    """Warm up, stay, cool down: warm-up-stable-decay, the trapezoid.

    Args:
        warmup: How long the rate rises.
        decay: How long it falls at the end.
        shape: How it falls, without a length: `Linear()` by default, `Cosine()`,
            `OneMinusSqrt()` or `OneMinusSquare()`, with a floor or without.

    Examples:
        >>> wsd(decay="10%")
        schedule('warmup(5%) >> constant() >> linear(10%)')

    Ref: Hu et al. 2024, "MiniCPM", arXiv:2404.06395; Hägele et al. 2024, arXiv:2405.18392.
    """
    return Warmup(warmup).then(Constant(), _lasting(Linear() if shape is None else shape, decay))


def flat_cosine(flat: Duration = "75%", floor: float = 0.0) -> Schedule:
    """Stay at the peak, then fall along a cosine for the rest of the run.

    Examples:
        >>> flat_cosine()
        schedule('constant(75%) >> cosine()')

    fastai's `fit_flat_cos(pct_start=0.75)` is this one.
    """
    return Constant(flat).then(Cosine(floor=floor))


def decay_then_constant(decay: Duration = "80%", shape: Schedule | None = None) -> Schedule:
    """Fall within a part of the run, then stay where the fall ended.

    Args:
        decay: How long the rate falls.
        shape: How it falls, without a length: `Linear(floor=0.1)` by default.

    Examples:
        >>> decay_then_constant()
        schedule('linear(80%, floor=0.1) >> (0.1 * constant())')
    """
    fall = Linear(floor=0.1) if shape is None else shape
    return _lasting(fall, decay).then(fall.over(1)(1) * Constant())


def one_cycle(
    warmup: Duration = "30%",
    *,
    start: float = 1 / 25,
    floor: float = 1 / 25 / 1e4,
    curve: Curve = "cosine",
) -> Schedule:
    """Rise from `start` to the peak, then fall to `floor`: the 1cycle policy in two phases.

    The defaults are optax's (`div_factor` 25, `final_div_factor` 1e4), and with them
    `cosine_onecycle_schedule`. fastai's floor is `max / div_final`: `floor=1e-5`. torch reaches
    both its ends one step earlier: `one_cycle_torch`.

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
    """The momentum that goes with `one_cycle`: `high` while the rate is low, and the reverse.

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
    """The 1cycle policy exactly as `torch.optim.lr_scheduler.OneCycleLR` has it.

    The peak is at step `warmup - 1`, and the last update, `total_steps - 1`, is at `floor`: torch counts
    intervals between updates where `one_cycle` counts updates. `warmup` is `pct_start * total_steps`,
    `start` is `1 / div_factor`, `floor` is `start / final_div_factor`; `phases=3` is
    `three_phase=True`, which falls to `start` before it falls to `floor`.

    Examples:
        >>> one_cycle_torch(100, 30)
        schedule('warmup(29, start=0.04, curve=cosine) >> cosine(70, floor=4e-6) >> (4e-6 * constant(1))')
    """
    fall = Cosine if curve == "cosine" else Linear
    least = warmup + 1 if phases == 2 else 2 * warmup
    if not warmup >= 2 or not least <= total_steps:
        raise ScheduleError(
            f"one_cycle_torch needs warmup >= 2 and total >= {least}; got {total_steps=}, {warmup=}."
        )
    rise = Warmup(warmup - 1, start=start, curve=curve)
    last = floor * Constant(1)
    if phases == 2:
        return rise.then(fall(total_steps - warmup, floor=floor), last)
    left = total_steps - 1 - 2 * (warmup - 1)
    return rise.then(fall(warmup - 1, floor=start), start * fall(left, floor=floor / start), last)


def sgdr(
    every: int | str = "25%",
    *,
    growth: float = 1.0,
    decay: float = 1.0,
    floor: float = 0.0,
    warmup: Duration = None,
) -> Schedule:
    """Cosine cycles with warm restarts, after a warm-up if one is given.

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

    The peak, 1, is at step `warmup - 1`. With `width` (the model's) the peak is
    1 / sqrt(width warmup), the rate of the paper.

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
    """The warm-up that Adam's `beta2` asks for: nothing to tune.

    linear: value(s) = min((s + 1) / n, 1) with n = 2 / (1 - beta2), rounded; join it to what
    follows. exponential: value(s) = 1 - exp(-(s + 1) (1 - beta2)); multiply by it.

    Examples:
        >>> untuned_warmup(0.99).then(Cosine())
        schedule('warmup(199, start=5e-3) >> cosine()')
        >>> untuned_warmup(0.99, "exponential") * Cosine()
        schedule('saturating(every=100) * cosine()')

    Ref: Ma and Yarats 2021, "On the adequacy of untuned warmup for adaptive optimization",
    arXiv:1910.04209. pytorch_warmup's `UntunedLinearWarmup` cuts n where this rounds it.
    """
    if not 0 <= beta2 < 1:
        raise ScheduleError(
            f"untuned_warmup(beta2=...) must be at least 0 and below 1; got {beta2!r}."
        )
    if curve == "exponential":
        return Saturating(every=_clean(1 / (1 - beta2)))
    steps = max(round(2 / (1 - beta2)), 2)
    return Warmup(steps - 1, start=1 / steps)


def _clean(number: float) -> float:
    # 1 - 0.99 is not 0.01 in binary; 12 figures are more than anyone types.
    return float(f"{number:.12g}")


def _lasting(shape: Schedule, steps: Duration) -> Schedule:
    if not shape.open_ended or not hasattr(shape, "steps"):
        raise ScheduleError(
            f"the shape of a decay must be without a length, such as Linear(); got {shape}."
        )
    return changed(shape, steps=steps)
