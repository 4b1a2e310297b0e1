"""Trackio: the recorded values of a run, in one of its runs, on this machine by default."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from learnrate._errors import needing
from learnrate.integrations._named_values import named_values
from learnrate.store import Sink

if TYPE_CHECKING:
    from learnrate.watch import Observations

__all__ = ["TrackioSink"]

# Its dashboard would start a server, and its measurements of the machine two threads.
_QUIET = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}


class TrackioSink(Sink):
    """Logs the recorded values of a run to a Trackio run.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(TrackioSink(project="mine"))

    The run calls it about once a second, in a thread of its own, and closes it when it ends. A
    Trackio run that the sink made is finished then. Your own current Trackio run stays current.

    Values are stored in a database on this machine, in `TRACKIO_DIR`, and no server is started,
    unless `space_id`, `server_url` or Trackio's environment variables of these names are set. If
    you are logged in to Hugging Face, Trackio requests your user name from it when a run is made;
    `HF_HUB_OFFLINE=1` prevents that.

    Args:
        run: an existing Trackio run, which is not finished; by default a new one is made.
        project: the project of a new run.
        prefix: the prefix of the names of values.
        **init: other arguments of `trackio.init` for a new run.

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

        self._made_run = run is None
        self._prefix = prefix
        if run is None:
            # `init` finishes the current run, which may be the caller's; a new context has none.
            context = contextvars.Context()
            run = context.run(trackio.init, project, **{**_QUIET, **init})
        self.run = run

    def __call__(self, observations: Observations, /) -> None:
        """Log the values of rows."""
        for step, values in named_values(observations, self._prefix):
            self.run.log(values, step=step)

    def close(self) -> None:
        """Finish the Trackio run if the sink made it."""
        if self._made_run:
            self.run.finish()
