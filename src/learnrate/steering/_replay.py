"""Replay: the schedule of a stored run with its edits, to inspect or to train with again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate._errors import ArgumentError, FileError, StoreError
from learnrate.edits import Edit, EditKind
from learnrate.schedules import Table
from learnrate.steering._request import edited_run, edits_of
from learnrate.store import Store, is_store
from learnrate.watch.readers import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.schedules import Schedule
    from learnrate.watch import Observations
    from learnrate.watch.readers import Names

__all__ = ["STORE", "Replay", "observations_as_edited", "replayed"]


@dataclass(frozen=True)
class Replay:
    """A recorded run with its edits.

    Hyper-parameters besides the rate that had schedules, or that a torch scheduler set, are not part of
    it. The fact `hyper` of the run names them.

    Attributes:
        run: the id of the run.
        base: the schedule the run began with. If an external scheduler set the rates, a table of
            the recorded rates.
        edits: all edits that took effect, in order.
        edits_to_repeat: the edits that `attach(..., edits=...)` or `train` must repeat over `base`: all of
            them, or none if `base` is a table of recorded rates, which contain them.
        schedule: the base with its edits, as one schedule. Groups with schedules of their own do
            not follow it.
        lr: the highest rate of each update of the run, after rollbacks.
        seed: the seed of the training, if it was recorded by `learnrate train`.
        groups: for each parameter group, its planned schedule or None, for `attach(groups=...)`;
            empty if no group has one.
    """

    run: str
    base: Schedule
    edits: tuple[Edit, ...]
    edits_to_repeat: tuple[Edit, ...]
    schedule: Schedule
    lr: np.ndarray
    seed: int | None = None
    groups: tuple[Schedule | None, ...] = ()

    @property
    def total_steps(self) -> int:
        """The updates of the run, with its edits."""
        return len(self.lr)

    def to_dict(self) -> dict[str, Any]:
        """The document that `learnrate replay --json` prints."""
        keys = ("kind", "value", "group", "step", "author", "reason")
        edits = [edit.to_dict() for edit in self.edits]
        return {
            "run": self.run,
            "schedule": str(self.schedule),
            "groups": [None if rates is None else str(rates) for rates in self.groups],
            "total_steps": self.total_steps,
            "lr": self.lr.tolist(),
            "edits": [{key: edit[key] for key in keys} for edit in edits],
        }


def replayed(store: Store, run: str) -> Replay:
    """A recorded run with the edits that took effect.

    The rates are those of the run, to the last bit, because both come from the same schedule. Training
    with `base` and `edits_to_repeat` repeats the run, including its rollbacks. Training under `schedule`
    uses the rates of the updates that were not rolled back.

    Args:
        store: where the run is recorded.
        run: its id, the beginning of the id, or `last`.

    Raises:
        ArgumentError: there is no such run, or its rates are not known.
    """
    stored = store.run(run)
    edits = edits_of(store.edits(stored.id))
    base = stored.schedule
    if base is None or stored.facts.get("foreign"):
        return _replay_of_recorded_rates(store, stored.id, edits)
    edited = edited_run(stored, edits, pending=False)
    stops = [edit.step for edit in edits if edit.kind is EditKind.STOP]
    total_steps = stored.step if edited.total_steps is None else edited.total_steps
    if stops and stops[-1] is not None:
        total_steps = min(total_steps, stops[-1])
    steps = np.arange(total_steps)
    rates = [
        edited.group(group).schedule(steps) * ratio for group, ratio in enumerate(edited.ratios)
    ]
    highest = np.max(np.abs(rates), axis=0) if edited.separate_groups else edited.schedule(steps)
    seed = stored.facts.get("seed")
    return Replay(stored.id, base, edits, edits, edited.schedule, highest, seed, edited.groups)


def observations_as_edited(store: Store, run: str) -> Observations:
    """The observations of a recorded run, with its schedule as edited to compare them with.

    The findings that were reported while it ran are in the fact `reported_live`.
    """
    observations, stored = store.observations(run), store.run(run)
    reported_live = [finding.to_dict() for finding in store.findings(run)]
    if reported_live:
        observations = replace(
            observations, facts={**observations.facts, "reported_live": reported_live}
        )
    edits = edits_of(store.edits(run))
    if not edits and not stored.facts.get("group_schedules"):
        return observations
    facts = dict(observations.facts)
    if edits:
        facts["edits"] = [edit.step for edit in edits]
    if stored.schedule is None or stored.facts.get("foreign"):
        return replace(observations, facts=facts)
    edited = edited_run(stored, edits, pending=False)
    return replace(observations, schedule=edited.highest, facts=facts)


def _read_store(path: Path, _: Names) -> list[Observations]:
    try:
        store = Store(path, create=False)
        return [observations_as_edited(store, run.id) for run in reversed(store.runs())]
    except StoreError as error:
        raise FileError(str(error)) from error


STORE = Reader(name="learnrate store", recognises=is_store, read=_read_store)
"""Reads a store in SQLite as a log: every run in it, with its schedule as edited."""


def _replay_of_recorded_rates(store: Store, run: str, edits: tuple[Edit, ...]) -> Replay:
    points = store.points(run)
    rates = points.columns.get("lr", np.empty(0))
    known = ~np.isnan(rates)
    if not known.any() or points.step[known][-1] + 1 != known.sum():
        raise ArgumentError(
            f"an external scheduler set the rates of the run {run}, and not all of them were recorded, "
            "so it cannot be replayed."
        )
    table = Table(tuple(rates[known].tolist()))
    return Replay(run, table, edits, (), table, rates[known])
