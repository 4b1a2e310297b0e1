"""The controls: an edit asked for from a page, and the rates ahead with and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from learnrate.dashboard._models import Ahead, Kind

if TYPE_CHECKING:
    from learnrate.dashboard._models import EditRequest
    from learnrate.store import Store, StoredEdit, StoredRun

__all__ = ["ahead", "request"]

_WHOLE = {Kind.DECAY, Kind.STRETCH, Kind.ROLLBACK}


def value_of(asked: EditRequest) -> Any:
    """The value of an edit as the store keeps it."""
    value: Any = asked.value
    if asked.kind in _WHOLE and value is not None and float(value).is_integer():
        value = int(value)
    if asked.shape is not None:
        return {"steps": value, "shape": asked.shape}
    return value


def request(store: Store, run: str, asked: EditRequest, author: str) -> StoredEdit:
    """Ask a run for a change."""
    return store.add_edit(
        run,
        str(asked.kind),
        value_of(asked),
        group=asked.group,
        author=asked.author.strip() or author,
        reason=asked.reason.strip(),
    )


def ahead(store: Store, run: StoredRun, asked: EditRequest | None, author: str, most: int) -> Ahead:
    """The rates to come."""
    base = run.schedule
    if base is None or run.total is None or run.step >= run.total:
        return Ahead(step=[], before=[], after=None, refused=None, text=None)
    steps = np.unique(np.linspace(run.step, run.total - 1, min(most, run.total - run.step)).astype(int))
    rates = base(steps)
    after = rates * asked.value if asked is not None and asked.kind is Kind.SCALE and asked.value else None
    return Ahead(
        step=steps.tolist(),
        before=rates.tolist(),
        after=None if after is None else after.tolist(),
        refused=None,
        text=None,
    )
