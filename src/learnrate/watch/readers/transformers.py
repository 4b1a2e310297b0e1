"""transformers' Trainer: trainer_state.json of the last checkpoint, which has the whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._files import read_json
from learnrate.watch.readers._log_series import LogSeries, to_observations
from learnrate.watch.readers._reader import MIB, Reader, first_bytes, size_within

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["READER"]

_NAME = "trainer_state.json"


def _checkpoints(folder: Path) -> list[Path]:
    """The trainer states in a folder: first the checkpoints' in the order of steps, then its own."""
    checkpoints = [
        path
        for path in folder.glob(f"checkpoint-*/{_NAME}")
        if path.parent.name.removeprefix("checkpoint-").isdigit()
    ]
    checkpoints.sort(key=lambda path: int(path.parent.name.removeprefix("checkpoint-")))
    state_file = folder / _NAME
    return [*checkpoints, state_file] if state_file.is_file() else checkpoints


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return bool(_checkpoints(path))
    return path.name == _NAME or (
        path.suffix == ".json" and b'"log_history"' in first_bytes(path, 65536)
    )


def _read(path: Path, names: Names) -> list[Observations]:
    state_file = _checkpoints(path)[-1] if path.is_dir() else path
    size_within(state_file, 512 * MIB, "Log less often, or export the log as CSV.")
    state = read_json(state_file)
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise FileError(f"{state_file} is not a trainer state: it has no list called log_history.")
    series: dict[str, LogSeries] = {}
    for row in history:
        step = row.get("step")
        if not isinstance(step, int) or step < 0:
            continue
        for name, value in row.items():
            if name in {"step", "epoch"} or isinstance(value, bool):
                continue
            if isinstance(value, int | float):
                # The Trainer logs after an update, when it has counted it already.
                series.setdefault(name, LogSeries()).add(max(0, step - 1), float(value))
    if not series:
        raise FileError(f"{state_file} has no logged numbers; was logging_steps ever reached?")
    run = path if path.is_dir() else path.parent
    return [
        to_observations(
            str(run),
            {name: logged for name, logged in series.items() if not name.startswith("train_")},
            names,
            where=str(state_file),
            total_steps=_positive(state.get("max_steps")),
            facts=_facts(state),
        )
    ]


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _facts(state: dict[str, Any]) -> dict[str, Any]:
    total_steps, epochs = _positive(state.get("max_steps")), state.get("num_train_epochs")
    if total_steps and isinstance(epochs, int | float) and epochs > 0:
        return {"steps_per_epoch": max(1, round(total_steps / epochs))}
    return {}


READER = Reader(name="transformers trainer state", recognises=_recognises, read=_read)
