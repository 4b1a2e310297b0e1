"""The option `--predict` of `learnrate show`: a law of the losses of stored runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.forecasting import LossLaw

__all__ = ["law_of"]


def law_of(runs: Sequence[str], store: str | None) -> LossLaw:
    """The law of the losses of stored runs.

    Args:
        runs: ids, beginnings of ids, or `last`.
        store: a file or a URL; None for the default store.

    Raises:
        ArgumentError: a run does not fit.
        StoreError: a run is not in the store.
    """
    from learnrate.forecasting import fit_loss_law, loss_curve_of  # noqa: PLC0415 - slow to load
    from learnrate.store import Store  # noqa: PLC0415 - SQLAlchemy

    opened = Store(store, create=False)
    curves = []
    for run in map(opened.resolve, runs):
        name = opened.run(run).name
        curves.append(loss_curve_of(opened.observations(run), f"{name} ({run})" if name else run))
    return fit_loss_law(curves)
