"""Recipes with a stable phase: warm-up-stable-decay once or in periods, and the power scheduler."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from learnrate._errors import ScheduleError
from learnrate.schedules._decays import PowerDecay
from learnrate.schedules._durations import Span, round_half_up
from learnrate.schedules._fields import whole_number
from learnrate.schedules._registry import copy_with
from learnrate.schedules._shapes import Constant, Linear, Warmup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.schedules._base import Schedule
    from learnrate.schedules._durations import Duration

__all__ = ["power_lr", "with_steps", "wsd", "wsd_s"]


def wsd(
    warmup: Duration = "5%", decay: Duration = "20%", shape: Schedule | None = None
) -> Schedule:
    """Warm up, stay at the peak, then decay: warm-up-stable-decay, or trapezoidal.

    Args:
        warmup: Duration of the warm-up.
        decay: Duration of the decay at the end.
        shape: The decay without a length: `Linear()` by default, `Cosine()`, `OneMinusSqrt()` or
            `OneMinusSquare()`, with a floor or without.

    Raises:
        ScheduleError: `shape` has a length, or the durations add up to more than 100 %.

    Examples:
        >>> wsd(decay="10%")
        schedule('warmup(5%) >> constant() >> linear(10%)')

    Ref: Hu et al. 2024, "MiniCPM", arXiv:2404.06395; Hägele et al. 2024, arXiv:2405.18392.
    """
    return Warmup(warmup).then(Constant(), with_steps(Linear() if shape is None else shape, decay))


def wsd_s(
    ends: Sequence[int | str] = ("25%", "50%", "100%"),
    warmup: int | str = "5%",
    decay: float = 0.1,
    shape: Schedule | None = None,
) -> Schedule:
    """Warm-up-stable-decay in several periods: each ends with a decay, and the next continues from there.

    The model at the end of each period is one that was trained for that long. The next period starts
    from it at the peak, so the updates of each decay are used by the next period.

    Args:
        ends: The end of each period: steps, or shares of the run of which the last is "100%", in
            rising order.
        warmup: Duration of the warm-up, in steps or shares as `ends`.
        decay: Length of each decay as a share of all that was trained until its end, above 0 and
            below 1.
        shape: The decay without a length, `Linear()` by default.

    Raises:
        ScheduleError: `ends` and `warmup` differ in their unit, `ends` do not rise, the last share is
            not 100 %, or a decay does not fit into its period.

    Examples:
        >>> wsd_s(ends=(1000, 2000), warmup=100)
        schedule('warmup(100) >> constant(800) >> linear(100) >> constant(800) >> linear(200)')

    Ref: Wen et al. 2024, "Understanding warmup-stable-decay learning rates", arXiv:2410.05192 (WSD-S).
    """
    if isinstance(decay, bool) or not isinstance(decay, int | float) or not 0 < decay < 1:
        raise ScheduleError(f"wsd_s(decay=...) must be above 0 and below 1; got {decay!r}.")
    unit, (begin, *stops) = _in_one_unit([warmup, *ends])
    parts: list[Schedule] = [Warmup(warmup)]
    for start, stop in pairwise((begin, *stops)):
        length = Fraction(repr(float(decay))) * stop
        length = length if unit else Fraction(round_half_up(length))
        if stop - start <= length or length == 0:
            raise ScheduleError(
                f"wsd_s(ends=...) must rise and leave room for a decay of {decay:g} of all steps until "
                f"each end; got {list(ends)!r} with warmup={warmup!r}. Lower decay, or move the ends "
                "apart."
            )
        stable = None if unit and stop == 100 else _duration(stop - start - length, unit)
        parts += [Constant(stable), with_steps(shape or Linear(), _duration(length, unit))]
    return parts[0].then(*parts[1:])


def power_lr(
    peak: float,
    a: float,
    batch_size: float,
    tokens_per_step: float,
    *,
    exponent: float = 0.51,
    warmup: Duration = "1%",
    decay: Duration = "10%",
    shape: Schedule | None = None,
) -> Schedule:
    """The power scheduler: a rate that depends on the tokens seen, not on the length of the run.

        rate(n) = min(peak, batch_size a n^-exponent),   n = s tokens_per_step

    multiplied by a warm-up at the beginning and a decay at the end. Unlike the other recipes it gives
    rates, not shares of a peak. Only the decay depends on where the run ends.

    Args:
        peak: The highest rate, above 0.
        a: The factor of the power law, above 0; it depends on the model and its parametrization.
        batch_size: Sequences in an update, above 0.
        tokens_per_step: Tokens in an update, above 0.
        exponent: Of the power law, above 0; 0.51 was fitted by Shen et al.
        warmup: Duration of the warm-up.
        decay: Duration of the decay at the end.
        shape: The decay without a length, `Linear()` by default.

    Raises:
        ScheduleError: a number is outside its range, or as for `wsd`.

    Examples:
        >>> power_lr(0.01, a=1, batch_size=100, tokens_per_step=1000, exponent=0.5)
        schedule('0.01 * warmup(1%) >> constant() >> linear(10%) * power_decay(exponent=0.5, every=1e5)')

    Ref: Shen et al. 2024, "Power scheduler: a batch size and token number agnostic learning rate
    scheduler", arXiv:2408.13359.
    """
    numbers = {
        "peak": peak,
        "a": a,
        "batch_size": batch_size,
        "tokens_per_step": tokens_per_step,
        "exponent": exponent,
    }
    for name, number in numbers.items():
        if not isinstance(number, int | float) or not 0 < number < math.inf:
            raise ScheduleError(
                f"power_lr({name}=...) must be finite and above 0; got {number!r}."
            )
    tokens = (batch_size * a / peak) ** (1 / exponent)
    fall = PowerDecay(exponent=exponent, every=float(f"{tokens / tokens_per_step:.12g}"))
    return peak * (wsd(warmup, decay, shape) * fall)


def with_steps(shape: Schedule, steps: Duration) -> Schedule:
    """The decay with a length.

    Raises:
        ScheduleError: it has a length.
    """
    if not shape.open_ended or not hasattr(shape, "steps"):
        raise ScheduleError(
            f"the shape of a decay must have no length, such as Linear(); got {shape}."
        )
    return copy_with(shape, steps=steps)


def _in_one_unit(durations: Sequence[int | str]) -> tuple[str, list[Fraction]]:
    """The unit of durations, "%" or "" for steps, and their numbers.

    Raises:
        ScheduleError: they have several units or another one, or the last share is not 100 %.
    """
    spans = [Span.read(value) if isinstance(value, str) else value for value in durations]
    units = {span.unit if isinstance(span, Span) else "" for span in spans}
    steps = [whole_number(span) for span in spans if not isinstance(span, Span)]
    if len(spans) < 2 or len(units) > 1 or not units <= {"", "%"} or None in steps:
        raise ScheduleError(
            "wsd_s(ends=..., warmup=...) must be all steps or all shares such as '5%', with at least "
            f"one end; got {list(durations[1:])!r} and {durations[0]!r}."
        )
    numbers = [
        Fraction(repr(span.number)) if isinstance(span, Span) else Fraction(span or 0)
        for span in spans
    ]
    if units == {"%"} and numbers[-1] != 100:
        raise ScheduleError(f"wsd_s(ends=...) must end at '100%'; got {durations[-1]!r}.")
    return units.pop(), numbers


def _duration(number: Fraction, unit: str) -> Duration:
    return Span(float(number), unit) if unit else int(number)
