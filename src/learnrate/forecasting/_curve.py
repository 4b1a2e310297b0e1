"""The losses of a run and its rates, from which other runs are predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from learnrate._errors import ArgumentError
from learnrate._statistics import STD_OF_DEVIATION

if TYPE_CHECKING:
    from learnrate.watch import Observations

__all__ = ["SKIPPED", "LossCurve", "loss_curve_of"]

SKIPPED = 0.2  # share of a run whose losses are not described
_LEAST_LOSSES = 20
_BINS = 40  # means of losses, of one curve


@dataclass(frozen=True, kw_only=True)
class LossCurve:
    """The losses of a run, and the rate of every update.

    Args:
        name: the name of the run.
        lr: (updates,) the rate of every update, at least 0.
        step: (n,) whole numbers, increasing: the updates made before each loss.
        loss: (n,) the losses. Those that are not finite are left out.

    Raises:
        ArgumentError: a rate is negative or not finite, or there are fewer than 20 finite losses
            after the warm-up and the first fifth of the run.
    """

    name: str
    lr: np.ndarray
    step: np.ndarray
    loss: np.ndarray

    def __post_init__(self) -> None:
        lr, step, loss = (np.asarray(v, dtype=float) for v in (self.lr, self.step, self.loss))
        if lr.ndim != 1 or not lr.size or not np.isfinite(lr).all() or (lr < 0).any():
            raise ArgumentError(
                f"the rates of {self.name} must be finite numbers of at least 0, one for each update."
            )
        if not lr.any():
            raise ArgumentError(
                f"the rates of {self.name} are all 0; nothing can be learned from it."
            )
        warmup = int(np.argmax(lr))
        first = max(2 * warmup if warmup < len(lr) / 5 else 0, SKIPPED * len(lr))
        is_used = np.isfinite(loss) & (step >= first) & (step <= len(lr))
        if is_used.sum() < _LEAST_LOSSES:
            raise ArgumentError(
                f"{self.name} must have at least {_LEAST_LOSSES} finite losses after step "
                f"{int(first):,}; it has {int(is_used.sum())}. Give a run with more losses."
            )
        for field, column in (("lr", lr), ("step", step[is_used]), ("loss", loss[is_used])):
            object.__setattr__(self, field, column)

    @property
    def peak(self) -> float:
        """The highest rate of the schedule, above 0."""
        return float(self.lr.max())

    @property
    def last_share(self) -> float:
        """The rate at the last loss, as a share of the peak."""
        return float(self.lr[min(int(self.step[-1]), len(self.lr) - 1)]) / self.peak

    @property
    def last_loss(self) -> float:
        """The mean of the last losses, a fortieth of them or the last one."""
        return float(self.means()[1][-1])

    def means(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Steps, means of the losses there, and their standard errors."""
        parts = np.array_split(np.arange(len(self.loss)), min(_BINS, len(self.loss)))
        bends = self.loss[2:] - 2 * self.loss[1:-1] + self.loss[:-2]
        noise = STD_OF_DEVIATION * float(np.median(np.abs(bends))) / np.sqrt(6.0)
        return (
            np.array([self.step[part].mean() for part in parts]),
            np.array([self.loss[part].mean() for part in parts]),
            np.array([noise / np.sqrt(len(part)) for part in parts]),
        )


def loss_curve_of(observations: Observations, name: str | None = None) -> LossCurve:
    """The losses and rates of a recorded run.

    The validation loss is taken if it was recorded at least 20 times, otherwise the loss of the
    training batches. Rates between two rows lie on a straight line between theirs.

    Args:
        observations: the observations of one run, with the columns `lr` and `loss` or
            `validation`.
        name: the name of the run; by default the name of the observations.

    Raises:
        ArgumentError: no rate or no loss was recorded, or there are too few; see `LossCurve`.

    Examples:
        >>> from learnrate.watch import Observations
        >>> step = np.arange(100)
        >>> columns = {"lr": np.linspace(0.1, 0.0, 100), "loss": 1.0 + 1.0 / (1.0 + step)}
        >>> loss_curve_of(Observations(run="a", step=step, columns=columns)).peak
        0.1
    """
    if not observations.has("lr"):
        raise ArgumentError(f"the run {observations.run} has no recorded lr.")
    if not observations.has("loss") and not observations.has("validation"):
        raise ArgumentError(f"the run {observations.run} has no recorded loss.")
    step, lr = observations.step, observations.column("lr")
    is_known = np.isfinite(lr)
    if not is_known.any():
        raise ArgumentError(f"the run {observations.run} has no finite rate.")
    updates = np.arange(int(step[-1]) + 1)
    validation = observations.column("validation")  # all NaN if never recorded
    is_validated = np.isfinite(validation).sum() >= _LEAST_LOSSES
    return LossCurve(
        name=name or observations.run,
        lr=np.interp(updates, step[is_known], lr[is_known]),
        step=step + 1 if is_validated else step,
        loss=validation if is_validated else observations.column("loss"),
    )
