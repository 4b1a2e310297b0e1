"""A folder of plans and range tests, and how each file is shown."""

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
from learnrate.dashboard._models import PlanResponse
from learnrate.planning import Plan, RatesPlan, read_plan
from learnrate.report import (
    plan_body,
    plan_figures,
    range_test_body,
    range_test_figure,
    rates_plan_body,
    rates_plan_figures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Document", "Folder"]

_MOST_FILES = 500
_LARGEST_FILE = 32 * 2**20
_PLAN_FORMATS = {"learnrate.plan", "learnrate.plan.rates"}
_RANGE_TEST_KEYS = {"suggestion", "reason", "rules", "diverged_at", "lr", "loss"}


@dataclass(frozen=True, eq=False)
class Document:
    """A plan, a range test, or a plan that cannot be read.

    Attributes:
        summary: one line about it.
        content: the plan; the range test as JSON values; or why the plan cannot be read.
    """

    summary: PlanResponse
    content: Plan | RatesPlan | dict[str, Any] | str

    @cached_property
    def figures(self) -> dict[str, dict[str, Any]]:
        """The figures, in plotly's JSON form."""
        if isinstance(self.content, Plan):
            return plan_figures(self.content)
        if isinstance(self.content, RatesPlan):
            return rates_plan_figures(self.content)
        if isinstance(self.content, dict) and self.content["lr"]:
            return {"range-test": range_test_figure(self.content)}
        return {}

    @property
    def body(self) -> str:
        """The report as HTML, in which the user's texts are escaped."""
        if isinstance(self.content, Plan):
            return plan_body(self.content)
        if isinstance(self.content, RatesPlan):
            return rates_plan_body(self.content)
        if isinstance(self.content, dict):
            return range_test_body(self.summary.file, self.content)
        return ""


class Folder:
    """The plans and range tests below a folder; files that change are read again.

    Args:
        root: the folder, or None.

    Raises:
        FileError: the folder does not exist.
    """

    def __init__(self, root: Path | None) -> None:
        if root is not None and not root.is_dir():
            raise FileError(f"--plans {root} is not a folder.")
        self._root = root
        self._documents: dict[Path, tuple[tuple[int, int], Document | None]] = {}
        self._lock = Lock()

    @property
    def exists(self) -> bool:
        """Whether the dashboard was started with a folder."""
        return self._root is not None

    def documents(self) -> list[Document]:
        """All plans and range tests, the newest first."""
        files = sorted(self._files(), key=_modified, reverse=True)
        documents = (self._cached(path, version) for path, version in files)
        return [document for document in documents if document is not None]

    def document(self, key: str) -> Document | None:
        """The document with a key, or None if the folder has none."""
        documents = self.documents()
        return next((document for document in documents if document.summary.key == key), None)

    def _cached(self, path: Path, version: tuple[int, int]) -> Document | None:
        with self._lock:
            cached = self._documents.get(path)
        if cached is None or cached[0] != version:
            cached = version, self._document(path)
            with self._lock:
                self._documents[path] = cached
        return cached[1]

    def _files(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        if self._root is None:
            return
        for path in islice(self._root.rglob("*.json"), _MOST_FILES):
            try:
                status = path.stat()
            except OSError:  # deleted meanwhile
                continue
            if status.st_size <= _LARGEST_FILE:
                yield path, (status.st_mtime_ns, status.st_size)

    def _document(self, path: Path) -> Document | None:
        """The document in a file, or None if the file is of another kind."""
        try:
            content = read_json(path)
        except FileError:
            return None
        if not isinstance(content, dict):
            return None
        if content.get("format") in _PLAN_FORMATS:
            return self._plan(path)
        if content.keys() >= _RANGE_TEST_KEYS and content["lr"]:
            rate, text = content["suggestion"], content["reason"]
            if rate is not None:
                text = f"{rate_text(rate)}: {text}"
            return Document(self._summary(path, "range test", path.stem, text), content)
        return None

    def _plan(self, path: Path) -> Document:
        try:
            plan = read_plan(path)
        except FileError as error:
            return Document(self._summary(path, "unreadable", path.stem, str(error)), str(error))
        rates = {"peak": plan.peak} if isinstance(plan, Plan) else plan.lrs
        chosen = ", ".join(f"{name} {rate_text(lr)}" for name, lr in rates.items())
        text = f"{chosen} for {plan.total_steps:,} updates; verdict {plan.verdict}"
        return Document(self._summary(path, "plan", plan.task, text), plan)

    def _summary(self, path: Path, kind: str, title: str, text: str) -> PlanResponse:
        file = str(path.relative_to(self._root)) if self._root else path.name
        key = hashlib.sha256(file.encode()).hexdigest()[:12]
        return PlanResponse(key=key, file=file, kind=kind, title=title, summary=text)


def _modified(file: tuple[Path, tuple[int, int]]) -> int:
    return file[1][0]
