"""Fitting how the best rate depends on what was varied, and predicting it for another run."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import draw_chart, draw_panel
from learnrate._chart import describe
from learnrate._errors import ArgumentError
from learnrate._numbers import rate_text
from learnrate._progress import ProgressBar
from learnrate._records import to_dict
from learnrate._statistics import student_quantile
from learnrate.scaling._law import Law, RatePoints, fit_law
from learnrate.scaling._optima import GroupOptimum, find_optima
from learnrate.scaling._runs import FACTORS, Runs, read_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Exponent", "Fit", "FitVerdict", "ScaledRate", "fit"]

_TAIL = 0.1  # probability beyond either end of an 80 % interval
_EQUAL_FACTORS = 1.1  # values of a factor within this ratio count as equal
_HIGHEST_CORRELATION = 0.97  # correlation above which two factors cannot be told apart
_MOST_TIMES_BEYOND = 1e6  # a prediction for a factor further beyond the table is refused
_WIDEST_INTERVAL = 4.0  # ratio of an interval's ends above which it is too wide
_DRIFT_STD = 0.1  # of the change of an exponent, for each factor e beyond the table
_EDGE_LOG_STD = math.log(2.0)  # standard deviation of ln(lr) for a best rate that is not enclosed


class FitVerdict(StrEnum):
    """Whether the table supports the answer."""

    OK = "ok"
    WEAK = "weak"


@dataclass(frozen=True)
class Exponent:
    """The power of a factor in the best rate, with the ends of its 80 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ScaledRate:
    """The best rate that a fit predicts for a run.

    Attributes:
        lr: the expected best rate.
        low: the lower end of its 80 % interval.
        high: the upper end.
        exponents: d ln lr / d ln factor at this run; None for a factor that is constant in the
            table.
        factors: those of the run.
        verdict: ok, or weak if the table does not support the prediction.
        reason: why the verdict is what it is.
    """

    lr: float
    low: float
    high: float
    exponents: dict[str, Exponent | None]
    factors: dict[str, float]
    verdict: FitVerdict
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The document of `learnrate scale --json`; an exponent that was not fitted is null."""
        powers = dict.fromkeys(FACTORS) | {
            name: None if power is None else power.value for name, power in self.exponents.items()
        }
        return to_dict(self, omit=("factors",)) | {"exponents": powers}


@dataclass(frozen=True)
class Fit:
    """A law for the best rate, fitted to a table of runs.

    Attributes:
        runs: the table.
        optima: the groups whose best rate is enclosed by worse ones; the law is fitted to these.
        edges: the groups whose best rate is the lowest or highest tried; left out unless there are
            no others.
        law: the fitted law.
    """

    runs: Runs
    optima: tuple[GroupOptimum, ...]
    edges: tuple[GroupOptimum, ...]
    law: Law

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that the rate may depend on, in the order of the law's coefficients."""
        return tuple(self.runs.factors)

    @property
    def log_std(self) -> float:
        """Standard deviation of a group's best ln(lr) about the law, beyond its own error."""
        return self.law.log_std

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The lowest and the highest of each factor among the groups fitted."""
        low, high = (map(math.exp, logs) for logs in self.law.points.limits)
        return dict(zip(self.factors, zip(low, high, strict=True), strict=True))

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """The factors that vary among the groups fitted."""
        return tuple(
            name for name, (low, high) in self.ranges.items() if high / low >= _EQUAL_FACTORS
        )

    def predict(self, **factors: float) -> ScaledRate:
        """Predict the best rate for a run with these factors.

        A factor that is constant in the table may be left out. The interval covers the spread over
        resampled tables and the deviation of groups from the law. Beyond the table it is wider,
        because the exponents are uncertain and because they may change there: by 0.1 (one standard
        deviation) for every factor e, which is what second-order terms of such tables amount to.

        Raises:
            ArgumentError: a factor is unknown, missing, not a finite number above 0, or more than a
                million times beyond the table.

        Examples:
            >>> runs = {"lr": [], "loss": [], "B": []}
            >>> for batch in (16, 32, 64, 128):
            ...     for lr in (0.01, 0.02, 0.04, 0.08, 0.16):
            ...         runs["lr"].append(lr)
            ...         runs["loss"].append(1 + math.log(lr / (0.01 * batch**0.5 / 2)) ** 2)
            ...         runs["B"].append(batch)
            >>> scaled = fit(runs).predict(B=256)
            >>> f"{scaled.lr:.2f}, {scaled.exponents['B'].value:.2f}, {scaled.verdict}"
            '0.08, 0.49, ok'
        """
        run = self._completed(factors)
        lr, low, high = self.expected(run)
        reasons = self._reasons(run, low, high)
        return ScaledRate(
            lr,
            low,
            high,
            {name: self._exponent(name, run) for name in self.factors},
            run,
            FitVerdict.WEAK if reasons else FitVerdict.OK,
            "; ".join(reasons) + "." if reasons else self._support(),
        )

    def expected(self, factors: Mapping[str, float]) -> tuple[float, float, float]:
        """The best rate and the ends of its 80 % interval, given all factors; without a verdict."""
        logs = self._logs(factors)
        log_lr, error = self.law.value(self.law.points.design(logs[None])[0])
        low, high = self.law.points.limits
        beyond = np.maximum(low - logs, 0.0) + np.maximum(logs - high, 0.0)
        drift = 0.5 * _DRIFT_STD * float(np.linalg.norm(beyond**2))
        half_width = self._quantile * math.hypot(error, self.log_std, drift)
        return math.exp(log_lr), math.exp(log_lr - half_width), math.exp(log_lr + half_width)

    def plot(self, scaled: ScaledRate) -> Figure:
        """Draw the law and the best rates against every factor that varies; needs the extra `plot`.

        Args:
            scaled: the prediction to mark; it sets the other factors too.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_chart(describe(self, scaled))

    def plot_factor(self, scaled: ScaledRate, factor: str, axes: Axes | None = None) -> Axes:
        """Draw the law and the best rates against one factor; needs the extra `plot`.

        Args:
            scaled: the prediction to mark; it sets the other factors too.
            factor: the factor on the horizontal axis.
            axes: matplotlib axes to draw on; by default new ones.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        return draw_panel(describe(self, scaled, factor).panels[0], axes)

    def _logs(self, factors: Mapping[str, float]) -> np.ndarray:
        return np.log([factors[name] for name in self.factors])

    @cached_property
    def _quantile(self) -> float:
        freedom = self.law.freedom + 3  # the prior of the deviation has the weight of 3 groups
        return student_quantile(_TAIL, freedom)

    def _exponent(self, name: str, run: dict[str, float]) -> Exponent | None:
        if name not in self.varied:
            return None
        row = self.law.points.exponent_row(self._logs(run), self.factors.index(name))
        value, error = self.law.value(row)
        half_width = self._quantile * error
        return Exponent(value, value - half_width, value + half_width)

    def _completed(self, factors: dict[str, float]) -> dict[str, float]:
        """The factors of a run, with those that are constant in the table filled in."""
        for name, value in factors.items():
            if name not in self.factors:
                known = ", ".join(self.factors) or "none"
                raise ArgumentError(f"{name} is not a factor of this fit; it has {known}.")
            if not 0 < value < math.inf:
                raise ArgumentError(f"{name} must be a finite number above 0; got {value!r}.")
        run = {}
        for name, (low, high) in self.ranges.items():
            if name not in factors and name in self.varied:
                raise ArgumentError(
                    f"{name} varies in the table, from {low:.4g} to {high:.4g}; give its value in "
                    f"the run: {name}=..."
                )
            run[name] = float(factors.get(name, low))
            if max(run[name] / high, low / run[name]) > _MOST_TIMES_BEYOND:
                raise ArgumentError(
                    f"{name}={run[name]:.4g} is more than a million times beyond the table, which "
                    f"spans {low:.4g} to {high:.4g}; such a prediction is not possible. Is the unit the same?"
                )
        return run

    def _support(self) -> str:
        if not self.varied:
            return "the table has runs like this one, so nothing is extrapolated."
        groups = f"{len(self.optima)} of {len(self.optima) + len(self.edges)} groups"
        deviation = _percent(self.log_std)
        return f"{groups} enclose their best rate; they deviate from the law by {deviation}."

    def _reasons(self, run: dict[str, float], low: float, high: float) -> list[str]:
        """Why the table does not support this prediction; none if it does."""
        reasons = [
            *self._weaknesses(),
            *(self._distance(name, value) for name, value in run.items()),
            self._collinearity(run),
        ]
        if high > _WIDEST_INTERVAL * low:
            reasons.append(
                f"the interval is wide, {rate_text(low, 2)} to {rate_text(high, 2)}: more groups "
                "nearer to this run would make it narrower"
            )
        return list(filter(None, reasons))

    def _weaknesses(self) -> list[str]:
        """The reasons why the table supports no prediction."""
        enclosed, edges = len(self.optima), len(self.edges)
        reasons = []
        if edges > enclosed:
            reasons.append(
                f"{edges} of {edges + enclosed} groups have their best rate at the edge of the "
                f"rates tried: try {self._rates_to_try()}"
            )
        varied = len(self.varied)
        if enclosed < varied + 3 and not (enclosed and not varied):
            groups = "group encloses its" if enclosed == 1 else "groups enclose their"
            exponents = "exponent needs" if varied == 1 else "exponents need"
            reasons.append(
                f"{enclosed} {groups} best rate; {varied} {exponents} at least {varied + 3} groups"
            )
        if self.log_std > math.log(2):
            reasons.append(f"the groups deviate from the law by {_percent(self.log_std)}")
        return reasons

    def _rates_to_try(self) -> str:
        edges = {optimum.edge for optimum in self.edges}
        if edges == {"highest"}:
            return "higher ones"
        return "lower ones" if edges == {"lowest"} else "a wider range"

    def _distance(self, name: str, value: float) -> str:
        """A sentence if a factor is too far from the table; else empty."""
        low, high = self.ranges[name]
        beyond = max(value / high, low / value)
        if name not in self.varied:
            constant = f"{name} is always {low:.4g} in the table, and the run has {value:.4g}"
            return (
                f"{constant}: its effect on the rate is not known"
                if beyond > _EQUAL_FACTORS
                else ""
            )
        if beyond <= high / low:
            return ""
        return (
            f"{name}={value:.4g} is {beyond:.2g} times beyond the table, which spans {low:.4g} to "
            f"{high:.4g}"
        )

    def _collinearity(self, run: dict[str, float]) -> str:
        """A sentence if two factors vary together in the table but not in the run; else empty."""
        points = self.law.points
        for first, second in itertools.combinations(self.varied, 2):
            x, y = (points.log_factors[:, self.factors.index(name)] for name in (first, second))
            if abs(np.corrcoef(x, y)[0, 1]) < _HIGHEST_CORRELATION:
                continue
            slope = float(np.polyfit(x, y, 1)[0])
            expected = y.mean() + slope * (math.log(run[first]) - x.mean())
            if abs(math.log(run[second]) - expected) > math.log(2) + np.ptp(y - slope * x):
                return (
                    f"{first} and {second} vary together in the table, so their exponents cannot be "
                    "told apart, but they do not vary together in this run"
                )
        return ""


def fit(
    table: str | Path | Runs | Mapping[str, Sequence[Any]],
    *,
    columns: Mapping[str, str] | None = None,
    extra_factors: Sequence[str] = (),
    resamples: int = 200,
    progress: bool = True,
) -> Fit:
    """Fit how the best rate depends on model, data and batch, from a table of runs.

        ln lr* = c + a ln N + b ln D + g ln B + second-order terms that improve it

    A group of runs that differ only in their rate gives a best rate, by a local parabola in ln(lr).
    Groups whose best rate is not enclosed by worse ones are left out. The law is fitted to the best
    rates robustly, with weights by how well each is known. Terms such as ln D * ln B (the exponent
    of D changes with the batch) and squares are added if they improve the prediction of blocks of
    groups that were left out by 5 %. The uncertainty comes from resampled blocks.

    Args:
        table: a CSV file, columns by name, or what `read_runs` returned.
        columns: which column is what, as {"loss": "smooth loss", "B": "bs"}; see `read_runs`.
        extra_factors: names of other columns that are factors.
        resamples: how many tables are resampled for the uncertainty, at least 0; 0 takes it from
            the fit alone.
        progress: whether to show a progress bar.

    Raises:
        ArgumentError: the table does not have a column, a value breaks its rule, no group has three
            rates with a finite loss, or `resamples` is below 0.
        FileError: the file cannot be read.

    Examples:
        >>> runs = {"lr": [], "loss": [], "B": []}
        >>> for batch in (16, 32, 64, 128):
        ...     for lr in (0.01, 0.02, 0.04, 0.08, 0.16):
        ...         runs["lr"].append(lr)
        ...         runs["loss"].append(1 + math.log(lr / (0.005 * batch**0.5)) ** 2)
        ...         runs["B"].append(batch)
        >>> fit(runs, resamples=0).factors
        ('B',)
    """
    if resamples < 0:
        raise ArgumentError(f"resamples must be a whole number, at least 0; got {resamples!r}.")
    runs = (
        table
        if isinstance(table, Runs)
        else read_runs(table, columns, extra_factors=extra_factors)
    )
    optima = find_optima(runs)
    if not optima:
        shared = ", ".join(runs.factors) or "everything but the rate"
        raise ArgumentError(
            "no group of runs has three rates with a finite loss, so no best rate is known. Runs "
            f"belong to the same group if they share {shared}."
        )
    enclosed = [optimum for optimum in optima if not optimum.edge]
    edges = [optimum for optimum in optima if optimum.edge]
    fitted = enclosed or edges
    points = RatePoints(
        np.log([[optimum.factors[name] for name in runs.factors] for optimum in fitted]),
        np.log([optimum.lr for optimum in fitted]),
        np.array([_EDGE_LOG_STD if optimum.edge else optimum.log_std for optimum in fitted]),
    )
    with ProgressBar(resamples, shown=progress) as bar:
        law = fit_law(points, resamples, lambda done: bar.show(done, "resampling the table"))
    return Fit(runs, tuple(enclosed), tuple(edges), law)


def _percent(log_std: float) -> str:
    return f"{100 * math.expm1(log_std):.0f} %"
