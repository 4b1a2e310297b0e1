"""Store: runs, points, findings and edits, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from learnrate._errors import ArgumentError, StoreError
from learnrate.store import _writes as writes
from learnrate.store._migrations import LATEST, migrate, version_of
from learnrate.store._place import engine_of, shown, speaking_plainly, there, url_of
from learnrate.store._records import (
    Attempt,
    EditStatus,
    Points,
    RunStatus,
    Snapshot,
    StoredEdit,
    StoredRun,
    new_id,
)
from learnrate.store._rows import edit_of, finding_of, points_in, run_of, sharpness_of
from learnrate.store._tables import attempts, edits, findings, runs, snapshots
from learnrate.watch import COLUMNS, Observations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from learnrate.schedules import Schedule
    from learnrate.watch import Finding

__all__ = ["Store"]

_GROUP = re.compile(r"lr\[\d+\]")
_NAMED = 5  # runs that a message names


class Store:
    """Where runs, points, findings and edits live: a SQLite file, or a PostgreSQL database.

    Every method is one transaction, safe in any thread and any process; what a writing one
    returned from is on disk. A training writes its points through `Recorder`, off its own path.

    Args:
        place: a file, or a URL such as `postgresql://user@host/name`; by default what the
            environment variable LEARNRATE_STORE says, else ./learnrate.db.
        create: whether to make a store where there is none. An old one is upgraded in any case.
        wait: seconds to wait for other processes that write, and for a server to answer.

    Raises:
        ArgumentError: the place is of no kind known here.
        MissingExtraError: PostgreSQL's driver is not installed.
        StoreError: there is no store, or it cannot be opened; so in every method.

    Examples:
        >>> import tempfile, pathlib
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store(pathlib.Path(folder.name) / "runs.db")
        >>> run = store.new_run(name="first", total_steps=2)
        >>> store.write_points(run, [0, 1], {"lr": [0.1, 0.05], "loss": [2.0, 1.5]})
        >>> store.observations(run).column("loss").tolist()
        [2.0, 1.5]
        >>> folder.cleanup()
    """

    def __init__(
        self, place: str | Path | None = None, *, create: bool = True, wait: float = 10.0
    ) -> None:
        url = url_of(place)
        self.place = shown(url)
        self.url = url.render_as_string(hide_password=False)
        self._engine = engine_of(url, wait=wait)
        if not create and not there(url):
            raise StoreError(
                f"there is no store {self.place}. Name another one with --store or "
                "LEARNRATE_STORE, or record a run first."
            )
        with speaking_plainly(self.place):
            if create:
                migrate(self._engine, self.place)
            else:
                self._upgrade()

    def _upgrade(self) -> None:
        with self._engine.connect() as connection:
            version = version_of(connection)
        if version == 0:
            raise StoreError(f"{self.place} is a database, but no store of learnrate.")
        if version != LATEST:
            migrate(self._engine, self.place)

    def close(self) -> None:
        """Give connections back; the store can still be used."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with speaking_plainly(self.place), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that writes, for the functions of `_writes`."""
        with (
            speaking_plainly(self.place),
            self._engine.connect().execution_options(writing=True) as connection,
            connection.begin(),
        ):
            yield connection

    # Runs

    def new_run(
        self,
        *,
        name: str = "run",
        total_steps: int | None = None,
        schedule: Schedule | None = None,
        limits: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
        begins: int = 0,
    ) -> str:
        """Add a run that starts now, in this process, and give its id."""
        fields = writes.described(name, total_steps, schedule, limits or {}, facts or {})
        while True:
            run = new_id()
            try:
                with self.writing() as connection:
                    writes.add_run(connection, run, fields, begins)
            except StoreError as error:
                if isinstance(error.__cause__, IntegrityError):
                    continue  # the name is taken
                raise
            return run

    def runs(self, *, newest: int | None = None) -> list[StoredRun]:
        """All runs, or so many of them, the newest first."""
        query = select(runs).order_by(runs.c.started.desc(), runs.c.id).limit(newest)
        with self._reading() as connection:
            return [run_of(row) for row in connection.execute(query)]

    def run(self, run: str) -> StoredRun:
        """One run by its id, the beginning of one, or `last`; see `resolve`."""
        with self._reading() as connection:
            row = connection.execute(select(runs).where(runs.c.id == self.resolve(run))).one()
        return run_of(row)

    def resolve(self, run: str, *, live: bool = False) -> str:
        """The id that is meant.

        Args:
            run: an id, the beginning of one that no other run shares, or `last`: the newest.
            live: whether `last` is the newest one that is running.

        Raises:
            ArgumentError: there is none, or there are several; the message names them.
        """
        if run == "last":
            return self._last(live=live)
        query = select(runs.c.id).where(runs.c.id.startswith(run, autoescape=True))
        with self._reading() as connection:
            found = sorted(connection.execute(query.limit(1000)).scalars())
        if run in found:
            return run
        if run and len(found) == 1:
            return str(found[0])
        if run and found:
            raise ArgumentError(f"{run!r} is the beginning of {_listed(found)}; give more of it.")
        raise ArgumentError(f"there is no run {run!r} in {self.place}; {self._known()}.")

    def _last(self, *, live: bool) -> str:
        query = select(runs).order_by(runs.c.started.desc(), runs.c.id)
        if live:
            query = query.where(runs.c.status == RunStatus.RUNNING)
        with self._reading() as connection:
            for row in connection.execute(query):
                if not live or run_of(row).live:
                    return str(row.id)
        if live:
            raise ArgumentError(f"no run in {self.place} is running; {self._known()}.")
        raise ArgumentError(f"there is no run in {self.place} yet.")

    def _known(self) -> str:
        ids = [run.id for run in self.runs(newest=_NAMED + 1)]
        return f"the newest are {_listed(ids)}" if ids else "it has none yet"

    def attempts(self, run: str) -> list[Attempt]:
        """The stretches of a run, in order: the first, and one for each resume and rollback."""
        query = select(attempts).where(attempts.c.run == run).order_by(attempts.c.attempt)
        with self._reading() as connection:
            return [
                Attempt(attempt=row.attempt, begins=row.begins, time=row.time, reason=row.reason)
                for row in connection.execute(query)
            ]

    def begin_attempt(self, run: str, begins: int, reason: str) -> int:
        """Go on with a run from a step; from there on, what was recorded before is superseded."""
        with self.writing() as connection:
            return writes.begin_attempt(connection, run, begins, reason)

    def set_status(self, run: str, status: RunStatus | str) -> None:
        """Say how a run is, or how it ended."""
        values = {"status": str(RunStatus(status)), "updated": time.time()}
        with self.writing() as connection:
            connection.execute(update(runs).where(runs.c.id == run).values(values))

    def set_total(self, run: str, total_steps: int | None) -> None:
        """Say how many updates a run is to have, where that has changed."""
        with self.writing() as connection:
            connection.execute(
                update(runs).where(runs.c.id == run).values(total_steps=total_steps)
            )

    def delete_run(self, run: str) -> None:
        """Forget a run, with all that belongs to it."""
        with self.writing() as connection:
            writes.delete_run(connection, run)

    # Points

    def write_points(
        self, run: str, step: Any, columns: Mapping[str, Any], *, attempt: int | None = None
    ) -> None:
        """Write many rows at once, such as a whole run; the run's summary follows.

        Args:
            run: its id.
            step: whole numbers, strictly increasing, later than those of the attempt so far.
            columns: numbers by name (see `watch.COLUMNS`), nan where a row has none.
            attempt: which stretch they belong to; the last by default.

        Raises:
            ArgumentError: steps do not increase, or a column is unknown or of another length.
        """
        known = {name: held for name, held in columns.items() if not _GROUP.fullmatch(name)}
        checked = Observations(run=run, step=step, columns=known)
        whole = {name: np.asarray(held, dtype=float) for name, held in columns.items()}
        with self.writing() as connection:
            number = writes.last_attempt(connection, run) if attempt is None else attempt
            last = writes.last_step(connection, run, number)
            if len(checked.step) and checked.step[0] <= last:
                raise ArgumentError(
                    f"write_points(step=...) must begin after {last}, the last step of this "
                    f"attempt; got {checked.step[0]}. To write steps again, begin_attempt first."
                )
            if len(checked.step):
                writes.put_rows(connection, run, number, (checked.step, whole))

    def points(self, run: str, *, after: int = -1) -> Points:
        """The rows that stand, later than a step: those of the latest attempt at each step."""
        with self._reading() as connection:
            return points_in(connection, run, after)

    def observations(self, run: str) -> Observations:
        """All that was recorded of a run, as the rules read it.

        Where groups do not keep their ratio, `lr` is the highest of them. What a sharpness probe
        recorded is under `facts["sharpness"]`, pairs of a step and an eigenvalue, and
        `facts["edge_ratio"]`.
        """
        found, about = self.points(run), self.run(run)
        return Observations(
            run=run,
            step=found.step,
            columns={name: held for name, held in found.columns.items() if name in COLUMNS},
            total_steps=about.total_steps,
            schedule=about.schedule,
            facts={**about.facts, **sharpness_of(found.columns, found.step)},
        )

    # Findings, edits, snapshots

    def add_finding(self, run: str, finding: Finding) -> None:
        """Keep a finding."""
        with self.writing() as connection:
            writes.add_finding(connection, run, finding)

    def findings(self, run: str) -> list[Finding]:
        """The findings of a run, in the order they were made."""
        query = select(findings).where(findings.c.run == run).order_by(findings.c.id)
        with self._reading() as connection:
            return [finding_of(row) for row in connection.execute(query)]

    def add_edit(
        self,
        run: str,
        kind: str,
        value: Any = None,
        *,
        group: int | None = None,
        author: str,
        reason: str = "",
        step: int | None = None,
        answer: str = "",
        position: int | None = None,
    ) -> StoredEdit:
        """Ask a run for a change: on disk when this returns, pending until the run answers.

        With `step`, `answer` and `position`, a change that the run made by itself is noted.

        Raises:
            ArgumentError: there is no such run, or it has ended.
        """
        status = EditStatus.PENDING if step is None else EditStatus.APPLIED
        fields = {
            "kind": kind,
            "value": json.dumps(value),
            "group": group,
            "author": author,
            "time": time.time(),
            "reason": reason,
            "status": str(status),
            "step": step,
            "answer": answer,
            "position": position,
        }
        with self.writing() as connection:
            row = connection.execute(
                select(runs).where(runs.c.id == run).with_for_update()
            ).one_or_none()
            if row is None:
                raise ArgumentError(f"there is no run {run!r} in {self.place}.")
            if not run_of(row).live:
                raise ArgumentError(
                    f"the run {run} is {run_of(row).status}; only a running one can be edited."
                )
            sequence = writes.put_edit(connection, run, fields)
        return StoredEdit(
            **{**fields, "run": run, "sequence": sequence, "value": value, "status": status}
        )

    def edits(
        self, run: str, *, after: int = 0, status: EditStatus | str | None = None
    ) -> list[StoredEdit]:
        """The edits of a run in the order they were asked for.

        Args:
            run: its id.
            after: only those of a later sequence number.
            status: only those of this status.
        """
        query = select(edits).where(edits.c.run == run, edits.c.sequence > after)
        if status is not None:
            query = query.where(edits.c.status == str(EditStatus(status)))
        with self._reading() as connection:
            return [edit_of(row) for row in connection.execute(query.order_by(edits.c.sequence))]

    def answer_edit(
        self,
        run: str,
        sequence: int,
        status: EditStatus | str,
        *,
        step: int | None = None,
        answer: str = "",
        position: int | None = None,
    ) -> bool:
        """Say what became of a pending edit; False where it had been answered already."""
        values = {
            "status": str(EditStatus(status)),
            "step": step,
            "answer": answer,
            "position": position,
        }
        chosen = (edits.c.run == run, edits.c.sequence == sequence)
        with self.writing() as connection:
            pending = edits.c.status == str(EditStatus.PENDING)
            done = connection.execute(update(edits).where(*chosen, pending).values(values))
            return done.rowcount == 1

    def add_snapshot(self, run: str, step: int, place: str) -> None:
        """Keep where the state before an update is; the one of that step before is forgotten."""
        with self.writing() as connection:
            writes.put_snapshot(connection, run, step, place)

    def remove_snapshot(self, run: str, step: int) -> None:
        """Forget a snapshot's place."""
        with self.writing() as connection:
            writes.remove_snapshot(connection, run, step)

    def snapshots(self, run: str) -> list[Snapshot]:
        """Where the states of a run are kept, in order of steps."""
        query = select(snapshots).where(snapshots.c.run == run).order_by(snapshots.c.step)
        with self._reading() as connection:
            return [
                Snapshot(run=row.run, step=row.step, place=row.place, time=row.time)
                for row in connection.execute(query)
            ]


def _listed(ids: list[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more
