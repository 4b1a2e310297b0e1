"""Reading what is new in a store, and sending it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from learnrate._errors import AlertError, StoreError
from learnrate.alerts._alert import Alert
from learnrate.store import (
    Lifecycle,
    RunIndex,
    RunStatus,
    add_sent_alerts,
    sent_alerts,
    unsent_findings,
)
from learnrate.watch import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.alerts._quiet import QuietTimes
    from learnrate.alerts._targets import Target
    from learnrate.store import Store, StoredFinding, StoredRun

__all__ = ["follow_alerts", "send_alerts"]

_READ_EVERY = 5.0  # seconds between reads of the store
_LONGEST_PAUSE = 300.0  # seconds between attempts while the target cannot be reached
_LEVELS = (Severity.ADVICE, Severity.WARNING, Severity.ERROR)
_BAD_ENDS = {
    RunStatus.DIVERGED: "the run diverged.",
    RunStatus.FAILED: "the run failed with an error of its program.",
    RunStatus.LOST: "the run no longer writes to the store; its process or its machine has likely stopped.",
}


def send_alerts(
    store: Store,
    target: Target,
    *,
    severity: Severity | str = Severity.WARNING,
    quiet: QuietTimes | None = None,
    now: datetime | None = None,
    earlier: bool = False,
) -> int:
    """Send what is new since the last call for this target, in one message.

    The store keeps what was sent. So nothing is lost while no alerts are sent, and nothing is sent
    twice. The first call for a target sends nothing: what the store has then is not new.

    Args:
        store: the store with the runs.
        target: where to send.
        severity: the lowest severity to send: advice, warning or error. A run that diverged, failed
            or was lost counts as an error.
        quiet: when nothing is sent; it is sent by a later call.
        now: the time by the clock of this machine; None for the current time.
        earlier: whether the first call sends what the store has already.

    Returns:
        How many alerts were sent.

    Raises:
        AlertError: the target cannot be reached; the next call tries again.
        StoreError: the store cannot be read or written.
    """
    index = RunIndex(store)
    return _send(store, index, target, Severity(severity), quiet, now=now, earlier=earlier)


def _send(
    store: Store,
    index: RunIndex,
    target: Target,
    severity: Severity,
    quiet: QuietTimes | None,
    *,
    now: datetime | None = None,
    earlier: bool = False,
) -> int:
    sent = sent_alerts(store, target.key)
    is_first = not sent and not earlier
    if not is_first and quiet is not None and quiet.holds(now or datetime.now()):  # noqa: DTZ005 - local
        return 0
    runs = {
        listed_run.run.id: listed_run.run
        for listed_run in index.runs()
        if listed_run.run.lifecycle is not Lifecycle.DELETED
    }
    alerts = dict(_alerts(runs, unsent_findings(store, sent)))
    new = {subject: alert for subject, alert in alerts.items() if subject not in sent}
    wanted = [
        alert
        for alert in new.values()
        if _LEVELS.index(alert.severity) >= _LEVELS.index(severity) and not is_first
    ]
    if wanted:
        target.send(wanted)
    add_sent_alerts(store, target.key, [*new, *(() if sent else ("began",))])
    return len(wanted)


def _alerts(runs: dict[str, StoredRun], findings: list[StoredFinding]) -> list[tuple[str, Alert]]:
    """Everything that can be sent, by a subject that stays the same, in order of time."""
    alerts = []
    for stored in findings:
        if stored.run not in runs:
            continue
        finding = stored.finding
        alert = Alert(
            run=stored.run,
            name=runs[stored.run].name,
            code=finding.code,
            severity=finding.severity,
            step=finding.step,
            message=finding.message,
            remedy=finding.remedy,
            time=stored.time,
        )
        alerts.append((stored.subject, alert))
    for run in runs.values():
        if run.status in _BAD_ENDS:
            alert = Alert(
                run=run.id,
                name=run.name,
                code=str(run.status),
                severity=Severity.ERROR,
                step=run.step,
                message=_BAD_ENDS[run.status],
                remedy="",
                time=run.updated,
            )
            alerts.append((f"{run.status} {run.id} {run.updated:.0f}", alert))
    return sorted(alerts, key=lambda entry: entry[1].time)


def follow_alerts(
    store: Store,
    target: Target,
    *,
    severity: Severity | str = Severity.WARNING,
    quiet: QuietTimes | None = None,
    say: Callable[[str], None] = print,
    every: float = _READ_EVERY,
) -> None:
    """Send alerts as they come, until the process is interrupted.

    Args:
        store: the store with the runs.
        target: where to send.
        severity: the lowest severity to send.
        quiet: when nothing is sent.
        say: is called when the target or the store cannot be reached, once until it can.
        every: seconds between reads of the store, above 0.
    """
    pause, last_problem, index = every, "", RunIndex(store)
    while True:
        try:
            _send(store, index, target, Severity(severity), quiet)
        except (AlertError, StoreError) as error:
            if str(error) != last_problem:
                say(f"{error} The alerts are kept and sent later.")
            last_problem, pause = str(error), min(2 * pause, _LONGEST_PAUSE)
        else:
            pause, last_problem = every, ""
        time.sleep(pause)
