"""TensorBoard on the runs of `benchmarks/dashboard.py`: its files, its server, and its answers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

__all__ = ["TensorBoard", "write_runs"]

LONG = "long"
_DEADLINE = 3600  # seconds for reading all files


def write_runs(folder: Path, runs: int, columns: Mapping[str, np.ndarray]) -> None:
    """Write event files: many runs with one row each, and a long one.

    Args:
        folder: of all runs.
        runs: number of all runs.
        columns: of the long run, by name.
    """
    for index in range(runs - 1):
        row = {"lr": 1e-4, "loss": 1.0 / (1 + index), "validation": 1.0 / (2 + index)}
        _write(folder / f"run-{index}", {name: [value] for name, value in row.items()})
    _write(folder / LONG, {name: column.tolist() for name, column in columns.items()})


def _write(folder: Path, columns: Mapping[str, Sequence[float]]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415 - in the group bench
    from tensorboard.compat.proto.summary_pb2 import Summary  # noqa: PLC0415
    from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

    folder.mkdir(parents=True)
    with closing(RecordWriter((folder / "events.out.tfevents.1.here").open("wb"))) as writer:
        writer.write(Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        for step, values in enumerate(zip(*columns.values(), strict=True)):
            summary = Summary(
                value=[
                    Summary.Value(tag=name, simple_value=value)
                    for name, value in zip(columns, values, strict=True)
                ]
            )
            writer.write(Event(wall_time=1.0, step=step, summary=summary).SerializeToString())


class TensorBoard:
    """A running TensorBoard.

    Args:
        folder: of the runs.
        port: to listen at.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        options = ["--logdir", str(folder), "--port", str(port), "--host", "127.0.0.1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", *options, "--reload_interval", "5"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def seconds_until_read(self, runs: int) -> float:
        """Seconds from the start until all runs are listed."""
        start = time.perf_counter()
        while time.perf_counter() - start < _DEADLINE:
            try:
                if len(json.loads(self._get("/data/plugin/scalars/tags"))) == runs:
                    return time.perf_counter() - start
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.2)
        raise TimeoutError("TensorBoard did not read all runs")

    def requests(self, names: Sequence[str]) -> dict[str, Callable[[], object]]:
        """What its page asks for, by what is shown then."""
        curves = [f"/data/plugin/scalars/scalars?run={LONG}&tag={quote(name)}" for name in names]
        return {
            "TensorBoard: list of runs (JSON)": lambda: self._get("/data/plugin/scalars/tags"),
            "TensorBoard: curves of the long run": lambda: [self._get(path) for path in curves],
        }

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self._base + path) as response:
            return bytes(response.read())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
