"""The logs of the corpus: a Parquet file and a JSON file a family, beside this module."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from learnrate.schedules import schedule
from learnrate.watch import PATH_COLUMNS, Observations

from .sweep import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .specs import Spec
    from .training import Trained

__all__ = [
    "FOLDER",
    "LoggedRun",
    "logged_runs",
    "read_truth",
    "record",
    "shortened",
    "write_logs",
    "write_truth",
]

FOLDER = Path(__file__).parent / "results"
_EXACT = {"lr", "loss", "validation"}  # the other columns have three and a half digits
_TIMES = {"seconds"}  # differ each time


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """A run of the corpus.

    Attributes:
        about: what was trained and how it ended: the fields that `record` describes.
        step: the updates that have a row.
        columns: what was recorded, by name.
    """

    about: dict[str, Any]
    step: np.ndarray
    columns: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        """The family and the run in it."""
        return f"{self.about['family']}/{self.about['name']}"

    @property
    def fault(self) -> str:
        """What is wrong with the run; `healthy` if nothing is."""
        return str(self.about["fault"])

    def observations(self) -> Observations:
        """The run as the rules read it from a store."""
        text, total_steps = self.about["schedule_planned"], self.about["total_steps"]
        return Observations(
            run=self.name,
            step=self.step,
            columns=self.columns,
            total_steps=total_steps,
            schedule=None if text is None else schedule(text),
            facts=self.about["facts"],
        )


def record(spec: Spec, trained: Trained, peak: float, planned: str | None) -> LoggedRun:
    """What the corpus keeps of a run.

    Args:
        spec: the run.
        trained: what was recorded of it.
        peak: the highest rate of its schedule as intended.
        planned: the text of the schedule that the log knows; None if it knows none.
    """
    about = {
        "family": spec.setup.family,
        "name": spec.name,
        "fault": spec.fault,
        "setup": spec.setup.name,
        "optimizer": spec.setup.optimizer,
        "objective": spec.setup.task.objective,
        "seed": spec.seed,
        "factor": spec.factor,
        "peak": peak,
        "schedule": spec.schedule,
        "schedule_planned": planned,
        "total_steps": trained.total_steps,
        "share": spec.share,
        "clip": spec.clip,
        "accumulation": spec.accumulation,
        "resumed": spec.resumed,
        "facts": shortened(trained.facts),
        "start": f"{trained.metric[0]:.6g}",
        "end": f"{trained.metric[1]:.6g}",
        "lost": trained.lost,
    }
    columns = {name: column for name, column in trained.columns.items() if name not in _TIMES}
    return LoggedRun(about=about, step=trained.step, columns=columns)


def shortened(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with four digits for each number of a path."""
    return {
        name: [[step, float(f"{value:.4g}")] for step, value in fact]
        if name in PATH_COLUMNS
        else fact
        for name, fact in facts.items()
    }


def _rounded(values: np.ndarray) -> np.ndarray:
    """Single precision with twelve bits, which compress."""
    bits = values.astype(np.float32).view(np.uint32)
    is_number = np.isfinite(values)
    bits = np.where(is_number, (bits + 0x800) & np.uint32(0xFFFFF000), bits)
    return bits.astype(np.uint32).view(np.float32)


def write_logs(family: str, runs: Iterable[LoggedRun]) -> None:
    """Store the runs of a family."""
    runs = list(runs)
    names = sorted({name for run in runs for name in run.columns})
    columns: dict[str, np.ndarray] = {
        "run": np.concatenate([np.full(run.step.size, i, np.int16) for i, run in enumerate(runs)]),
        "step": np.concatenate([run.step.astype(np.int32) for run in runs]),
    }
    with np.errstate(over="ignore"):
        for name in names:
            values = np.concatenate(
                [run.columns.get(name, np.full(run.step.size, np.nan)) for run in runs]
            )
            columns[name] = values.astype(np.float32) if name in _EXACT else _rounded(values)
    FOLDER.mkdir(exist_ok=True)
    parquet.write_table(
        pa.table(columns),
        FOLDER / f"{family}.parquet",
        compression="zstd",
        compression_level=19,
        use_dictionary=["run"],
        column_encoding=dict.fromkeys(names, "BYTE_STREAM_SPLIT"),
    )
    lines = ",\n".join(json.dumps(run.about) for run in runs)
    (FOLDER / f"{family}.json").write_text(f"[\n{lines}\n]\n")


@lru_cache
def logged_runs(family: str) -> tuple[LoggedRun, ...]:
    """The stored runs of a family; none if there are no logs of it."""
    file = FOLDER / f"{family}.parquet"
    if not file.is_file():
        return ()
    table = parquet.read_table(file)
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    abouts = json.loads((FOLDER / f"{family}.json").read_text())
    run, step = columns.pop("run"), columns.pop("step").astype(np.int64)
    edges = np.searchsorted(run, np.arange(len(abouts) + 1))
    logged = []
    for about, first, end in zip(abouts, edges[:-1], edges[1:], strict=True):
        parts = {name: column[first:end].astype(float) for name, column in columns.items()}
        present = {name: part for name, part in parts.items() if not np.isnan(part).all()}
        logged.append(LoggedRun(about=about, step=step[first:end], columns=present))
    return tuple(logged)


def write_truth(family: str, truths: dict[str, Truth]) -> None:
    """Store the sweeps of a family."""
    FOLDER.mkdir(exist_ok=True)
    content = {name: truth.to_dict() for name, truth in truths.items()}
    (FOLDER / f"{family}.sweep.json").write_text(json.dumps(content, indent=1) + "\n")


@lru_cache
def read_truth(family: str) -> dict[str, Truth]:
    """The stored sweeps of a family, by the names of its setups."""
    file = FOLDER / f"{family}.sweep.json"
    content = json.loads(file.read_text()) if file.is_file() else {}
    return {name: Truth.from_dict(truth) for name, truth in content.items()}
