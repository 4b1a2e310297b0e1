"""LR104: the rate is beyond the edge of stability."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._inspection import known_momenta
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._stability import adam_limit, rmsprop_limit, sgd_limit
from learnrate.watch._tracks import Track

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "BeyondEdgeOptions"]


class BeyondEdgeOptions(RuleOptions):
    """Thresholds of LR104. The ratio is the rate times the sharpness over the optimizer's limit.

    Training often settles at a ratio of 1, the edge of stability (Cohen et al. 2021 and 2022), and
    may go well there. So a ratio near 1 counts only if the loss oscillates.

    Attributes:
        ratio: a measurement is beyond the edge if the ratio is at least this high.
        share: if the loss oscillates, at least this share of the measurements must be beyond the
            edge.
        rise: the loss oscillates if it has risen by more than this share of its total decrease.
        noise: the rise must also exceed this many standard errors of a level.
        far_ratio: a measurement is far beyond the edge if the ratio exceeds this value. Training
            does not settle there by itself; at the edge, ratios up to 1.05 were measured.
        far_share: if the loss does not oscillate, at least this share of the measurements must be
            far beyond the edge.
        measurements: there must be at least this many measurements.
    """

    ratio: float = 1.0
    share: float = 0.2
    rise: float = 0.15
    noise: float = 4.0
    far_ratio: float = 1.2
    far_share: float = 0.5
    measurements: float = 5


def _measurements(reading: Reading, fact: str) -> Track | None:
    """A fact that consists of pairs of a step and a number."""
    value = reading.facts.get(fact)
    pairs = (
        np.asarray(value, dtype=float) if isinstance(value, list | tuple | np.ndarray) else None
    )
    if pairs is None or pairs.ndim != 2 or pairs.shape[1] != 2:
        return None
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return Track(pairs[:, 0], pairs[:, 1])


def _stability_limits(reading: Reading, steps: np.ndarray) -> np.ndarray | None:
    """The rate times the sharpness at the edge of stability of the optimizer, for each step."""
    facts = reading.facts
    name = str(facts.get("optimizer", "")).lower()
    momentum = float(facts.get("momentum", 0.0))
    limit: Callable[[float], float] = rmsprop_limit
    if "adam" in name or "rms" in name:
        if not facts.get("preconditioned"):
            return None
        if "rms" not in name:
            momentum, limit = float(facts.get("betas", (0.9,))[0]), adam_limit
    elif any(word in name for word in ("sgd", "momentum", "nesterov")):
        momentum = float(facts.get("momentum", 0.0 if name == "sgd" else 0.9))
        limit = partial(
            sgd_limit,
            dampening=float(facts.get("dampening", 0.0)),
            nesterov="nesterov" in name or bool(facts.get("nesterov")),
        )
    else:
        return None
    return np.array([limit(known) for known in known_momenta(reading, steps, momentum).tolist()])


def _constant_limit(reading: Reading, steps: np.ndarray) -> float | None:
    """The limit, if it is the same at all steps; None if it changes or is not known."""
    limits = _stability_limits(reading, steps)
    return None if limits is None or np.ptp(limits) else float(limits[0])


def _ratios(reading: Reading) -> Track | None:
    """The rate times the sharpness over the limit, from a probe or from the facts."""
    probed = _measurements(reading, "edge_ratio")
    if probed is not None:
        return probed
    sharpness = _measurements(reading, "sharpness")
    limits = None if sharpness is None else _stability_limits(reading, sharpness.step)
    if sharpness is None or limits is None:
        return None
    rates = np.array([reading.rate_at(step) or 0.0 for step in sharpness.step])
    return Track(sharpness.step, rates * sharpness.value / limits)


class _BeyondEdge(Rule[BeyondEdgeOptions]):
    title = "the rate is beyond the edge of stability"
    severity = Severity.WARNING
    needs = ("lr", "loss")
    explains = frozenset({"LR102", "LR103", "LR301", "LR304"})

    def check(self, reading: Reading, options: BeyondEdgeOptions) -> Finding | None:
        ratios = _ratios(reading)
        assert ratios is not None  # noqa: S101 - `_lacks` is called before
        beyond = ratios.value >= options.ratio
        least_rise = max(options.rise * reading.fall, options.noise * reading.level_error)
        oscillates = reading.why_not_judged is None and reading.largest_rise[0] > least_rise
        if not (oscillates and beyond.mean() >= options.share) and (
            np.mean(ratios.value > options.far_ratio) < options.far_share
        ):
            return None
        step = int(ratios.step[int(np.argmax(beyond))])
        limit = _constant_limit(reading, ratios.step)
        limit_text = "" if limit is None else f" {limit:.3g}"
        return self.finding(
            step=step,
            message=(
                f"The rate is at or beyond the edge of stability: in {int(beyond.sum())} of "
                f"{beyond.size} measurements, from step {step:,} on, rate times sharpness is "
                f"{float(np.median(ratios.value[beyond])):.2g} times the limit{limit_text} (median)"
                + (", and the loss oscillates." if oscillates else ".")
            ),
            evidence={
                "limit": limit,
                "median_ratio": float(np.median(ratios.value)),
                "highest_ratio": float(ratios.value.max()),
                "measurements": int(beyond.size),
                "above": int(beyond.sum()),
            },
            remedy=(
                f"Lower the peak rate to a third, {rate_text(reading.peak / 3, 2)}, or warm up for "
                "longer, so that the curvature can adapt first."
            ),
        )

    def lacks(self, reading: Reading) -> str | None:
        measurements = _measurements(reading, "edge_ratio") or _measurements(reading, "sharpness")
        if measurements is None:
            return (
                "no sharpness was measured (facts['sharpness'], pairs of a step and an eigenvalue)"
            )
        count = measurements.step.size
        if count < BeyondEdgeOptions().measurements:
            return f"only {count} measurement{'' if count == 1 else 's'} of the sharpness"
        if _ratios(reading) is None:
            return (
                "the stability limit of the optimizer is not known (facts['optimizer']; for Adam the "
                "sharpness must be preconditioned, facts['preconditioned'])"
            )
        return None

    def example(self, run: ExampleRun) -> Observations:
        sharpness = [[step, 24.0] for step in range(0, run.total_steps, 40)]
        return run.observed(
            loss=run.raised_loss(220, 330, 0.9), facts={"optimizer": "sgd", "sharpness": sharpness}
        )


RULE = _BeyondEdge()
