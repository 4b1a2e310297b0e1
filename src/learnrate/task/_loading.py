"""Load a task from a file or a module."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import sys
import traceback
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from learnrate._checks import kind_of
from learnrate._errors import LearnrateError, TaskError
from learnrate.task._task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["as_task_error", "load_object", "load_task"]

Loaded = TypeVar("Loaded")


def load_task(spec: str) -> Task:
    """Load a task from `"path/to/file.py:name"` or `"package.module:name"`.

    `name` is a `Task`, or a function without arguments that returns one. The file can import from
    its own folder, as when it is run as a script.

    Raises:
        TaskError: the file or module does not exist or could not be imported, it has no `name`, or
            `name` is not a task.

    Examples:
        >>> load_task("learnrate.testing:quadratic_task").total_steps
        400
    """
    task = load_object(spec, Task, "learnrate.Task")
    return task if task.name != "task" else replace(task, name=spec)


def load_object(spec: str, kind: type[Loaded], kind_name: str) -> Loaded:
    """Load an object from `"file.py:name"` or `"module:name"`.

    Args:
        spec: the file or module, and the name in it: of the object, or of a function without
            arguments that returns it.
        kind: the type of the object.
        kind_name: what error messages call the type.

    Raises:
        TaskError: as for `load_task`.
    """
    place, separator, name = spec.rpartition(":") if isinstance(spec, str) else ("", "", "")
    if not (separator and place and name.isidentifier()):
        raise TaskError(
            f"TASK must be file.py:name or module:name; got {spec!r}. "
            "Example: examples/digits.py:task"
        )
    module = _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, vars(module), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise TaskError(f"{place} has no {name!r}.{hint}")
    loaded = getattr(module, name)
    if not isinstance(loaded, kind) and callable(loaded):
        _check_takes_no_argument(spec, loaded)
        with as_task_error(f"{spec} could not be called"):
            loaded = loaded()
    if not isinstance(loaded, kind):
        raise TaskError(
            f"{spec} must be a {kind_name}, or a function without arguments returning one; "
            f"got {kind_of(loaded)}."
        )
    return loaded


def _check_takes_no_argument(spec: str, function: Callable[..., object]) -> None:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # a function in C may have no signature
        return
    packed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        parameter.name
        for parameter in parameters
        if parameter.default is inspect.Parameter.empty and parameter.kind not in packed
    ]
    if needed:
        raise TaskError(
            f"{spec} must be a function without arguments; this one needs {', '.join(needed)}. "
            "Give each a default, or write a function that passes them."
        )


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TaskError(
            f"there is no file {str(path)!r} (the current folder is {str(Path.cwd())!r})."
        )
    name = f"learnrate_task_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TaskError(f"{str(path)!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that what the file defines can be pickled
    sys.path.insert(0, str(path.resolve().parent))
    with as_task_error(f"{path} could not be imported"), _no_arguments(str(path)):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _no_arguments(script: str) -> Iterator[None]:
    """An empty command line, for scripts that read theirs at import: they take their defaults."""
    arguments, sys.argv = sys.argv, [script]
    try:
        yield
    except SystemExit as error:
        raise TaskError(
            f"{script} ended the program while it was imported (exit status {error.code!r}). If it "
            "reads arguments that have no default, put that under if __name__ == '__main__'."
        ) from error
    finally:
        sys.argv = arguments


def _import_module(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with as_task_error(f"module {name!r} could not be imported"):
        return importlib.import_module(name)


@contextmanager
def as_task_error(problem: str) -> Iterator[None]:
    """Turn an error in the user's code into a `TaskError` of one sentence, with its place.

    Args:
        problem: what could not be done; the message starts with it.

    Raises:
        TaskError: the block raised another error; its message names the file and the line.
    """
    try:
        yield
    except LearnrateError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        if isinstance(error, SyntaxError) and error.filename:
            where = f" at {error.filename}:{error.lineno}"
        raise TaskError(f"{problem}: {type(error).__name__}: {error}{where}") from error
