"""Rows: each method chooses rates with its own seeds, and whole runs are made at these rates.

A row is one cell, method and seed. Its runs have the seeds of the truth, so that the same batches
and initial weights are compared. All runs of a cell are made together, in stacks. Rows are appended to
`results/rows.jsonl`; a later row of the same cell, method and seed replaces the earlier one.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from learnrate import sweep
from learnrate._files import number_or_none

from . import truth
from .methods import SEEDS, Method, Pick, chosen_methods
from .provenance import RESULTS, SCRATCH, provenance

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from learnrate import Task

    from .cells import Cell

__all__ = ["ROWS", "RowSelection", "finite", "measure", "read", "tidy"]

ROWS = RESULTS / "rows.jsonl"
PICKS = SCRATCH / "picks.jsonl"  # so that a killed job does not run a method twice

Key = tuple[str, str, int]


@dataclass(frozen=True)
class RowSelection:
    """Which rows to measure.

    Attributes:
        methods: words in the names of methods, separated by commas.
        again: words in the names of methods whose rows are measured again.
        seeds: number of seeds of each method.
        judges: largest number of the truth's seeds for whole runs at each rate.
    """

    methods: str = ""
    again: str = ""
    seeds: int = len(SEEDS)
    judges: int = 99


def read(path: Path = ROWS) -> dict[Key, dict[str, Any]]:
    """The stored rows, by cell, method and seed."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [
        json.loads(line) for line in lines if line.endswith("}")
    ]  # a killed process may leave an incomplete line
    return {_key(row): row for row in rows}


def measure(selection: RowSelection, cell: Cell) -> str:
    """Add the missing rows of a cell; returns their number in words."""
    stored = read()
    wanted = [
        (method, seed)
        for method in chosen_methods(selection.methods or selection.again)
        if method.applies(cell)
        for seed in SEEDS[: min(selection.seeds, method.seeds)]
    ]
    forced = (
        {method.name for method in chosen_methods(selection.again)} if selection.again else set()
    )
    judges = _judges(cell)[: selection.judges]
    missing = [
        (method, seed)
        for method, seed in wanted
        if method.name in forced
        or not _is_current(stored.get((cell.name, method.name, seed)), method, judges)
    ]
    if not missing:
        return "nothing to add"
    task = cell.task()
    answers = (stored, read(PICKS))
    picked = [
        (None if method.name in forced else _stored_pick(cell, method, seed, answers))
        or _picked(cell, task, method, seed)
        for method, seed in missing
        if method.pick is not None
    ]
    finals = _finals(cell, task, picked, judges)
    for row in picked:
        if row["rate"] is not None:
            row["finals"] = {
                str(seed): number_or_none(finals[row["rate"], seed]) for seed in judges
            }
        _append(ROWS, row | provenance())
    trained = [(method, seed) for method, seed in missing if method.train is not None]
    for method, seed in trained:
        _append(ROWS, _trained(cell, task, method, seed) | provenance())
    return f"{len(picked) + len(trained)} rows added"


def _judges(cell: Cell) -> list[int]:
    """The truth's seeds.

    Raises:
        ValueError: there is no truth yet.
    """
    stored = truth.read(cell)
    if stored is None:
        raise ValueError(f"{cell.name} has no truth yet; run the command truth first")
    return list(stored["tables"][0]["seeds"])


def _is_current(row: dict[str, Any] | None, method: Method, judges: list[int]) -> bool:
    """Whether a row is of this version of the method and has enough runs."""
    if row is None or row["version"] != method.version:
        return False
    return method.pick is None or row["rate"] is None or len(row["finals"]) >= len(judges)


def _stored_pick(
    cell: Cell, method: Method, seed: int, answers: Iterable[dict[Key, dict[str, Any]]]
) -> dict[str, Any] | None:
    """The stored answer of this version of the method, without its runs."""
    for stored in answers:
        row = stored.get((cell.name, method.name, seed))
        if row is not None and row["version"] == method.version:
            return row | {"finals": {}}
    return None


def _picked(cell: Cell, task: Task, method: Method, seed: int) -> dict[str, Any]:
    """A row without its runs."""
    assert method.pick is not None
    start = time.perf_counter()
    pick = method.pick(cell, task, seed)
    row = _row(cell, method, seed, pick, time.perf_counter() - start)
    _append(PICKS, row)
    return row


def _row(cell: Cell, method: Method, seed: int, pick: Pick, seconds: float) -> dict[str, Any]:
    answer = asdict(pick)
    if pick.rate is not None:
        answer["rate"] = float(f"{pick.rate:.4g}")
    return {
        "cell": cell.name,
        "method": method.name,
        "seed": seed,
        "version": method.version,
        **answer,
        "cost": round(pick.cost, 4),
        "seconds": round(seconds, 2),
        "finals": {},
    }


def _finals(
    cell: Cell, task: Task, picked: Iterable[dict[str, Any]], judges: list[int]
) -> dict[tuple[float, int], float]:
    """The loss of a whole run at every chosen rate with the seed of every judge."""
    rates = sorted({row["rate"] for row in picked if row["rate"] is not None})
    if not rates:
        return {}
    swept = sweep(
        task,
        rates,
        seeds=len(judges),
        shape=truth.SHAPE,
        out=truth.scratch_of(cell),
        progress=False,
    )
    return {(trial.lr, trial.seed): trial.curve.final for trial in swept.trials}


def _trained(cell: Cell, task: Task, method: Method, seed: int) -> dict[str, Any]:
    """A row of a method that trains without a rate: one run, with a seed of the truth."""
    assert method.train is not None
    start = time.perf_counter()
    judge = _judges(cell)[SEEDS.index(seed)]
    run = method.train(cell, task, judge)
    pick = Pick(None, run.cost, run.note)
    row = _row(cell, method, seed, pick, time.perf_counter() - start)
    return row | {"finals": {str(judge): number_or_none(run.loss)}}


def _key(row: dict[str, Any]) -> Key:
    return row["cell"], row["method"], row["seed"]


def _append(path: Path, row: dict[str, Any]) -> None:
    """Append a row in one write, so that processes can share the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(row, allow_nan=False) + "\n"
    with path.open("ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(text.encode())
        os.fsync(file.fileno())


def tidy(path: Path = ROWS) -> None:
    """Remove the rows that later ones replaced, and sort the rest."""
    if not path.exists():
        return
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # no process appends while the file is rewritten
        latest = read(path)
        file.seek(0)
        file.writelines(json.dumps(latest[key]) + "\n" for key in sorted(latest))
        file.truncate()


def finite(value: float | None) -> float:
    """A stored loss, in which null means infinite."""
    return math.inf if value is None else value
