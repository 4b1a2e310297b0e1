"""A folder of plans and range tests: what is in it, and how it is shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from learnrate._errors import FileError
from learnrate._files import read_json
from learnrate._numbers import rate_text
from learnrate.dashboard._models import PlanShown
from learnrate.planning import Plan
from learnrate.report import plan_body, plan_figures, range_test_body, range_test_figure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Document", "Folder"]

_MOST = 500
_LARGEST = 32 * 2**20
_RANGE_TEST = {"suggestion", "reason", "rules", "diverged_at", "lr", "loss"}


@dataclass(frozen=True, eq=False)
class Document:
    """A plan, a range test, or a file that says it is one and cannot be read.

    Attributes:
        shown: what it is, in a line.
        content: the plan; the range test as JSON values; or what is wrong.
    """

    shown: PlanShown
    content: Plan | dict[str, Any] | str

    @cached_property
    def figures(self) -> dict[str, dict[str, Any]]:
        """As plotly describes them."""
        if isinstance(self.content, Plan):
            return plan_figures(self.content)
        if isinstance(self.content, dict) and self.content["lr"]:
            return {"range-test": range_test_figure(self.content)}
        return {}

    @property
    def body(self) -> str:
        """HTML, safe to show."""
        if isinstance(self.content, Plan):
            return plan_body(self.content)
        if isinstance(self.content, dict):
            return range_test_body(self.shown.file, self.content)
        return ""


class Folder:
    """The plans and range tests below a folder, read again when their files change.

    Args:
        root: the folder; None where there is none.

    Raises:
        FileError: it is not there.
    """

    def __init__(self, root: Path | None) -> None:
        if root is not None and not root.is_dir():
            raise FileError(f"--plans {root} is not a folder.")
        self._root = root
        self._read: dict[Path, tuple[tuple[int, int], Document | None]] = {}
        self._lock = Lock()

    @property
    def given(self) -> bool:
        """Whether there is a folder."""
        return self._root is not None

    def documents(self) -> list[Document]:
        """All of them, the newest first."""
        found = []
        for path, seen in sorted(self._files(), key=lambda one: -one[1][0]):
            with self._lock:
                known = self._read.get(path)
            if known is None or known[0] != seen:
                known = seen, self._document(path)
                with self._lock:
                    self._read[path] = known
            if known[1] is not None:
                found.append(known[1])
        return found

    def document(self, key: str) -> Document | None:
        """The one of that key, if it is still there."""
        return next((one for one in self.documents() if one.shown.key == key), None)

    def _files(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        if self._root is None:
            return
        for path in islice(self._root.rglob("*.json"), _MOST):
            try:
                about = path.stat()
            except OSError:  # gone meanwhile
                continue
            if about.st_size <= _LARGEST:
                yield path, (about.st_mtime_ns, about.st_size)

    def _document(self, path: Path) -> Document | None:
        """None where the file is of another kind."""
        try:
            held = read_json(path)
        except FileError:
            return None
        if not isinstance(held, dict):
            return None
        if held.get("format") == "learnrate.plan":
            return self._plan(path)
        if held.keys() >= _RANGE_TEST and held["lr"]:
            answer = held["suggestion"]
            said = held["reason"] if answer is None else f"{rate_text(answer)}: {held['reason']}"
            return Document(self._shown(path, "range test", path.stem, said), held)
        return None

    def _plan(self, path: Path) -> Document:
        try:
            plan = Plan.read(path)
        except FileError as error:
            return Document(self._shown(path, "unreadable", path.stem, str(error)), str(error))
        said = (
            f"peak {rate_text(plan.peak)} for {plan.total_steps:,} updates; verdict {plan.verdict}"
        )
        return Document(self._shown(path, "plan", plan.task, said), plan)

    def _shown(self, path: Path, kind: str, title: str, summary: str) -> PlanShown:
        file = str(path.relative_to(self._root)) if self._root else path.name
        key = hashlib.sha256(file.encode()).hexdigest()[:12]
        return PlanShown(key=key, file=file, kind=kind, title=title, summary=summary)
