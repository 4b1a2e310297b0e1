r"""The loss under a schedule that was not tried, from runs under other schedules.

The law is the multi-power law of Luo et al. 2025 (arXiv:2503.12811) with one more exponent:

    L(t) = L0 + A S(t)^-alpha - B sum_{k <= t} (lr_(k-1) - lr_k) G_k(t)
    G_k(t) = 1 - (1 + C lr_k^-gamma (S(t) - S(k)))^-beta,   S(t) = sum_{k < t} lr_k^kappa

`A S^-alpha` is the loss of training at a constant rate, and each fall of the rate lowers it further, by a
share that grows with the training after the fall. The published law has kappa = 1. Rates are in units of
the highest rate of the runs, and losses in units of their fall, so that the answer is the same for a *
loss + b, a > 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import draw_chart
from learnrate._chart import describe
from learnrate._checks import refuse
from learnrate._errors import ArgumentError
from learnrate._records import to_dict
from learnrate.forecasting._curve import SKIPPED, LossCurve
from learnrate.schedules import schedule as read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from learnrate.schedules import Schedule

__all__ = ["LossLaw", "PredictedLoss", "fit_loss_law"]

_CONFIDENCE = 0.8
_WIDEST = 2.0  # largest ratio of the peaks of two runs
_LONGEST = 4.0  # largest ratio of the length of a prediction to that of the longest run
_KNOTS, _EARLY_KNOTS = 300, 60  # steps at which a table of rates is read
_LEAST_FALL = 8.0  # standard errors of a mean
_SHOWN = 80  # steps of a prediction
_SAMPLES = 200  # samples of the parameters, for the interval
_REGION = 20.1  # 99 % quantile of chi-squared with 8 degrees of freedom
_SMALLEST = 1e-6  # of a rate, as a share of the highest

# Priors of L0 with the contribution of the last rate, log A, alpha, log B, log C, beta, gamma, kappa.
# They are wide, in units of the curves.
_MEAN = np.array([-0.3, np.log(0.3), 0.5, np.log(0.6), np.log(50.0), 0.5, 0.5, 0.6])
_STD = np.array([0.5, 3.0, 0.25, 1.0, 2.0, 0.25, 0.25, 0.3])
_LOW = np.array([-3.0, -12.0, 0.05, -8.0, -4.0, 0.05, 0.0, 0.0])
_HIGH = np.array([1.0, 12.0, 2.0, 6.0, 10.0, 2.0, 2.0, 1.5])
_STARTS = [(alpha, log_benefit) for alpha in (0.3, 0.7) for log_benefit in (-2.0, 0.0)]
# Errors of the law itself, as shares of the fall: along a curve, and between schedules.
_MISFIT, _TRANSFER = 0.01, 0.1


@dataclass(frozen=True, kw_only=True)
class PredictedLoss:
    """The expected loss of a run that was not trained.

    Attributes:
        schedule: its text form.
        step: (n,) updates made.
        loss: (n,) the expected loss.
        low: (n,) the lower end of the interval.
        high: (n,) the upper end of the interval.
        confidence: the confidence of the interval.
        runs: the names of the runs that it was predicted from.
    """

    schedule: str
    step: np.ndarray
    loss: np.ndarray
    low: np.ndarray
    high: np.ndarray
    confidence: float
    runs: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON values."""
        return to_dict(self)


@dataclass(frozen=True)
class LossLaw:
    """The law, fitted to curves; made by `fit_loss_law`.

    Attributes:
        curves: the curves that it was fitted to.
        parameters: the most likely parameters, in the units of the module.
        samples: (n, 8) parameters that fit the curves about as well.
        zero: the loss that is 0 in these units.
        fall: the loss that is 1 in these units, above `zero`.
        misfit: standard deviation of a prediction beyond the error of the parameters, as a share of
            the fall.
    """

    curves: tuple[LossCurve, ...]
    parameters: np.ndarray
    samples: np.ndarray
    zero: float
    fall: float
    misfit: float

    def predict(self, schedule: Schedule | str, total_steps: int | None = None) -> PredictedLoss:
        """The expected loss under another schedule, with an 80 % interval.

        Args:
            schedule: a schedule or its text form.
            total_steps: updates of the run. May be omitted if the schedule has a length.

        Raises:
            ArgumentError: the schedule has no length, a rate below 0, a peak more than a factor of
                2 from those of the curves, or more than 4 times the updates of the longest curve.
        """
        bound = read(schedule) if total_steps is None else read(schedule).over(total_steps)
        lr = _table(bound)
        self._check(bound, lr)
        step = np.unique(np.linspace(SKIPPED * len(lr), len(lr), _SHOWN).round().astype(int))
        reader = _LawReader(lr, step, _reference(self.curves), _longest(self.curves))
        losses = np.array([reader.loss(sample) for sample in self.samples])
        losses += np.random.default_rng(0).normal(0.0, self.misfit, (len(losses), 1))
        tail = (1 - _CONFIDENCE) / 2
        expected = reader.loss(self.parameters)
        low, high = np.quantile(losses, [tail, 1 - tail], axis=0)
        return PredictedLoss(
            schedule=str(bound),
            step=step,
            loss=self.zero + self.fall * expected,
            low=self.zero + self.fall * np.minimum(low, expected),
            high=self.zero + self.fall * np.maximum(high, expected),
            confidence=_CONFIDENCE,
            runs=tuple(curve.name for curve in self.curves),
        )

    def plot(self, predictions: Sequence[PredictedLoss]) -> Figure:
        """Draw the losses of the runs, and those that are expected of other schedules.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_chart(describe(self, predictions))

    def _check(self, schedule: Schedule, lr: np.ndarray) -> None:
        if (lr < 0).any() or not lr.any():
            raise ArgumentError(f"the rates must be at least 0, and not all 0; got {schedule}.")
        peaks = [curve.peak for curve in self.curves]
        if not max(peaks) / _WIDEST <= lr.max() <= min(peaks) * _WIDEST:
            raise ArgumentError(
                f"the peak must lie between {max(peaks) / _WIDEST:.3g} and "
                f"{min(peaks) * _WIDEST:.3g}, within a factor of {_WIDEST:g} of the runs' own; "
                f"got {lr.max():.3g}. Give a run at a rate nearer to it."
            )
        longest = _longest(self.curves)
        if len(lr) > _LONGEST * longest:
            raise ArgumentError(
                f"the schedule must have at most {_LONGEST:g} times the {longest:,} updates of the "
                f"longest run; got {len(lr):,}."
            )


def fit_loss_law(curves: Sequence[LossCurve]) -> LossLaw:
    """Fit the law to one or several runs of the same task, by least squares with wide priors.

    Args:
        curves: runs of one model, data and optimizer, under schedules whose peaks differ by at most
            a factor of 2. In at least one of them the rate falls to half of its peak or below.

    Raises:
        ArgumentError: there is no curve, peaks differ by more, no rate was decayed, or the losses
            do not fall beyond their noise.

    Examples:
        >>> import numpy as np
        >>> step = np.arange(100, 1000, 10)
        >>> curve = LossCurve(
        ...     name="a", lr=np.linspace(0.1, 0, 1000), step=step, loss=2 + step**-0.5
        ... )
        >>> predicted = fit_loss_law([curve]).predict("0.1 * linear(1000)")
        >>> bool(abs(predicted.loss[-1] - 2.03) < 0.01)
        True
    """
    _check_curves(curves)
    means = [curve.means() for curve in curves]
    _check_means(curves, means)
    zero = min(float(loss.min()) for _, loss, _ in means)
    fall = max(float(loss.max()) for _, loss, _ in means) - zero
    readers = [
        _LawReader(curve.lr, step, _reference(curves), _longest(curves))
        for curve, (step, _, _) in zip(curves, means, strict=True)
    ]
    losses = np.concatenate([(loss - zero) / fall for _, loss, _ in means])
    stds = np.concatenate([np.hypot(error / fall, _MISFIT) for _, _, error in means])
    last_rate = float(np.mean([curve.last_share for curve in curves]))

    def residuals(parameters: np.ndarray) -> np.ndarray:
        fitted = np.concatenate([reader.loss(parameters) for reader in readers])
        asymptote = parameters[0] + np.exp(parameters[3]) * last_rate
        from_prior = (np.append(asymptote, parameters[1:]) - _MEAN) / _STD
        return np.concatenate([(fitted - losses) / stds, from_prior])

    solution = min((_solved(residuals, *start) for start in _STARTS), key=lambda fit: fit.cost)
    freedom = max(len(losses) - len(_MEAN), 1)
    excess = max(1.0, float((residuals(solution.x)[: len(losses)] ** 2).sum()) / freedom)
    return LossLaw(
        curves=tuple(curves),
        parameters=solution.x,
        samples=_plausible(residuals, solution, excess),
        zero=zero,
        fall=fall,
        misfit=float(np.hypot(_MISFIT * np.sqrt(excess), _TRANSFER)),
    )


class _LawReader:
    """The law at some steps of a run, in units of the highest rate and of the fall."""

    def __init__(self, lr: np.ndarray, step: np.ndarray, reference: float, longest: int) -> None:
        updates = len(lr)
        even = np.linspace(0, updates, _KNOTS + 1)
        early = np.geomspace(1, max(updates / 10, 2), _EARLY_KNOTS)
        knots = np.unique(np.concatenate([even, early]).round().clip(0, updates)).astype(int)
        rates = np.append(lr, lr[-1])[knots] / reference
        self._step, self._knots, self._rates = step, knots, rates
        self._falls = -np.diff(rates)
        self._is_past = step[:, None] >= knots[None, 1:]
        self._widths = np.diff(knots) / longest

    def loss(self, parameters: np.ndarray) -> np.ndarray:
        asymptote, log_scale, alpha, log_benefit, log_speed, beta, gamma, kappa = parameters
        rates = np.maximum(self._rates, _SMALLEST)
        powers = np.where(self._rates > 0, rates**kappa, 0.0)
        sums = np.cumsum(self._widths * 0.5 * (powers[1:] + powers[:-1]))
        sums = np.concatenate([[0.0], sums])
        trained = np.maximum(np.interp(self._step, self._knots, sums), 1e-12)
        since = np.maximum(trained[:, None] - sums[None, 1:], 0.0)
        shares = 1 - (1 + np.exp(log_speed) * rates[None, 1:] ** -gamma * since) ** -beta
        benefit = np.exp(log_benefit) * ((shares * self._is_past) @ self._falls)
        loss: np.ndarray = asymptote + np.exp(log_scale) * trained**-alpha - benefit
        return loss


def _solved(
    residuals: Callable[[np.ndarray], np.ndarray], alpha: float, log_benefit: float
) -> Any:
    """The least squares of a start."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - slow to load

    start = _MEAN.copy()
    start[2], start[3] = alpha, log_benefit
    bounds = (_LOW, _HIGH)
    return least_squares(residuals, start, bounds=bounds, loss="soft_l1", max_nfev=200)


def _plausible(
    residuals: Callable[[np.ndarray], np.ndarray], solution: Any, excess: float
) -> np.ndarray:
    """Parameters around the most likely ones, which fit the losses about as well.

    They are drawn from the normal distribution of least squares, closer and closer to the most likely
    ones, until enough of them lie in the 99 % confidence region.
    """
    noise = np.random.default_rng(0)
    covariance = np.linalg.inv(solution.jac.T @ solution.jac) * excess
    lowest = float((residuals(solution.x) ** 2).sum())
    plausible = [solution.x]
    for nearness in (1.0, 0.5, 0.25, 0.1):
        draws = noise.multivariate_normal(solution.x, covariance * nearness**2, _SAMPLES)
        for parameters in np.clip(draws, _LOW, _HIGH):
            excess_misfit = float((residuals(parameters) ** 2).sum()) - lowest
            plausible += [parameters] if excess_misfit <= _REGION * excess else []
        if len(plausible) > _SAMPLES / 4:
            break
    return np.array(plausible)


def _check_curves(curves: Sequence[LossCurve]) -> None:
    if isinstance(curves, LossCurve) or not all(isinstance(curve, LossCurve) for curve in curves):
        way_out = "Write [loss_curve_of(store.observations(run))]."
        refuse("fit_loss_law", "curves", "a list of LossCurve", curves, way_out)
    if not curves:
        raise ArgumentError("fit_loss_law(curves=...) must have at least one curve.")
    peaks = [curve.peak for curve in curves]
    if max(peaks) > _WIDEST * min(peaks):
        raise ArgumentError(
            f"the peaks of the runs must lie within a factor of {_WIDEST:g}; got "
            f"{min(peaks):.3g} to {max(peaks):.3g}. Give runs whose rates are nearer."
        )
    if min(curve.last_share for curve in curves) > 0.5:
        raise ArgumentError(
            "no run has a rate that falls to half of its peak, so the effect of a decay is not known. "
            "Give a run with a decay too."
        )


def _check_means(
    curves: Sequence[LossCurve], means: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> None:
    """Refuse losses that do not fall, and those that rise as far above their beginning as they fell."""
    falls = [float(loss[0] - loss.min()) for _, loss, _ in means]
    noises = [float(np.median(error)) for _, _, error in means]
    if not any(fall > _LEAST_FALL * noise for fall, noise in zip(falls, noises, strict=True)):
        raise ArgumentError("the losses of these runs do not fall beyond their noise.")
    for curve, (_, loss, _) in zip(curves, means, strict=True):
        if loss.max() > loss[0] + max(falls):
            raise ArgumentError(
                f"the loss of {curve.name} rises above its start, to {loss.max():.4g}. Give a run "
                "that did not diverge."
            )


def _table(schedule: Schedule) -> np.ndarray:
    if schedule.total_steps is None:
        raise ArgumentError(
            f"{schedule} has no fixed length; give the updates of the run as total_steps."
        )
    return np.asarray(schedule.table(), dtype=float)


def _reference(curves: Sequence[LossCurve]) -> float:
    return max(curve.peak for curve in curves)


def _longest(curves: Sequence[LossCurve]) -> int:
    return max(len(curve.lr) for curve in curves)
