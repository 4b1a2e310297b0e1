"""The series of a log, in the order in which they were written, and the observations made of them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import FileError
from learnrate.watch._observations import Observations
from learnrate.watch.readers._rates import main_rate
from learnrate.watch.readers._restarts import fits_of, shifted, spacing_of, starts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.watch.readers._names import Names

__all__ = ["ChosenSeries", "LogSeries", "observed", "to_observations", "whole_steps"]

_INF_IF_NOT_FINITE = (
    "loss",
    "validation",
    "gradient_norm",
)  # in other columns NaN means a missing value


class LogSeries:
    """One series of a log: steps and values in the order they were written."""

    __slots__ = ("steps", "values")

    def __init__(self) -> None:
        self.steps = array("d")
        self.values = array("d")

    def add(self, step: float, value: float) -> None:
        """Append the value at a step."""
        self.steps.append(step)
        self.values.append(value)


@dataclass
class ChosenSeries:
    """The series of a log that were read as the columns.

    Attributes:
        columns: the series of each column, as `Names.columns` has them; of rates the one chosen.
        step: what counts the steps, in words.
        rates: how many rates there were.
        notes: sentences on how the log was read.
    """

    columns: dict[str, list[str]]
    step: str = "the logged step"
    rates: int = 0
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Which series was read as which column, for `facts["read_as"]`."""
        series_names = {column: " + ".join(series) for column, series in self.columns.items()}
        return {"step": self.step, **series_names, "rates": self.rates, "notes": self.notes}


def to_observations(
    run: str,
    series: Mapping[str, LogSeries],
    names: Names,
    *,
    where: str,
    total_steps: int | None = None,
    facts: dict[str, Any] | None = None,
) -> Observations:
    """The observations in the series of a log.

    A step that was written several times has its latest value. If the steps of a series go back, the run was
    resumed from there, and what an earlier attempt wrote from that step on is left out. Steps that restart in
    each epoch are continued.

    Args:
        run: the name of the run.
        series: the series, by their names in the log.
        names: which series are the loss, the rate and so on.
        where: the log, for messages.
        total_steps: the updates of the whole run as planned, if the log records it.
        facts: what else the log records, as `Observations` has them.

    Raises:
        FileError: steps are not whole numbers of at least 0, or no series looks like a loss or a
            rate.
    """
    rows = {name: len(logged.steps) for name, logged in series.items() if len(logged.steps)}
    chosen = ChosenSeries(names.columns(list(rows), where, rows))
    tracks = {
        name: (
            whole_steps(np.asarray(series[name].steps), f"{where}, series {name!r}"),
            np.asarray(series[name].values),
        )
        for series_names in chosen.columns.values()
        for name in series_names
    }
    facts, resumed_at = dict(facts or {}), set[int]()
    if _counts_epochs(chosen):
        facts.setdefault("step_unit", "epoch")
    _count_on(tracks, chosen, facts, resumed_at)
    return observed(
        run, tracks, chosen, total_steps=total_steps, facts=facts, resumed_at=resumed_at
    )


def _counts_epochs(chosen: ChosenSeries) -> bool:
    """Whether the series are those that Keras' TensorBoard callback writes once an epoch."""
    names = [*chosen.columns.get("loss", []), *chosen.columns.get("lr", [])]
    return bool(names) and all(name.split("/")[-1].startswith("epoch_") for name in names)


def whole_steps(steps: np.ndarray, where: str) -> np.ndarray:
    """Steps as whole numbers.

    Raises:
        FileError: a step is not a whole number of at least 0, or so large that floats do not
            count it exactly.
    """
    is_whole = np.isfinite(steps) & (steps >= 0) & (steps == np.floor(steps))
    if not is_whole.all():
        raise FileError(
            f"{where}: a step must be a whole number of at least 0; got {steps[~is_whole][0]:g}."
        )
    if (steps > 2**53).any():
        raise FileError(f"{where}: a step must be at most 2**53; got {steps.max():.17g}.")
    return steps.astype(np.int64)


def observed(
    run: str,
    tracks: dict[str, tuple[np.ndarray, np.ndarray]],
    chosen: ChosenSeries,
    *,
    total_steps: int | None = None,
    facts: Mapping[str, Any] | None = None,
    resumed_at: set[int] | None = None,
) -> Observations:
    """The observations in chosen series, each with its whole steps in the order of the log.

    Args:
        run: the name of the run.
        tracks: the steps and values of each chosen series, by name; inf where a value is not
            finite.
        chosen: the series of each column. Of several rates the main one is chosen.
        total_steps: the updates of the whole run as planned, if the log records it.
        facts: what else the log records.
        resumed_at: steps at which the run is known to have been resumed.
    """
    resumed = resumed_at if resumed_at is not None else set()
    left_out = 0
    latest: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for name, (step, value) in tracks.items():
        latest[name] = _latest(step, value, resumed)
        if (np.diff(step) < 0).any():
            left_out = max(left_out, step.size - latest[name][0].size)
    if "lr" in chosen.columns:
        rates = [name for name in chosen.columns["lr"] if latest[name][0].size]
        chosen.rates = len(rates)
        main = main_rate({name: latest[name] for name in rates}) if rates else None
        chosen.columns = chosen.columns | {"lr": [main] if main else []}
    if left_out:
        chosen.notes.append(f"{left_out:,} rows of an earlier attempt are left out")
    all_steps = _union([steps for steps, _ in latest.values()])
    columns = {}
    for column, series_names in chosen.columns.items():
        parts = []
        for name in series_names:
            step, value = latest[name]
            if column in _INF_IF_NOT_FINITE:
                value = np.where(np.isfinite(value), value, np.inf)
            else:
                value = np.where(np.isfinite(value), value, np.nan)
            if step.size == all_steps.size:
                parts.append(value)
                continue
            parts.append(np.full(all_steps.shape, np.nan))
            parts[-1][np.searchsorted(all_steps, step)] = value
        with np.errstate(over="ignore"):
            columns[column] = np.sum(parts, axis=0) if parts else np.full(all_steps.shape, np.nan)
    more: dict[str, Any] = {"resumed_at": sorted(resumed)} if resumed else {}
    return Observations(
        run=run,
        step=all_steps,
        columns=columns,
        total_steps=total_steps,
        facts={**(facts or {}), **more, "read_as": chosen.to_dict()},
    )


def _union(steps: list[np.ndarray]) -> np.ndarray:
    """All steps of some series, each of which rises."""
    longest = max(steps, key=len)
    if all(other is longest or np.array_equal(other, longest) for other in steps):
        return longest
    merged = np.sort(np.concatenate(steps), kind="stable")
    return np.asarray(merged[np.append(True, np.diff(merged) > 0)])


def _count_on(
    tracks: dict[str, tuple[np.ndarray, np.ndarray]],
    chosen: ChosenSeries,
    facts: dict[str, Any],
    resumed_at: set[int],
) -> None:
    """Make the steps of series continue, in place, where they restart although training goes on."""
    master = (chosen.columns.get("loss") or chosen.columns["lr"])[0]
    step, value = tracks[master]
    fits = fits_of(step, value, np.full(step.shape, np.nan), of_epochs=False)
    if len(fits) > 1 or not fits[0].starts:
        return  # the last of several fits is the run, like the last of several attempts
    fit = fits[0]
    if fit.steps_per_epoch is not None:
        facts["steps_per_epoch"] = fit.steps_per_epoch
        chosen.notes.append(
            f"the step restarts in each epoch of {fit.steps_per_epoch:,} steps; the epochs "
            "are read as one run"
        )
    resumed_at.update(fit.resumed_at)
    for name, (steps, values) in tracks.items():
        starts = starts_of(steps).tolist()
        if len(starts) == len(fit.offsets):
            tracks[name] = shifted(steps, starts, fit.offsets), values
        elif fit.steps_per_epoch and not starts and steps.max() <= len(fit.offsets) + 1:
            # A series with one value an epoch, whose step is the epoch.
            first_epoch = int(steps.min() > 0 and spacing_of(steps) == 1)
            ends = (steps - first_epoch + 1) * fit.steps_per_epoch - 1
            tracks[name] = ends, values


def _latest(
    step: np.ndarray, value: np.ndarray, resumed_at: set[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Steps, strictly increasing, each with the value written last; adds where the run resumed."""
    rises = np.diff(step)
    goes_back = np.flatnonzero(rises < 0) + 1
    if goes_back.size:
        resumed_at.update(step[goes_back].tolist())
        lowest_to_come = np.minimum.accumulate(step[::-1])[::-1]
        # A row is kept if no later row of the series goes back to its step or before it.
        stands = np.append(step[:-1] < lowest_to_come[1:], True)
    else:
        stands = np.append(rises > 0, True)[: step.size]
    return step[stands], value[stands]
