"""The tables of the page: by class and view, and by family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _page import table

from .labels import CLASSES
from .views import VIEWS

if TYPE_CHECKING:
    from .scoring import Score

__all__ = ["named_lists", "page_text"]


def _share(count: int, total: int) -> str:
    return f"{count / total:.2f}" if total else "-"


def page_text(pooled: dict[str, Score], by_family: dict[str, dict[str, Score]]) -> str:
    """The tables and a sentence.

    Args:
        pooled: the scores of all families, by view.
        by_family: those of each family, by view.
    """
    scores = list(pooled.values())
    live = scores[0]
    rows = [
        ["healthy runs with a warning or an error", str(live.healthy)]
        + [f"{len(score.warned)}" for score in scores],
        ["healthy runs with an error", str(live.healthy)]
        + [f"{len(score.errors)}" for score in scores],
        ["told to go the wrong way", str(live.healthy + sum(live.runs.values()))]
        + [f"{len(score.wrong)}" for score in scores],
        ["data faults blamed on the rate", str(live.data)]
        + [f"{len(score.blamed)}" for score in scores],
    ]
    rows += [
        [f"recall: {name}", str(live.runs[name])]
        + [_share(score.right[name], score.runs[name]) for score in scores]
        for name in dict.fromkeys(CLASSES.values())
        if live.runs[name]
    ]
    rows += [
        ["precision of too high", ""]
        + [_share(score.lower_right, score.lower) for score in scores],
        ["precision of too low", ""]
        + [_share(score.raised_right, score.raised) for score in scores],
    ]
    first = table(["", "runs", *VIEWS], rows)
    faults = [
        [fault, str(live.runs_by_fault[fault])]
        + [_share(score.right_by_fault[fault], score.runs_by_fault[fault]) for score in scores]
        for fault in CLASSES
        if live.runs_by_fault[fault]
    ]
    families = [_family_row(family, by_view) for family, by_view in by_family.items()]
    header = ["family", "healthy", "warned live", "warned, 30 rows", "wrong way, any view"]
    header += ["too high, live", "too high, full", "all faults, live"]
    total = live.healthy + sum(live.runs.values())
    sentence = (
        f"{total} runs of {len(by_family)} families are judged: {live.healthy} healthy, and "
        f"{sum(live.runs.values())} with a fault that has an effect."
    )
    by_fault = table(["fault", "runs", *VIEWS], faults)
    parts = [sentence, first, "Recall by fault:", by_fault, "By family:", table(header, families)]
    return "\n\n".join(parts)


def _family_row(family: str, by_view: dict[str, Score]) -> list[str]:
    live, full, few = by_view["live"], by_view["full"], by_view["30 rows"]
    name = "too high, x10 and x30"
    wrong = {run for score in by_view.values() for run in score.wrong}
    return [
        family,
        str(live.healthy),
        str(len(live.warned)),
        str(len(few.warned)),
        str(len(wrong)),
        f"{live.right[name]} of {live.runs[name]}",
        f"{full.right[name]} of {full.runs[name]}",
        f"{sum(live.right.values())} of {sum(live.runs.values())}",
    ]


def named_lists(pooled: dict[str, Score]) -> str:
    """The names of the runs that are judged wrongly, with their findings.

    Args:
        pooled: the scores by view.
    """
    lines = []
    for view, score in pooled.items():
        for title, runs in (
            ("healthy with an error", score.errors),
            ("healthy with a warning", score.warned),
            ("told to go the wrong way", score.wrong),
            ("data faults blamed on the rate", score.blamed),
            ("missed", score.missed),
        ):
            lines.append(f"## {view}: {title}, {len(runs)}")
            lines += [f"  {name}: {codes or 'nothing'}" for name, codes in runs.items()]
    return "\n".join(lines)
