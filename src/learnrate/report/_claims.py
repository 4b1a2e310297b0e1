"""Claims in the terminal: their list with verdicts, and one claim with its evidence."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from learnrate.claims import CaseResult, Claim, Outcome

__all__ = ["interval_text", "leading_text", "show_claim", "show_claims"]


_STYLES = {
    "holds": "bold green",
    "holds in part": "bold yellow",
    "does not hold": "bold red",
    "open": "bold",
}
_SAYS = {True: ("supports it", "green"), False: ("contradicts it", "red"), None: ("open", "")}


def show_claims(
    console: Console, results: Sequence[tuple[Claim, Outcome | None, Outcome | None]]
) -> None:
    """Print the claims by topic, each with its verdict and its main figure.

    Args:
        console: the console to print on.
        results: each claim with the outcomes of its quick and of its full test; None without one.
    """
    from rich.padding import Padding  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    from learnrate.claims import quick_and_full  # noqa: PLC0415 - loads torch

    for topic, group in groupby(results, lambda result: result[0].topic):
        console.print(Text(f"\n{topic}", "cyan"))
        for claim, quick, full in group:
            tested = full or quick
            verdict = "not tested" if tested is None else str(tested.verdict)
            style = _STYLES.get(verdict, "dim")
            console.print(Text.assemble((claim.name, "bold"), "  ", (verdict, style)))
            console.print(Padding(Text(claim.statement), (0, 0, 0, 2)))
            if tested is not None:
                evidence = f"{leading_text(tested)}; {quick_and_full(quick, full)}"
                console.print(Padding(Text(evidence, "dim"), (0, 0, 0, 2)))
    console.print(
        "\nlearnrate claims show NAME shows details; learnrate claims run NAME tests it."
    )


def leading_text(tested: Outcome) -> str:
    """The figure that stands for a claim, its interval, and the number of seeds."""
    case = tested.leading
    value = tested.claim.figure(case.figure).text(case.value)
    return f"{case.figure} {value} ({interval_text(tested, case)}), {tested.seeds} seeds"


def show_claim(console: Console, claim: Claim, tested: Outcome | None) -> None:
    """Print one claim: the statement, its source, the rule that decides, and the measured cases.

    Args:
        console: the console to print on.
        claim: the claim.
        tested: the outcome of its test; None if it was not tested.
    """
    from rich.table import Table  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    console.print(Text(claim.name, "bold"))
    console.print(Text(f"“{claim.statement}”"))
    about = Table.grid(padding=(0, 2))
    for label, content in (
        ("source", claim.source),
        ("design", claim.design),
        ("rule", f"holds where {claim.rule}."),
        ("remark", claim.remark),
    ):
        if content:
            about.add_row(Text(label, "dim"), Text(content))
    if tested is not None:
        verdict = str(tested.verdict)
        where = f" for {tested.own_task}" if tested.own_task else ""
        about.add_row(Text("verdict", "dim"), Text.assemble((verdict, _STYLES[verdict]), where))
    console.print(about)
    if tested is None:
        console.print(f"not tested yet: learnrate claims run {claim.name}")
        return
    _show_cases(console, tested)
    console.print(Text(f"{tested.conditions}\n", "dim"))


def _show_cases(console: Console, tested: Outcome) -> None:
    from rich.table import Table  # noqa: PLC0415 - slow to load
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("figure", "measured on"):
        table.add_column(name)
    for name in ("value", "95 % interval", "claimed"):
        table.add_column(name, justify="right")
    table.add_column("")
    for case in tested.cases:
        figure = tested.claim.figure(case.figure)
        meaning, style = _SAYS[case.bears_out] if figure.decides else ("", "")
        table.add_row(
            case.figure,
            case.where,
            figure.text(case.value),
            interval_text(tested, case),
            figure.claimed,
            Text(meaning, style),
        )
    console.print(table)


def interval_text(tested: Outcome, case: CaseResult) -> str:
    """A case's interval for people, in the unit of its figure."""
    figure = tested.claim.figure(case.figure)
    return f"{figure.text(case.low)} .. {figure.text(case.high)}"
