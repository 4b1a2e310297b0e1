"""Fitting how the best rate depends on what was varied, and asking the fit about another run."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._axes import rate_text
from learnrate._errors import ArgumentError
from learnrate._progress import ProgressBar
from learnrate.scaling._law import Law, Points, fit_law
from learnrate.scaling._optima import Optimum, find_optima
from learnrate.scaling._runs import FACTORS, Runs, read_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Exponent", "Fit", "Scaled", "Verdict", "fit"]

_TAIL = 0.9  # of both ends: an 80 % interval
_SAME = 1.1  # a factor this near is not asked to change
_TOGETHER = 0.97  # correlation above which two factors cannot be told apart
_FARTHEST = 1e6
_WIDE = 4.0  # an interval with ends so many times apart is no answer
_DRIFT = 0.1  # standard deviation of an exponent's change over a factor e beyond the table
_EDGE_ERROR = math.log(2.0)  # standard error of a best rate that is not enclosed


class Verdict(StrEnum):
    """Whether the table supports the answer."""

    OK = "ok"
    WEAK = "weak"


@dataclass(frozen=True)
class Exponent:
    """By which power the best rate follows a factor, with the ends of an 80 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scaled:
    """The rate for a run that was not made.

    Attributes:
        lr: the best rate expected.
        low: the lower end of an 80 % interval for it.
        high: the upper end.
        exponents: d ln lr / d ln factor there; None where the factor never varies in the table.
        at: what was asked.
        verdict: ok, or weak where the table does not support the question.
        reason: why.
    """

    lr: float
    low: float
    high: float
    exponents: dict[str, Exponent | None]
    at: dict[str, float]
    verdict: Verdict
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate scale --json` prints."""
        powers = dict.fromkeys(FACTORS) | {
            name: None if power is None else power.value for name, power in self.exponents.items()
        }
        return {
            "lr": self.lr,
            "low": self.low,
            "high": self.high,
            "exponents": powers,
            "verdict": str(self.verdict),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Fit:
    """A law for the best rate, fitted to a table of runs.

    Attributes:
        runs: the table.
        optima: the groups whose best rate is enclosed by worse ones: what the law rests on.
        edges: those whose best rate is the lowest or highest tried: left out, unless there is
            nothing else.
        law: the fitted law.
    """

    runs: Runs
    optima: tuple[Optimum, ...]
    edges: tuple[Optimum, ...]
    law: Law

    @property
    def factors(self) -> tuple[str, ...]:
        """What the rate may depend on, in the order of the law's coefficients."""
        return tuple(self.runs.factors)

    @property
    def scatter(self) -> float:
        """Standard deviation of a group's ln(lr) about the law, beyond the error of its own."""
        return self.law.scatter

    @cached_property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The lowest and the highest of each factor among the groups fitted."""
        low, high = self.law.points.ends
        return {
            name: (math.exp(low[at]), math.exp(high[at])) for at, name in enumerate(self.factors)
        }

    @cached_property
    def varied(self) -> tuple[str, ...]:
        """The factors that are not the same in all groups fitted."""
        return tuple(name for name, (low, high) in self.ranges.items() if high / low >= _SAME)

    def at(self, **factors: float) -> Scaled:
        """The best rate for a run with these factors.

        A factor that is the same in the whole table may be left out. The interval holds what the
        resampled tables and the groups' scatter leave open. Beyond the table it widens with the
        uncertainty of the exponents, and because they may change there: by 0.1 (one standard
        deviation) for every factor e beyond, about what second-order terms of tables are.

        Raises:
            ArgumentError: a factor is unknown, not a finite number above 0, or missing; or over a
                million times beyond the table.

        Examples:
            >>> runs = {"lr": [], "loss": [], "B": []}
            >>> for batch in (16, 32, 64, 128):
            ...     for lr in (0.01, 0.02, 0.04, 0.08, 0.16):
            ...         runs["lr"].append(lr)
            ...         runs["loss"].append(1 + math.log(lr / (0.01 * batch**0.5 / 2)) ** 2)
            ...         runs["B"].append(batch)
            >>> scaled = fit(runs).at(B=256)
            >>> f"{scaled.lr:.2f}, {scaled.exponents['B'].value:.2f}, {scaled.verdict}"
            '0.08, 0.49, ok'
        """
        asked = self._asked(factors)
        lr, low, high = self.expected(asked)
        reasons = self._reasons(asked, low, high)
        return Scaled(
            lr,
            low,
            high,
            {name: self._exponent(name, asked) for name in self.factors},
            asked,
            Verdict.WEAK if reasons else Verdict.OK,
            "; ".join(reasons) + "." if reasons else self._support(),
        )

    def expected(self, factors: Mapping[str, float]) -> tuple[float, float, float]:
        """The best rate and the ends of its 80 % interval, for all factors and without a verdict."""
        z = self._logs(factors)
        middle, error = self.law.value(self.law.points.rows(z[None])[0])
        low, high = self.law.points.ends
        beyond = np.maximum(low - z, 0.0) + np.maximum(z - high, 0.0)
        drift = 0.5 * _DRIFT * float(np.linalg.norm(beyond**2))
        spread = self._quantile * math.hypot(error, self.scatter, drift)
        return math.exp(middle), math.exp(middle - spread), math.exp(middle + spread)

    def plot(self, scaled: Scaled, factor: str, axes: Axes | None = None) -> Axes:
        """Draw law and best rates against a factor on matplotlib axes; needs the extra `plot`.

        Args:
            scaled: the answer to mark, from `at`; the other factors are as asked there.
            factor: which factor.
            axes: where; a new figure by default.
        """
        from learnrate.scaling._picture import draw  # noqa: PLC0415 - matplotlib is optional

        return draw(self, factor, scaled, axes)

    def figure(self, scaled: Scaled) -> Figure:
        """The same for every factor that varies, side by side."""
        from learnrate.scaling._picture import draw_all  # noqa: PLC0415 - matplotlib is optional

        return draw_all(self, scaled)

    def _logs(self, factors: Mapping[str, float]) -> np.ndarray:
        return np.log([factors[name] for name in self.factors])

    @cached_property
    def _quantile(self) -> float:
        from scipy.special import stdtrit  # noqa: PLC0415 - slow to load

        return float(stdtrit(self.law.spare + 3, _TAIL))  # the scatter's prior is worth three

    def _exponent(self, name: str, asked: dict[str, float]) -> Exponent | None:
        if name not in self.varied:
            return None
        slopes = self.law.points.slopes(self._logs(asked), self.factors.index(name))
        value, error = self.law.value(slopes)
        spread = self._quantile * error
        return Exponent(value, value - spread, value + spread)

    def _asked(self, factors: dict[str, float]) -> dict[str, float]:
        for name, value in factors.items():
            if name not in self.factors:
                raise ArgumentError(
                    f"{name} is no factor of this fit; it has {', '.join(self.factors) or 'none'}."
                )
            if not 0 < value < math.inf:
                raise ArgumentError(f"{name} must be a finite number above 0; got {value!r}.")
        asked = {}
        for name, (low, high) in self.ranges.items():
            if name not in factors and name in self.varied:
                raise ArgumentError(
                    f"{name} varies in the table, from {low:.4g} to {high:.4g}; say which the run "
                    f"has: {name}=..."
                )
            asked[name] = float(factors.get(name, low))
            if max(asked[name] / high, low / asked[name]) > _FARTHEST:
                raise ArgumentError(
                    f"{name}={asked[name]:.4g} is over a million times beyond the table, which spans "
                    f"{low:.4g} to {high:.4g}; nothing can be said there. Is the unit the same?"
                )
        return asked

    def _support(self) -> str:
        if not self.varied:
            return "these are the runs of the table: nothing is scaled."
        groups = f"{len(self.optima)} of {len(self.optima) + len(self.edges)} groups"
        return f"{groups} enclose their best rate; they scatter {_percent(self.scatter)} about the law."

    def _reasons(self, asked: dict[str, float], low: float, high: float) -> list[str]:
        """Why the table does not support this question; none if it does."""
        reasons = [
            *self._poor_table(),
            *filter(None, (self._beyond(*one) for one in asked.items())),
        ]
        together = self._together(asked)
        if together:
            reasons.append(together)
        if high > _WIDE * low:
            reasons.append(
                f"the interval is wide, {rate_text(low, 2)} to {rate_text(high, 2)}: more groups "
                "nearer to the run asked for would narrow it"
            )
        return reasons

    def _poor_table(self) -> list[str]:
        found, edges = len(self.optima), len(self.edges)
        reasons = []
        if edges > found:
            reasons.append(
                f"{edges} of {edges + found} groups have their best rate at the edge of the rates "
                f"tried{self._which_edge()}"
            )
        varied = len(self.varied)
        if found < varied + 3 and not (found and not varied):
            reasons.append(
                f"{found} {'group encloses its' if found == 1 else 'groups enclose their'} best "
                f"rate; {varied} exponent{'s' * (varied != 1)} need at least {varied + 3} groups"
            )
        if self.scatter > math.log(2):
            reasons.append(f"the groups scatter {_percent(self.scatter)} about the law")
        return reasons

    def _which_edge(self) -> str:
        highest = sum(one.edge == "highest" for one in self.edges)
        if highest == len(self.edges):
            return ": try higher ones"
        return ": try lower ones" if not highest else ": try a wider range"

    def _beyond(self, name: str, value: float) -> str:
        low, high = self.ranges[name]
        if name not in self.varied:
            moved = max(value / high, low / value)
            never = f"{name} is always {low:.4g} in the table, and {value:.4g} is asked"
            return f"{never}: how the rate follows it is not known" if moved > _SAME else ""
        far = max(value / high, low / value)
        if far <= high / low:
            return ""
        return (
            f"{name}={value:.4g} is {far:.2g} times beyond the table, which spans {low:.4g} to "
            f"{high:.4g}"
        )

    def _together(self, asked: dict[str, float]) -> str:
        """Two factors that move as one in the table and not in the question."""
        points = self.law.points
        for one, other in itertools.combinations(self.varied, 2):
            x, y = (points.z[:, self.factors.index(name)] for name in (one, other))
            if abs(np.corrcoef(x, y)[0, 1]) < _TOGETHER:
                continue
            slope = float(np.polyfit(x, y, 1)[0])
            off = math.log(asked[other]) - y.mean() - slope * (math.log(asked[one]) - x.mean())
            if abs(off) > math.log(2) + np.ptp(y - slope * x):
                return (
                    f"{one} and {other} move together in the table, so their exponents cannot be "
                    "told apart; the run asked for leaves that line"
                )
        return ""


def fit(
    table: str | Path | Runs | Mapping[str, Sequence[Any]],
    *,
    columns: Mapping[str, str] | None = None,
    also: Sequence[str] = (),
    resamples: int = 200,
    progress: bool = True,
) -> Fit:
    """Fit how the best rate depends on model, data and batch, from a table of runs.

        ln lr* = c + a ln N + b ln D + g ln B + second-order terms that pay

    The best rate of each group of runs that differ in their rate alone comes from a local parabola
    in ln(lr); groups whose best rate is not enclosed by worse ones are left out. The law is fitted
    to these with weights by how well each is known, robustly. Terms such as ln D * ln B (the
    exponent of D changes with the batch) and squares are taken if they predict blocks of groups
    that were left out better by 5 %. Its uncertainty is that over resampled blocks.

    Args:
        table: a CSV file, columns by name, or what `read_runs` returned.
        columns: which column is what, as {"loss": "smooth loss", "B": "bs"}; see `read_runs`.
        also: further factors, found under the very same name.
        resamples: how many tables the uncertainty is taken from; 0 takes it from the fit alone.
        progress: whether a progress bar is shown when it takes longer than a moment.

    Raises:
        ArgumentError: a column is not there, a value is outside its rule, or no group has three
            rates with a finite loss; or `resamples` is below 0.
        FileError: the file cannot be read.
    """
    if resamples < 0:
        raise ArgumentError(f"resamples must be a whole number, at least 0; got {resamples!r}.")
    runs = table if isinstance(table, Runs) else read_runs(table, columns, also=also)
    found = find_optima(runs)
    if not found:
        raise ArgumentError(
            "no group of runs has three rates with a finite loss, so no best rate is known. Runs "
            f"are of one group if they share {', '.join(runs.factors) or 'everything but the rate'}."
        )
    enclosed = [one for one in found if not one.edge]
    edges = [one for one in found if one.edge]
    used = enclosed or edges
    z = np.log([[one.factors[name] for name in runs.factors] for one in used])
    errors = [_EDGE_ERROR if one.edge else one.sd for one in used]
    points = Points(z, np.log([one.lr for one in used]), np.array(errors))
    with ProgressBar(resamples, shown=progress) as bar:
        law = fit_law(points, resamples, lambda done: bar.show(done, "resampling the table"))
    return Fit(runs, tuple(enclosed), tuple(edges), law)


def _percent(scatter: float) -> str:
    return f"{100 * math.expm1(scatter):.0f} %"
