"""A progress bar for work that takes longer than a second."""

from __future__ import annotations

import time
from typing import Self

from learnrate._ranks import is_first_rank

__all__ = ["ProgressBar"]

_SHOWN_AFTER = 1.0  # seconds


class ProgressBar:
    """Shows how many updates of a total are made, on standard error, after a second has passed.

    Nothing is shown if standard error is neither a terminal nor a notebook. Of several ranks only
    the first shows a bar.

    Args:
        total: updates.
        shown: whether to show the bar at all.
    """

    def __init__(self, total: int, *, shown: bool = True) -> None:
        self._total = total
        self._shown = shown and is_first_rank()
        self._start = time.monotonic()
        self._live: _Bar | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._live is not None:
            self._live.close()

    def expect(self, total: int) -> None:
        """Set how many updates will be made, once this is known."""
        self._total = total
        if self._live is not None:
            self._live.expect(total)

    def show(self, done: int, stage: str) -> None:
        """Show that `done` updates are made, and the current stage."""
        if not self._shown:
            return
        if self._live is None and time.monotonic() - self._start > _SHOWN_AFTER:
            self._live = _Bar(self._total)
        if self._live is not None:
            self._live.show(done, stage)


class _Bar:
    def __init__(self, total: int) -> None:
        from rich.console import Console  # noqa: PLC0415 - slow to load, and only when shown
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        console = Console(stderr=True)
        self._progress = Progress(
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
            console=console,
            disable=not (console.is_terminal or console.is_jupyter),
            transient=True,
            refresh_per_second=5,
        )
        self._task = self._progress.add_task("", total=total)
        self._progress.start()

    def show(self, done: int, stage: str) -> None:
        self._progress.update(self._task, completed=done, description=stage)

    def expect(self, total: int) -> None:
        self._progress.update(self._task, total=total)

    def close(self) -> None:
        self._progress.stop()
