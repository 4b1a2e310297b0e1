"""`learnrate runs`: list the runs of a store, show one, or change their labels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from learnrate.cli._common import console, print_json
from learnrate.cli._options import JsonOption, StoreOption, output_file
from learnrate.cli._run_labels import changes_of, lifecycle_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.store import ListedRun, RunGroup, Store, StoredRun

__all__ = ["runs"]

_LAST_ROWS = 1000  # updates, among which the last rates are looked for


def runs(
    run: Annotated[
        list[str] | None,
        Argument(
            metavar="[RUN]...",
            help="Ids, beginnings of ids, or last. A single run is shown with its edits and "
            "findings.",
        ),
    ] = None,
    search: Annotated[
        str,
        Option(
            help="Terms that must all match: word, 'field:part', 'field=value', 'field<number', "
            "-term.",
            show_default=False,
        ),
    ] = "",
    status: Annotated[
        str | None, Option(help="running, finished, diverged, failed, stopped or lost.")
    ] = None,
    sort: Annotated[
        str, Option(help="A field; -field lists the highest value first.")
    ] = "-started",
    group_by: Annotated[str | None, Option(help="A field, such as name or a fact.")] = None,
    column: Annotated[list[str] | None, Option(help="A field to list; may be repeated.")] = None,
    differences: Annotated[
        bool, Option("--differences", help="List the facts in which the runs differ.")
    ] = False,
    lifecycle: Annotated[
        str, Option(help="List the active, archived or deleted runs, or all.")
    ] = "active",
    newest: Annotated[int | None, Option(min=1, help="List at most this many runs.")] = None,
    to: Annotated[
        Path | None,
        Option(help="Write the list to a file that ends in .csv or .json.", callback=output_file),
    ] = None,
    pin: Annotated[
        bool | None, Option("--pin/--unpin", help="List the named runs first, or not.")
    ] = None,
    tag: Annotated[list[str] | None, Option(help="Add a tag to the named runs.")] = None,
    untag: Annotated[list[str] | None, Option(help="Remove a tag from the named runs.")] = None,
    note: Annotated[str | None, Option(help="Set the note of the named runs.")] = None,
    rename: Annotated[str | None, Option(help="Give the named runs this name.")] = None,
    archive: Annotated[
        bool, Option("--archive", help="List the named runs only with --lifecycle archived.")
    ] = False,
    delete: Annotated[
        bool, Option("--delete", help="Delete the named runs; --restore undoes it.")
    ] = False,
    restore: Annotated[bool, Option("--restore", help="Undo --archive or --delete.")] = False,
    purge: Annotated[
        bool,
        Option("--purge", help="Remove the named runs for good. They must already be deleted."),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of a store; show one with its edits and findings; label or delete them.

    A run whose process was killed is shown as lost. A field is a column of the list, such as loss,
    lowest_validation, tags or findings, or a fact, such as optimizer. --search chooses the runs to
    label too.

    [dim]learnrate runs --search 'optimizer=AdamW loss<0.5' --sort lowest_validation[/dim]

    [dim]learnrate runs last --tag baseline --note 'before the new data'[/dim]
    """
    from learnrate.store import (  # noqa: PLC0415 - loads SQLAlchemy, which --help does not need
        RunIndex,
        RunStatus,
        Store,
        change_labels,
        listed,
        purge_runs,
    )

    wanted_status = None if status is None else _choice("--status", status, RunStatus)
    wanted_lifecycle = lifecycle_option(lifecycle)
    opened = Store(store, create=False)
    index = RunIndex(opened)
    ids = list(dict.fromkeys(opened.resolve(name) for name in run or ()))
    all_runs = index.runs()
    chosen = listed(
        [listed_run for listed_run in all_runs if not ids or listed_run.run.id in ids],
        search=search,
        status=wanted_status,
        lifecycle=None if ids else wanted_lifecycle,
        sort=sort,
    )[:newest]
    change = {
        "pinned": pin,
        "tag": tag,
        "untag": untag,
        "note": note,
        "name": rename,
        "archive": archive,
        "delete": delete,
        "restore": restore,
    }
    changes = changes_of(chosen, change, is_chosen=bool(ids or search), purge=purge)
    if purge:
        purge_runs(opened, [listed_run.run.id for listed_run in chosen])
    elif changes:
        change_labels(opened, changes)
        known = {listed_run.run.id: listed_run for listed_run in index.runs()}
        chosen = [known[listed_run.run.id] for listed_run in chosen]
    if len(ids) == 1 and chosen and not (purge or changes or to):
        _show_run(opened, chosen[0].run, as_json=as_json)
        return
    if all_runs and not chosen and not (to or as_json):
        typer.echo("no run matches; learnrate runs --lifecycle all lists every run")
        return
    _list(chosen, column, differences=differences, group_by=group_by, to=to, as_json=as_json)


def _choice(option: str, word: str, choices: Any) -> Any:
    try:
        return choices(word)
    except ValueError:
        raise typer.BadParameter(
            f"{option} must be one of {', '.join(choices)}; got {word!r}."
        ) from None


def _list(
    chosen: list[ListedRun],
    columns: list[str] | None,
    *,
    differences: bool,
    group_by: str | None,
    to: Path | None,
    as_json: bool,
) -> None:
    from learnrate.store import (  # noqa: PLC0415 - loads SQLAlchemy
        check_field,
        differing_facts,
        grouped,
        write_listing,
    )

    for field in [*(columns or ()), *([group_by] if group_by else ())]:
        check_field(field, chosen)
    shown = [*(columns or ()), *(differing_facts(chosen) if differences else ())]
    if to is not None:
        write_listing(chosen, shown, to)
        typer.echo(f"{len(chosen):,} runs in {to}")
        return
    groups = None if group_by is None else grouped(chosen, group_by)
    if as_json:
        runs_json = [listed_run.to_dict(shown) for listed_run in chosen]
        print_json(runs_json if groups is None else [group.to_dict(shown) for group in groups])
        return
    from learnrate.report import show_runs  # noqa: PLC0415 - not for --json

    show_runs(console(), chosen, shown, _headed(groups, group_by))


def _headed(groups: Sequence[RunGroup] | None, field: str | None) -> dict[str, RunGroup] | None:
    """Groups by their headings."""
    return None if groups is None else {f"{field} = {group.value}": group for group in groups}


def _show_run(store: Store, run: StoredRun, *, as_json: bool) -> None:
    edits, findings = store.edits(run.id), store.findings(run.id)
    if as_json:
        document = run.to_dict()
        document["schedule"] = None if run.schedule is None else str(run.schedule)
        document["facts"] = dict(run.facts)
        document["edits"] = [edit.to_dict() for edit in edits]
        document["findings"] = [finding.to_dict() for finding in findings]
        print_json([document])
        return
    from learnrate.report import show_run, show_runs  # noqa: PLC0415 - not for --json
    from learnrate.store import ListedRun  # noqa: PLC0415 - loads SQLAlchemy

    show_runs(console(), [ListedRun(run=run)])
    show_run(console(), run, edits, findings, _last_rates(store, run))


def _last_rates(store: Store, run: StoredRun) -> dict[str, float]:
    """The last rate of each parameter group by its column; empty if all groups have one rate."""
    from learnrate.store import with_group_rates  # noqa: PLC0415 - loads SQLAlchemy

    points = with_group_rates(store.points(run.id, after=run.step - _LAST_ROWS), run.facts)
    columns = {name: rates for name, rates in points.columns.items() if name.startswith("lr[")}
    known = {
        name: [rate for rate in rates.tolist() if not math.isnan(rate)]
        for name, rates in columns.items()
    }
    return {name: rates[-1] for name, rates in known.items() if rates}
