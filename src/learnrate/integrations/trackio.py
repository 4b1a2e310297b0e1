"""Trackio: what a run records, in one of its runs, on this machine unless it is told otherwise."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from learnrate._errors import needing
from learnrate.integrations._rows import rows

if TYPE_CHECKING:
    from learnrate.watch import Observations

__all__ = ["TrackioSink"]

# Its dashboard is a server, and what it reads of the machine by itself are two more threads.
_QUIET = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}


class TrackioSink:
    """Logs what a run records into a Trackio run.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(TrackioSink(project="mine"))

    It is called in the run's own thread, about once a second, and closed when the run ends: a run
    that it has made is then finished. A Trackio run of yours that is going on stays the current one.

    Values lie in a database on this machine, in `TRACKIO_DIR`, and no server is started, unless
    `space_id`, `server_url` or Trackio's environment variables of these names say so. If you are
    logged in to Hugging Face, Trackio asks it for your user's name when a run is made, which
    `HF_HUB_OFFLINE=1` keeps it from.

    Args:
        run: a run that exists already; by default one is made.
        project: that a new one is made in.
        prefix: before the names of values.
        **init: other arguments of `trackio.init` for a new one.

    Raises:
        MissingExtraError: Trackio is not installed.
    """

    def __init__(
        self,
        run: Any = None,
        *,
        project: str = "learnrate",
        prefix: str = "learnrate/",
        **init: Any,
    ) -> None:
        with needing("trackio", "trackio", "TrackioSink"):
            import trackio  # noqa: PLC0415 - slow to load

        self._ours = run is None
        self._prefix = prefix
        if run is None:
            # `init` finishes the current run, which may be the caller's; a new context has none.
            place = contextvars.Context()
            run = place.run(trackio.init, project, **{**_QUIET, **init})
        self.run = run

    def __call__(self, seen: Observations, /) -> None:
        """Log rows."""
        for step, values in rows(seen, self._prefix):
            self.run.log(values, step=step)

    def close(self) -> None:
        """Finish the run, if it was made here."""
        if self._ours:
            self.run.finish()
