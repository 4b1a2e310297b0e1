"""LR104 and LR105: curvature and clipping say that the rate is too high."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._axes import rate_text
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._reading import Track, share_text
from learnrate.watch._rule import Rule, RuleOptions
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


def _sharpness(reading: Reading) -> Track | None:
    held = reading.facts.get("sharpness")
    pairs = np.asarray(held, dtype=float) if isinstance(held, list | tuple | np.ndarray) else None
    if pairs is None or pairs.ndim != 2 or pairs.shape[1] != 2:
        return None
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    return Track(pairs[:, 0], pairs[:, 1])


def _stable_up_to(reading: Reading) -> float | None:
    """The rate times sharpness at which the optimizer is at the edge of stability."""
    name = str(reading.facts.get("optimizer", "")).lower()
    beta = float(reading.facts.get("momentum", 0.9))
    if "adam" in name or "rms" in name:
        first = float(reading.facts.get("betas", (0.9,))[0])
        return (2 + 2 * first) / (1 - first) if reading.facts.get("preconditioned") else None
    if name == "sgd" and "momentum" not in reading.facts:
        return 2.0
    return 2.0 + 2.0 * beta if any(word in name for word in ("sgd", "momentum")) else None


def _edge_lacks(reading: Reading) -> str | None:
    sharp = _sharpness(reading)
    if sharp is None:
        return "no sharpness was measured (facts['sharpness'], pairs of a step and an eigenvalue)"
    if sharp.step.size < BeyondEdgeOptions().measured:
        return f"only {sharp.step.size} measurements of the sharpness"
    if _stable_up_to(reading) is None:
        return (
            "the optimizer's stability limit is not known (facts['optimizer']; for Adam the "
            "sharpness must be preconditioned, facts['preconditioned'])"
        )
    return None


def _beyond_edge(reading: Reading, options: BeyondEdgeOptions) -> Finding | None:
    sharp, limit = _sharpness(reading), _stable_up_to(reading)
    assert sharp is not None  # noqa: S101 - `lacks` was asked before
    assert limit is not None  # noqa: S101
    rates = np.array([reading.rate_at(step) or 0.0 for step in sharp.step])
    ratios = rates * sharp.value / limit
    over = ratios >= options.ratio
    swings = drawn_up(reading)[0] > options.back * reading.fall
    if not (swings and over.mean() >= options.share) and (
        np.mean(ratios > options.far) < options.far_share
    ):
        return None
    at = int(np.argmax(over))
    return Finding(
        code=BEYOND_EDGE.code,
        severity=BEYOND_EDGE.severity,
        step=int(sharp.step[at]),
        message=(
            f"The rate is at or beyond the edge of stability: in {int(over.sum())} of {over.size} "
            f"measurements, from step {int(sharp.step[at]):,} on, rate times sharpness is "
            f"{float(np.median(ratios[over])):.2g} times the limit {limit:.3g} (median)"
            + (", and the loss swings." if swings else ".")
        ),
        evidence={
            "limit": limit,
            "median_ratio": float(np.median(ratios)),
            "highest_ratio": float(ratios.max()),
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
