"""The record of a run, as the rules read it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from learnrate.store._rows import rows_with_a_value
from learnrate.watch import COLUMNS, Observations, measured_facts

if TYPE_CHECKING:
    from learnrate.store._records import Attempt, RecordedPoints, StoredRun

__all__ = ["observations_of"]


def observations_of(
    run: StoredRun, points: RecordedPoints, attempts: list[Attempt]
) -> Observations:
    """The rows in which something is recorded, and the facts of the run and of its measurements.

    Args:
        run: without its points.
        points: the rows of the latest attempt at each step.
        attempts: the attempts, in their order.
    """
    known = {name: column for name, column in points.columns.items() if name in COLUMNS}
    rows = rows_with_a_value(known, points.step.size)
    resumed_at = _resumed_at(attempts)
    return Observations(
        run=run.id,
        step=points.step[rows],
        columns={name: column[rows] for name, column in known.items()},
        total_steps=run.total_steps,
        schedule=run.schedule,
        facts={
            **run.facts,
            **measured_facts(points.columns, points.step),
            **({"resumed_at": resumed_at} if resumed_at else {}),
        },
    )


def _resumed_at(attempts: list[Attempt]) -> list[int]:
    """The first steps of the attempts after the first, without those that a later one superseded."""
    begins = [attempt.begins for attempt in attempts]
    return [
        step
        for index, step in enumerate(begins)
        if 0 < step < min(begins[index + 1 :], default=step + 1)
    ]
