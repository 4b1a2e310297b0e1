"""transformers' Trainer: trainer_state.json of the last checkpoint, which holds all of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._files import read_json
from learnrate.watch.readers._reader import MIB, Reader, first_bytes, within
from learnrate.watch.readers._series import Series, assembled

if TYPE_CHECKING:
    from pathlib import Path

    from learnrate.watch._observations import Observations
    from learnrate.watch.readers._names import Names

__all__ = ["TRANSFORMERS"]

_NAME = "trainer_state.json"


def _checkpoints(folder: Path) -> list[Path]:
    """The states in a folder, those of checkpoints in the order of their steps."""
    held = [
        path
        for path in folder.glob(f"checkpoint-*/{_NAME}")
        if path.parent.name.removeprefix("checkpoint-").isdigit()
    ]
    held.sort(key=lambda path: int(path.parent.name.removeprefix("checkpoint-")))
    own = folder / _NAME
    return [*held, own] if own.is_file() else held


def _claims(path: Path) -> bool:
    if path.is_dir():
        return bool(_checkpoints(path))
    return path.name == _NAME or (
        path.suffix == ".json" and b'"log_history"' in first_bytes(path, 65536)
    )


def _read(path: Path, names: Names) -> list[Observations]:
    state_file = _checkpoints(path)[-1] if path.is_dir() else path
    within(state_file, 512 * MIB, "Log less often, or export the log as CSV.")
    state = read_json(state_file)
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        raise FileError(f"{state_file} is no trainer state: it has no list called log_history.")
    series: dict[str, Series] = {}
    for row in history:
        step = row.get("step")
        if not isinstance(step, int) or step < 0:
            continue
        for name, value in row.items():
            if name in {"step", "epoch"} or isinstance(value, bool):
                continue
            if isinstance(value, int | float):
                # The Trainer counts updates made; the update that made it so has one less.
                series.setdefault(name, Series()).add(max(0, step - 1), float(value))
    if not series:
        raise FileError(f"{state_file} holds no logged numbers; was logging_steps ever reached?")
    run = path if path.is_dir() else path.parent
    return [
        assembled(
            str(run),
            {name: held for name, held in series.items() if not name.startswith("train_")},
            names,
            where=str(state_file),
            total_steps=_whole(state.get("max_steps")),
            facts=_facts(state),
        )
    ]


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _facts(state: dict[str, Any]) -> dict[str, Any]:
    total_steps, epochs = _whole(state.get("max_steps")), state.get("num_train_epochs")
    if total_steps and isinstance(epochs, int | float) and epochs > 0:
        return {"steps_per_epoch": max(1, round(total_steps / epochs))}
    return {}


TRANSFORMERS = Reader(name="transformers trainer state", claims=_claims, read=_read)
