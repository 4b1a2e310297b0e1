"""The snapshots of a run, each with its place in the store."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from learnrate._errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.run._mailbox import Mailbox
    from learnrate.run._snapshots import Snapshots
    from learnrate.store import Store

__all__ = ["RecordedSnapshots"]


@dataclass
class RecordedSnapshots:
    """Takes, restores and drops snapshots, and keeps the store's list of them up to date.

    Attributes:
        snapshots: the snapshots themselves.
        mailbox: writes to the store; None if the run is not recorded.
        shared: whether other ranks must have the same snapshots.
    """

    snapshots: Snapshots
    mailbox: Mailbox | None
    shared: bool
    _has_warned: bool = field(init=False, default=False)

    @property
    def steps(self) -> list[int]:
        """The steps of the snapshots, in order."""
        return self.snapshots.steps

    def place(self, step: int) -> str:
        """Where a snapshot is, for the record: its path, or "memory"."""
        return self.snapshots.place(step)

    def restore(self, step: int) -> None:
        """Go back to a snapshot; later ones are dropped.

        Raises:
            FileError: its file is missing or was changed. Nothing is changed.
        """
        self.snapshots.restore(step)
        for later in self.steps:
            if later > step:
                self.drop(later)

    def take(self, step: int, *, requested: bool) -> bool:
        """Take a snapshot before an update; whether it was taken.

        Args:
            step: the step of the update.
            requested: whether a person requested it, so that it is kept.

        Raises:
            FileError: it cannot be written, or does not fit into memory.
        """
        is_taken, dropped = self.snapshots.take(step, requested=requested)
        if self.mailbox is None:
            return is_taken
        for dropped_step in dropped:
            self.mailbox.post(_removal_of_snapshot(dropped_step))
        if is_taken:
            place = self.place(step)
            self.mailbox.post(lambda store, run: store.add_snapshot(run, step, place))
        return is_taken

    def take_automatic(self, step: int) -> None:
        """Take a snapshot of the guard; without room for it the training continues with a warning.

        Raises:
            FileError: there is no room, and other ranks must have the same snapshots.
        """
        try:
            self.take(step, requested=False)
        except FileError as error:
            if self.shared:
                raise
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"{error} Training continues; {_rescue_in_words(self.steps)}.",
                    RuntimeWarning,
                    stacklevel=4,
                )

    def drop(self, step: int) -> None:
        """Delete a snapshot, and its place in the store."""
        self.snapshots.drop(step)
        if self.mailbox is not None:
            self.mailbox.post(_removal_of_snapshot(step))


def _rescue_in_words(steps: list[int]) -> str:
    """What the guard does if the loss diverges, with the snapshots of these steps."""
    if steps:
        return f"the guard goes back to the snapshot of step {steps[-1]}"
    return "without a snapshot the guard stops the run if the loss diverges"


def _removal_of_snapshot(step: int) -> Callable[[Store, str], None]:
    return lambda store, run: store.remove_snapshot(run, step)
