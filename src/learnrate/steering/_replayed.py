"""Replay: a stored run's schedule with its edits, to look at or to train with again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError
from learnrate.edits import Edit, Edited, EditKind
from learnrate.schedules import Table
from learnrate.steering._request import edits_of, ratios_of

if TYPE_CHECKING:
    from learnrate.schedules import Schedule
    from learnrate.store import Store
    from learnrate.watch import Observations

__all__ = ["Replay", "observations_as_edited", "replayed"]


@dataclass(frozen=True)
class Replay:
    """A recorded run as it was steered.

    Attributes:
        run: its id.
        base: the schedule it began with; where a scheduler of its own set the rates, those that
            were recorded, as a table.
        edits: all that took effect, in order.
        again: of them what `attach(..., edits=...)` or `train` is to make again over `base`: all,
            or none where `base` is a table of rates that has them in it.
        schedule: the base with its edits, as one schedule.
        lr: the highest rate of each update of the run as it stands, rollbacks counted in.
        seed: of the training, if it was one of `learnrate train`.
    """

    run: str
    base: Schedule
    edits: tuple[Edit, ...]
    again: tuple[Edit, ...]
    schedule: Schedule
    lr: np.ndarray
    seed: int | None = None

    @property
    def total_steps(self) -> int:
        """The updates of the run."""
        return len(self.lr)

    def to_dict(self) -> dict[str, Any]:
        """What `learnrate replay --json` prints."""
        keys = ("kind", "value", "group", "step", "author", "reason")
        edits = [edit.to_dict() for edit in self.edits]
        return {
            "run": self.run,
            "schedule": str(self.schedule),
            "total_steps": self.total_steps,
            "lr": self.lr.tolist(),
            "edits": [{key: edit[key] for key in keys} for edit in edits],
        }


def replayed(store: Store, run: str) -> Replay:
    """A recorded run with the edits that took effect.

    The rates are those the run had, to the bit, since both come from the same schedule. Training
    with `base` and `again` repeats the run, rollbacks included; training under `schedule` has the
    rates of the updates that count.

    Args:
        store: where it is recorded.
        run: its id, the beginning of one, or `last`.

    Raises:
        ArgumentError: there is no such run, or nothing is known of its rates.
    """
    found = store.run(run)
    edits = edits_of(store.edits(found.id))
    base = found.schedule
    if base is None or found.facts.get("foreign"):
        return _recorded(store, found.id, edits)
    whole = Edited(base, edits, ratios_of(found))
    stopped = [edit.step for edit in edits if edit.kind is EditKind.STOP]
    total_steps = found.step if whole.total_steps is None else whole.total_steps
    if stopped and stopped[-1] is not None:
        total_steps = min(total_steps, stopped[-1])
    steps = np.arange(total_steps)
    each = [whole.group(group).schedule(steps) * ratio for group, ratio in enumerate(whole.ratios)]
    highest = np.max(np.abs(each), axis=0) if whole.edited_groups else whole.schedule(steps)
    seed = found.facts.get("seed")
    return Replay(found.id, base, edits, edits, whole.schedule, highest, seed)


def observations_as_edited(store: Store, run: str) -> Observations:
    """What was recorded of a run, to be compared with its schedule as it was edited."""
    seen, found = store.observations(run), store.run(run)
    edits = edits_of(store.edits(run))
    if not edits:
        return seen
    facts = {**seen.facts, "edits": [edit.step for edit in edits]}
    if found.schedule is None or found.facts.get("foreign"):
        return replace(seen, facts=facts)
    whole = Edited(found.schedule, edits, ratios_of(found))
    return replace(seen, schedule=whole.schedule, facts=facts)


def _recorded(store: Store, run: str, edits: tuple[Edit, ...]) -> Replay:
    points = store.points(run)
    rates = points.columns.get("lr", np.empty(0))
    known = ~np.isnan(rates)
    if not known.any() or points.step[known][-1] + 1 != known.sum():
        raise ArgumentError(
            f"the rates of the run {run} were set by a scheduler of its own, and not every one was "
            "recorded, so it cannot be replayed."
        )
    table = Table(tuple(rates[known].tolist()))
    return Replay(run, table, edits, (), table, rates[known])
