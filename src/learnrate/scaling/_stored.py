"""Plans and sweeps as a table of runs. Pure: it takes the documents of a store, not the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate.scaling._runs import FACTORS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["stored_runs"]

_OF_TRIALS = ("lr", "loss", "seed", "status", "updates", "reason", "train", "passes")


def stored_runs(
    documents: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    factors: Collection[str] = (),
) -> dict[str, list[Any]]:
    """The trials of plans and sweeps as columns, which `fit` and `read_runs` take.

    A factor is the length of a trial (`steps`), its width in sweeps over widths, and every number that is
    known of all documents, such as N (parameters) and B (examples in a batch). A factor that is not asked
    for is left out if those asked for determine it, as the width determines N.

    Args:
        documents: the contents of each plan or sweep, and the facts kept with it.
        factors: the factors that are asked for, by name.

    Raises:
        ArgumentError: there are no trials, a factor that is asked for is not known of all of them, or
            trials that share the factors asked for differ in another one, such as their length.

    Examples:
        >>> trials = [{"lr": 0.1, "loss": 2.0, "steps": 50}, {"lr": 0.2, "loss": None, "steps": 50}]
        >>> stored_runs([({"trials": trials}, {"B": 32, "N": 1000})], ["steps", "N", "B"])
        {'lr': [0.1, 0.2], 'loss': [2.0, None], 'steps': [50, 50], 'B': [32, 32], 'N': [1000, 1000]}
    """
    rows = [
        {**_numbers(facts), **{name: value for name, value in trial.items() if _counts(name)}}
        for content, facts in documents
        for trial in content.get("trials", ())
        if "lr" in trial
    ]
    if not rows:
        raise ArgumentError("there are no trials of one rate in these plans and sweeps.")
    known = [
        name
        for name in dict.fromkeys(key for row in rows for key in row)
        if name not in {"lr", "loss"} and all(name in row for row in rows)
    ]
    for name in factors:
        if name not in known:
            raise ArgumentError(
                f"some plans and sweeps do not have the fact {name}; all have {', '.join(known)}. "
                "Save facts with --store and --facts."
            )
    columns = [
        name for name in known if name in factors or not _is_determined(name, factors, rows)
    ]
    if factors:
        _refuse_mixed(columns, factors, rows)
    ordered = [
        "lr",
        "loss",
        *(name for name in ("steps", *sorted(set(columns) - {"steps"})) if name in columns),
    ]
    return {name: [row[name] for row in rows] for name in ordered}


def _counts(name: str) -> bool:
    """Whether a field of a trial is its rate, its loss, or a factor."""
    return name in {"lr", "loss"} or name not in _OF_TRIALS


def _numbers(facts: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in facts.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    }


def _is_determined(name: str, factors: Collection[str], rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether rows that share the factors asked for share a further one."""
    values: dict[tuple[Any, ...], Any] = {}
    return all(
        values.setdefault(tuple(row[factor] for factor in factors), row[name]) == row[name]
        for row in rows
    )


def _refuse_mixed(
    columns: Collection[str], factors: Collection[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse trials that a fit would compare, although they differ in more than their rate."""
    fitted = {name for name in columns if name in {*factors, *FACTORS}}
    for name in columns:
        if name not in fitted and not _is_determined(name, fitted, rows):
            values = sorted({row[name] for row in rows})
            listed = ", ".join(f"{value:g}" for value in values[:8])
            raise ArgumentError(
                f"the trials differ in {name} ({listed}{', ...' if len(values) > 8 else ''}), and so "
                f"do their losses. Say which {name} the predicted run has, as in {name}={values[-1]:g}."
            )
