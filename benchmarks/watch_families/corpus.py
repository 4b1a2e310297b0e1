"""Training the corpus: the sweeps of a family, then its runs."""

from __future__ import annotations

import pickle
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .logs import logged_runs, read_truth, record, write_logs, write_truth
from .rates import planned_schedule
from .specs import Spec, setups, specs
from .sweep import Truth, cost_of, sweep
from .training import train

if TYPE_CHECKING:
    from .logs import LoggedRun

__all__ = ["train_family"]

_NO_COST = 0.1  # the largest cost of a healthy rate against the best
_RUNS = Path("build/watch_families/runs")  # what is trained and not yet among the logs


def train_family(family: str, *, again: bool = False, half: bool = False) -> None:
    """Sweep and train a family; what is stored stays, unless its runs are to be trained again.

    Args:
        family: its name.
        again: train the runs anew.
        half: train only every other run.
    """
    begin = time.perf_counter()
    truths = dict(read_truth(family))
    for setup in setups(family):
        if setup.name not in truths:
            truths[setup.name] = sweep(setup)
            write_truth(family, truths)
    print(f"{family}: sweeps {time.perf_counter() - begin:.0f} s", flush=True)
    logged = {} if again else {run.about["name"]: run for run in logged_runs(family)}
    wanted = [
        spec for spec in specs(family) if not half or spec.is_first_half or spec.name in logged
    ]
    if all(spec.name in logged for spec in wanted):
        return
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            logged.get(spec.name)
            or _stored_run(spec, truths[spec.setup.name], f"{folder}/runs.db", again=again)
            for spec in wanted
        ]
    write_logs(family, runs)
    print(f"{family}: {len(runs)} runs {time.perf_counter() - begin:.0f} s", flush=True)


def _stored_run(spec: Spec, truth: Truth, store: str, *, again: bool) -> LoggedRun:
    """The run, trained unless it was trained before."""
    name = spec.name.replace("/", "_")
    file = _RUNS / spec.setup.family / f"{name}.pkl"
    if file.is_file() and not again:
        stored: LoggedRun = pickle.loads(file.read_bytes())
        return stored
    run = _run(spec, truth, store)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(pickle.dumps(run))
    part.replace(file)
    return run


def _run(spec: Spec, truth: Truth, store: str) -> LoggedRun:
    factor = spec.factor
    if spec.fault == "healthy" and cost_of(truth, truth.at_factor(factor)) > _NO_COST:
        factor = 1.0
    spec = Spec(**vars(spec) | {"factor": factor})
    peak = float(f"{factor * truth.best_rate:.6g}")
    planned = str(planned_schedule(spec, peak)) if spec.planned else None
    return record(spec, train(spec, peak, truth.norm, store), peak, planned)
