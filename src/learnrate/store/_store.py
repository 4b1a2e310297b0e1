"""Store: runs, points, findings and edits, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from learnrate._errors import StoreError
from learnrate.store import _writes as writes
from learnrate.store._database import Database
from learnrate.store._documents import StoredDocument, add_document, document_row, documents_in
from learnrate.store._edit_rows import answer_edit, check_live, edits_in, put_edit
from learnrate.store._observed import observations_of
from learnrate.store._records import (
    Attempt,
    EditStatus,
    RecordedPoints,
    RunStatus,
    Snapshot,
    StoredEdit,
    StoredRun,
    new_id,
)
from learnrate.store._resolve import resolve_run
from learnrate.store._rows import (
    finding_of,
    points_in,
    run_of,
    snapshot_of,
)
from learnrate.store._tables import attempts, findings, runs, snapshots

if TYPE_CHECKING:
    from collections.abc import Mapping

    from learnrate.schedules import Schedule
    from learnrate.watch import Finding, Observations

__all__ = ["Store"]


class Store(Database):
    """Where runs, points, findings and edits live: a SQLite file, or a PostgreSQL database.

    Every method is one transaction, and safe in any thread and any process. When a method that
    writes has returned, its change is on disk. A training loop writes its points through a
    `Recorder`, which does so in a thread of its own.

    Args:
        place: a file, or a URL such as `postgresql://user@host/name`. The default is the value of
            the environment variable LEARNRATE_STORE, or ./learnrate.db if that is not set.
        create: whether to make the store if it does not exist. A store of an older version is
            upgraded in any case.
        wait: seconds to wait for other processes that write, and for a server to answer.

    Raises:
        ArgumentError: the place is neither a file nor a URL of SQLite or PostgreSQL.
        MissingExtraError: PostgreSQL's driver is not installed.
        StoreError: the store does not exist or cannot be opened. Every method may raise it.

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

    # Plans and sweeps

    def add_document(
        self, kind: str, content: Mapping[str, Any], facts: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a plan or a sweep; one that the store has already is not added again.

        Args:
            kind: "plan" or "sweep".
            content: JSON values, with the name of the task, such as `Plan.to_dict` gives.
            facts: the facts of what was trained, such as its batch size, as JSON values.

        Raises:
            ArgumentError: the content or the facts are not JSON values.
        """
        row = document_row(kind, content, facts or {})
        with self.writing() as connection:
            add_document(connection, row)

    def documents(
        self, *, kind: str | None = None, task: str | None = None
    ) -> list[StoredDocument]:
        """The plans and sweeps, the newest first; only those of a kind or a task, if given."""
        with self.reading() as connection:
            return documents_in(connection, kind, task)

    def plans(self, task: str | None = None) -> list[dict[str, Any]]:
        """The contents of the plans of a task, the newest first; of all tasks for None."""
        return [document.content for document in self.documents(kind="plan", task=task)]

    # Runs

    def new_run(
        self,
        *,
        name: str = "run",
        total_steps: int | None = None,
        schedule: Schedule | None = None,
        limits: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
        first_step: int = 0,
    ) -> str:
        """Add a run that starts now, in this process.

        Args:
            name: what its owner calls it; need not be unique.
            total_steps: updates of the whole run; None if unknown.
            schedule: the schedule of the rate.
            limits: the limits of edits, as JSON values by name.
            facts: other JSON values by name.
            first_step: the step it starts at.

        Returns:
            The run's id.

        Raises:
            ArgumentError: limits or facts are not JSON values.
        """
        fields = writes.run_fields(name, total_steps, schedule, limits or {}, facts or {})
        while True:
            run = new_id()
            try:
                with self.writing() as connection:
                    writes.add_run(connection, run, fields, first_step)
            except StoreError as error:
                if isinstance(error.__cause__, IntegrityError):
                    continue  # another run has this id
                raise
            return run

    def runs(self, *, newest: int | None = None) -> list[StoredRun]:
        """All runs, the newest first; with `newest`, only that many."""
        query = select(runs).order_by(runs.c.started.desc(), runs.c.id).limit(newest)
        with self.reading() as connection:
            return [run_of(row) for row in connection.execute(query)]

    def run(self, run: str) -> StoredRun:
        """The run of an id, of the beginning of an id, or the `last` one; see `resolve`."""
        with self.reading() as connection:
            row = connection.execute(select(runs).where(runs.c.id == self.resolve(run))).one()
            return run_of(row)

    def resolve(self, run: str, *, live: bool = False) -> str:
        """The id of a run.

        Args:
            run: an id, the beginning of exactly one id, or `last` for the newest run.
            live: whether `last` means the newest running run.

        Raises:
            ArgumentError: no run matches, or several do; the message names them.
        """
        with self.reading() as connection:
            return resolve_run(connection, run, live=live, place=self.place)

    def attempts(self, run: str) -> list[Attempt]:
        """The attempts of a run, in order: its start, and one for each resume and rollback."""
        query = select(attempts).where(attempts.c.run == run).order_by(attempts.c.attempt)
        with self.reading() as connection:
            return [
                Attempt(attempt=row.attempt, begins=row.begins, time=row.time, reason=row.reason)
                for row in connection.execute(query)
            ]

    def begin_attempt(self, run: str, first_step: int, reason: str) -> int:
        """Continue a run from a step, and supersede what was recorded from that step on.

        Args:
            run: its id.
            first_step: the first step of the new attempt.
            reason: why it begins, such as "resumed".

        Returns:
            The attempt's number, from 0 on.
        """
        with self.writing() as connection:
            return writes.begin_attempt(connection, run, first_step, reason)

    def set_status(self, run: str, status: RunStatus | str) -> None:
        """Set the status of a run."""
        values = {"status": str(RunStatus(status)), "updated": time.time()}
        with self.writing() as connection:
            connection.execute(update(runs).where(runs.c.id == run).values(values))

    def set_total(self, run: str, total_steps: int | None) -> None:
        """Set the number of updates of a whole run, if it has changed."""
        with self.writing() as connection:
            connection.execute(
                update(runs).where(runs.c.id == run).values(total_steps=total_steps)
            )

    def delete_run(self, run: str) -> None:
        """Delete a run with its points, findings, edits and places of snapshots."""
        with self.writing() as connection:
            writes.delete_run(connection, run)

    # Points

    def write_points(
        self, run: str, step: Any, columns: Mapping[str, Any], *, attempt: int | None = None
    ) -> None:
        """Write many rows at once, such as a whole run.

        Args:
            run: its id.
            step: whole numbers, strictly increasing, later than all steps of the attempt so far.
            columns: numbers by name (see `watch.COLUMNS`), nan for a missing value.
            attempt: the number of the attempt they belong to; the last one by default.

        Raises:
            ArgumentError: steps do not increase, or a column is unknown or of another length.
        """
        rows = writes.checked_rows(run, step, columns)
        with self.writing() as connection:
            number = writes.last_attempt(connection, run) if attempt is None else attempt
            writes.put_rows(connection, run, number, rows)

    def points(self, run: str, *, after: int = -1) -> RecordedPoints:
        """The rows of the latest attempt at each step; only those later than step `after`."""
        with self.reading() as connection:
            return points_in(connection, run, after)

    def observations(self, run: str) -> Observations:
        """Everything recorded of a run, as the rules read it.

        If groups do not keep their ratio, `lr` is the highest rate of all groups. The
        measurements of a sharpness probe are in `facts["sharpness"]`, as pairs of a step and an
        eigenvalue, and in `facts["edge_ratio"]`. The measurements of the path of the weights and of inspections are in
        the facts of `learnrate.watch.PATH_COLUMNS` and `learnrate.watch.INSPECTION_COLUMNS`. The steps
        at which the run was resumed or rolled back are in `facts["resumed_at"]`. An update of which
        nothing else was recorded has no row.
        """
        return observations_of(self.run(run), self.points(run), self.attempts(run))

    # Findings, edits, snapshots

    def add_finding(self, run: str, finding: Finding) -> None:
        """Add a finding to a run."""
        with self.writing() as connection:
            writes.add_finding(connection, run, finding)

    def findings(self, run: str) -> list[Finding]:
        """The findings of a run, in the order in which they were added."""
        query = select(findings).where(findings.c.run == run).order_by(findings.c.id)
        with self.reading() as connection:
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
        """Request a change of a running run; it is pending until the run answers.

        Args:
            run: its id.
            kind: the kind of change, as of `edits.EditKind`.
            value: the value of the change, a JSON value.
            group: the parameter group to change; None for all.
            author: who requests it.
            reason: why.
            step: the update at which it took effect, if the run made the change by itself; the
                edit is then stored as applied.
            answer: the run's sentence about such a change.
            position: the position of such a change in the order in which edits took effect.

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
            check_live(connection, run, self.place)
            sequence = put_edit(connection, run, fields)
        return StoredEdit(
            **{**fields, "run": run, "sequence": sequence, "value": value, "status": status}
        )

    def edits(
        self, run: str, *, after: int = 0, status: EditStatus | str | None = None
    ) -> list[StoredEdit]:
        """The edits of a run in the order in which they were requested.

        Args:
            run: its id.
            after: only edits with a higher sequence number.
            status: only edits with this status.
        """
        with self.reading() as connection:
            return edits_in(connection, run, after, status)

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
        """Answer a pending edit.

        Args:
            run: the run's id.
            sequence: the edit's number.
            status: the new status.
            step: the update at which it took effect, if it did.
            answer: the run's sentence about the edit.
            position: the position of the edit in the order in which edits took effect.

        Returns:
            False if the edit had been answered already; nothing is changed then.
        """
        values = {
            "status": str(EditStatus(status)),
            "step": step,
            "answer": answer,
            "position": position,
        }
        with self.writing() as connection:
            return answer_edit(connection, run, sequence, values)

    def add_snapshot(self, run: str, step: int, place: str) -> None:
        """Store where a state of a run was saved.

        Args:
            run: its id.
            step: the update before which the state was saved; an earlier place is replaced.
            place: the file.
        """
        with self.writing() as connection:
            writes.put_snapshot(connection, run, step, place)

    def remove_snapshot(self, run: str, step: int) -> None:
        """Remove the place of a snapshot; the file stays."""
        with self.writing() as connection:
            writes.remove_snapshot(connection, run, step)

    def snapshots(self, run: str) -> list[Snapshot]:
        """The saved states of a run, in order of steps."""
        query = select(snapshots).where(snapshots.c.run == run).order_by(snapshots.c.step)
        with self.reading() as connection:
            return [snapshot_of(row) for row in connection.execute(query)]
