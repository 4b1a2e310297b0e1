"""MLflow: the recorded values of a run, as metrics of an MLflow run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from learnrate._errors import needing
from learnrate.integrations._named_values import named_values
from learnrate.store import Sink

if TYPE_CHECKING:
    from learnrate.watch import Observations

__all__ = ["MlflowSink"]

_MOST_METRICS = 1000  # metrics that one request may carry


class MlflowSink(Sink):
    """Logs the recorded values of a run as metrics of an MLflow run.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(MlflowSink())

    The run calls it about once a second, in a thread of its own, and closes it when it ends. An
    MLflow run that the sink made is ended then.

    Args:
        run_id: the id of an existing MLflow run; by default the active one, or a new one if
            none is.
        experiment: name of the experiment for a new run.
        tracking_uri: the URI of the MLflow server or folder; by default the one MLflow is
            set to.
        prefix: the prefix of the names of metrics.

    Raises:
        MissingExtraError: MLflow is not installed.
    """

    def __init__(
        self,
        run_id: str | None = None,
        *,
        experiment: str = "learnrate",
        tracking_uri: str | None = None,
        prefix: str = "learnrate/",
    ) -> None:
        with needing("mlflow", "mlflow", "MlflowSink"):
            import mlflow  # noqa: PLC0415 - slow to load

        self._metric = mlflow.entities.Metric
        self._client = mlflow.MlflowClient(tracking_uri)
        self._prefix = prefix
        active = mlflow.active_run()
        if run_id is None and active is not None:
            run_id = active.info.run_id
        self._made_run = run_id is None
        self.run_id: str = run_id if run_id is not None else self._new_run(experiment)

    def __call__(self, observations: Observations, /) -> None:
        """Log the values of rows."""
        now = int(1000 * time.time())
        metrics = [
            self._metric(name, value, now, step)
            for step, values in named_values(observations, self._prefix)
            for name, value in values.items()
        ]
        for first in range(0, len(metrics), _MOST_METRICS):
            batch = metrics[first : first + _MOST_METRICS]
            self._client.log_batch(self.run_id, metrics=batch)

    def close(self) -> None:
        """End the MLflow run if the sink made it."""
        if self._made_run:
            self._client.set_terminated(self.run_id)

    def _new_run(self, experiment: str) -> str:
        known = self._client.get_experiment_by_name(experiment)
        create = self._client.create_experiment
        experiment_id = create(experiment) if known is None else known.experiment_id
        return str(self._client.create_run(experiment_id).info.run_id)
