"""MLflow: what a run records, as metrics of one of its runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from learnrate._errors import needing
from learnrate.integrations._rows import rows

if TYPE_CHECKING:
    from learnrate.watch import Observations

__all__ = ["MlflowSink"]

_MOST = 1000  # metrics that one request may carry


class MlflowSink:
    """Logs what a run records as metrics of an MLflow run.

        run = learnrate.attach(optimizer, schedule)
        run.observers.append(MlflowSink())

    It is called in the run's own thread, about once a second, and closed when the run ends: a run
    that it has made is then ended.

    Args:
        run_id: of an MLflow run; by default the active one, else a new one.
        experiment: name of the experiment a new one is made in.
        tracking_uri: where; by default what MLflow is set to.
        prefix: before the names of metrics.

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
        self._ours = run_id is None
        self.run_id: str = run_id if run_id is not None else self._made(experiment)

    def __call__(self, seen: Observations, /) -> None:
        """Log rows."""
        now = int(1000 * time.time())
        metrics = [
            self._metric(name, value, now, step)
            for step, values in rows(seen, self._prefix)
            for name, value in values.items()
        ]
        for at in range(0, len(metrics), _MOST):
            self._client.log_batch(self.run_id, metrics=metrics[at : at + _MOST])

    def close(self) -> None:
        """End the run, if it was made here."""
        if self._ours:
            self._client.set_terminated(self.run_id)

    def _made(self, experiment: str) -> str:
        known = self._client.get_experiment_by_name(experiment)
        place = (
            self._client.create_experiment(experiment) if known is None else known.experiment_id
        )
        return str(self._client.create_run(place).info.run_id)
