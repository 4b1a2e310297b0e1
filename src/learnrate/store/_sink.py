"""Sink: a receiver of the rows of a run while they are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.watch import Finding, Observations

__all__ = ["Sink"]


class Sink(Protocol):
    """Receives the rows of a run while they are recorded, for example to send them to a tracker.

    Append one to `run.observers`, or to `Recorder.observers`. A class that derives from `Sink`
    defines `__call__`, and the other two methods if it needs them; a plain function of one
    argument is a sink too.

    All methods are called in the recorder's thread, one at a time, so that training never waits
    for them. An exception is reported once, as a warning, and stops neither the training nor
    other sinks.

    Examples:
        >>> class LossPrinter(Sink):
        ...     def __call__(self, observations):
        ...         print(observations.column("loss").tolist())
    """

    def __call__(self, observations: Observations, /) -> Iterable[Finding] | None:
        """Receive new rows, about once a second while the run records, and sooner for its first rows.

        Args:
            observations: the rows recorded since the last call, at least one. The sink may keep
                them, but must not change their arrays.

        Returns:
            Findings to store with the run, or None.
        """

    def finish(self) -> Iterable[Finding] | None:
        """Called once if the run finishes or diverges, after its last rows and before `close`.

        It is not called if the run fails or is stopped, since it may be resumed then.

        Returns:
            Findings to store with the run, or None.
        """
        return None

    def close(self) -> None:
        """Called once when the recorder ends, however the run ended: release connections here."""
