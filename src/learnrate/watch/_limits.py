"""LR104 and LR105: curvature and clipping say that the rate is too high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import Track, share_text
from learnrate.watch._rule import Rule, RuleOptions
from learnrate.watch._stability import adam_limit, rmsprop_limit, sgd_limit
from learnrate.watch._too_high import drawn_up

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = ["BEYOND_EDGE", "CLIPPED", "BeyondEdgeOptions", "ClippedOptions"]


@dataclass(frozen=True, kw_only=True)
class BeyondEdgeOptions(RuleOptions):
    """Thresholds of LR104, of the rate times the sharpness over what the optimizer is stable up to.

    At the edge itself, a ratio of 1, training hovers by itself and may go well (Cohen et al. 2021
    and 2022, who call it the edge of stability), so that a ratio near 1 counts only where the loss
    swings.

    Attributes:
        ratio: at or above it an update overshoots along the sharpest direction.
        share: of the measurements that must lie there, where the loss swings.
        back: the share of its whole fall that a loss that swings has lost again on the way.
        far: a ratio that no training keeps up by itself; up to 1.05 was measured at the edge.
        far_share: of the measurements that must lie above that, whatever the loss does.
        measured: measurements without which nothing is said.
    """

    ratio: float = 1.0
    share: float = 0.2
    back: float = 0.15
    far: float = 1.2
    far_share: float = 0.5
    measured: float = 5


def _measured(reading: Reading, fact: str) -> Track | None:
    """A fact that is pairs of a step and a number."""
    held = reading.facts.get(fact)
    pairs = np.asarray(held, dtype=float) if isinstance(held, list | tuple | np.ndarray) else None
    if pairs is None or pairs.ndim != 2 or pairs.shape[1] != 2:
        return None
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return Track(pairs[:, 0], pairs[:, 1])


def _stable_up_to(reading: Reading) -> float | None:
    """The rate times sharpness at which the optimizer is at the edge of stability."""
    facts = reading.facts
    name = str(facts.get("optimizer", "")).lower()
    if "adam" in name or "rms" in name:
        if not facts.get("preconditioned"):
            return None
        if "rms" in name:
            return rmsprop_limit(float(facts.get("momentum", 0.0)))
        return adam_limit(float(facts.get("betas", (0.9,))[0]))
    if not any(word in name for word in ("sgd", "momentum", "nesterov")):
        return None
    return sgd_limit(
        float(facts.get("momentum", 0.0 if name == "sgd" else 0.9)),
        dampening=float(facts.get("dampening", 0.0)),
        nesterov="nesterov" in name or bool(facts.get("nesterov")),
    )


def _ratios(reading: Reading) -> Track | None:
    """The rate times the sharpness over the limit, as a probe gave it or by the facts."""
    known = _measured(reading, "edge_ratio")
    if known is not None:
        return known
    sharp, limit = _measured(reading, "sharpness"), _stable_up_to(reading)
    if sharp is None or limit is None:
        return None
    rates = np.array([reading.rate_at(step) or 0.0 for step in sharp.step])
    return Track(sharp.step, rates * sharp.value / limit)


def _edge_lacks(reading: Reading) -> str | None:
    sharp = _measured(reading, "edge_ratio") or _measured(reading, "sharpness")
    if sharp is None:
        return "no sharpness was measured (facts['sharpness'], pairs of a step and an eigenvalue)"
    if sharp.step.size < BeyondEdgeOptions().measured:
        return f"only {sharp.step.size} measurements of the sharpness"
    if _ratios(reading) is None:
        return (
            "the optimizer's stability limit is not known (facts['optimizer']; for Adam the "
            "sharpness must be preconditioned, facts['preconditioned'])"
        )
    return None


def _beyond_edge(reading: Reading, options: BeyondEdgeOptions) -> Finding | None:
    ratios = _ratios(reading)
    assert ratios is not None  # noqa: S101 - `lacks` was asked before
    over = ratios.value >= options.ratio
    swings = drawn_up(reading)[0] > options.back * reading.fall
    if not (swings and over.mean() >= options.share) and (
        np.mean(ratios.value > options.far) < options.far_share
    ):
        return None
    step = int(ratios.step[int(np.argmax(over))])
    limit = _stable_up_to(reading)
    is_limit = "" if limit is None else f" {limit:.3g}"
    return Finding(
        code=BEYOND_EDGE.code,
        severity=BEYOND_EDGE.severity,
        step=step,
        message=(
            f"The rate is at or beyond the edge of stability: in {int(over.sum())} of {over.size} "
            f"measurements, from step {step:,} on, rate times sharpness is "
            f"{float(np.median(ratios.value[over])):.2g} times the limit{is_limit} (median)"
            + (", and the loss swings." if swings else ".")
        ),
        evidence={
            "limit": limit,
            "median_ratio": float(np.median(ratios.value)),
            "highest_ratio": float(ratios.value.max()),
            "measurements": int(over.size),
            "above": int(over.sum()),
        },
        remedy=(
            f"Lower the peak rate to {rate_text(reading.peak / 3, 2)}, a third, or warm up for "
            "longer, so that the curvature can adapt first."
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ClippedOptions(RuleOptions):
    """Thresholds of LR105.

    Attributes:
        share: of the updates that may be clipped. Google's tuning playbook: above half, lower the
            rate.
        after: the share of the run that is left out at its beginning.
    """

    share: float = 0.5
    after: float = 0.1


def _clipped(reading: Reading, options: ClippedOptions) -> Finding | None:
    late = reading.clipped.since(options.after * reading.seen)
    if late.value.size < 10:
        return None
    share = float(late.value.mean())
    if share <= options.share:
        return None
    norms = reading.track("gradient_norm").since(options.after * reading.seen).value
    norms = norms[np.isfinite(norms)]
    limit = reading.facts.get("clip_norm")
    usual = float(np.quantile(norms, 0.9)) if norms.size else None
    raise_to = "" if usual is None else f" (about {usual:.2g})"
    return Finding(
        code=CLIPPED.code,
        severity=CLIPPED.severity,
        step=int(late.step[0]),
        message=(
            f"{share_text(share)} of the updates are clipped: their size is set by the clipping "
            "and the rate together, not by the gradient."
        ),
        evidence={"share": share, "clip_norm": limit, "gradient_norm_90": usual},
        remedy=(
            f"Clip at the 90th percentile of the gradient norm{raise_to}; if the run is unstable "
            "without, lower the rate instead."
        ),
    )


def _clip_lacks(reading: Reading) -> str | None:
    if reading.clipped.value.size:
        return None
    return "neither clipped was recorded nor gradient_norm with facts['clip_norm']"


BEYOND_EDGE = Rule(
    code="LR104",
    title="the rate is beyond the edge of stability",
    severity=Severity.WARNING,
    needs=("lr", "loss"),
    options=BeyondEdgeOptions(),
    check=_beyond_edge,
    lacks=_edge_lacks,
    explains=frozenset({"LR102", "LR103", "LR304"}),
)
CLIPPED = Rule(
    code="LR105",
    title="most updates are clipped",
    severity=Severity.WARNING,
    needs=(),
    options=ClippedOptions(),
    check=_clipped,
    lacks=_clip_lacks,
    explains=frozenset({"LR201"}),
    shows=("gradient_norm", "clipped"),
)
