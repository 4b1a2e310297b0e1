"""How good the findings are: recall and precision per code, over runs trained for real.

    python benchmarks/watch_corpus.py [--data DIR] [--split test] [--json] [--page docs/findings/measured.md]

Trains the runs of `_watch_runs.py` that are not in build/watch_corpus yet (seconds each; a killed
corpus goes on where it was), diagnoses every run that is there, writes a line a run into
`watch_corpus.csv` beside this script, and prints the table, or redraws it in a page. Data:
`LEARNRATE_DATA` or --data (Adult, Shakespeare), Debian's dataset-fashion-mnist, and digits.

A run counts for its code if the fault was injected and took, which is decided by losses alone.
Recall: of these, the share in which the code is found. Precision: of all findings of the code, in
healthy runs too, the share that are of runs with that fault; what `ALSO` says to be true of a run
as well is left out of that.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from _page import table, write_section

from learnrate.watch import RULES, Observations, Watcher, diagnose

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.watch import Finding

HERE = Path(__file__).parent
CACHE = Path("build/watch_corpus")
BARE = ("lr", "loss", "validation")  # what most logs hold


def made(split: str | None) -> None:
    """Train what is missing."""
    from _watch_runs import cases  # noqa: PLC0415 - reads LEARNRATE_DATA

    CACHE.mkdir(parents=True, exist_ok=True)
    for case in cases():
        file = CACHE / f"{case.name}.pkl"
        if file.exists() or (split is not None and case.split != split):
            continue
        began = time.perf_counter()
        held = pickle.dumps(case.make(case.base))
        temporary = file.with_suffix(".part")
        temporary.write_bytes(held)
        temporary.replace(file)
        print(f"{case.name}: {time.perf_counter() - began:.1f} s", flush=True)


def diagnosed() -> list[dict[str, Any]]:
    """A row a run: what was injected, whether it took, and what was found with which columns."""
    from _watch_runs import cases  # noqa: PLC0415 - as above

    rows = []
    for case in cases():
        file = CACHE / f"{case.name}.pkl"
        if not file.exists():
            continue
        run = pickle.loads(file.read_bytes())
        seen = run.observations(case.name)
        held = {name: values for name, values in run.columns.items() if name in BARE}
        facts = {name: value for name, value in run.facts.items() if name == "resumed_at"}
        bare = type(seen)(
            run=case.name, step=seen.step, columns=held, total_steps=seen.total_steps, facts=facts
        )
        rows.append(
            {
                "run": case.name,
                "split": case.split,
                "injected": case.code,
                "took": run.took,
                "note": run.note,
                "start": f"{run.columns['loss'][:3].mean():.4g}",
                "end": f"{run.columns['loss'][-40:].mean():.4g}",
                "found": " ".join(diagnose(seen).codes()),
                "found_bare": " ".join(diagnose(bare).codes()),
                "found_live": " ".join(said_live(seen)),
            }
        )
    return rows


def said_live(seen: Observations) -> list[str]:
    """The codes that a watcher says of a run that is fed to it row by row."""
    happens: dict[str, Callable[[Any], int]] = {
        "sharpness": lambda held: int(held[0]),
        "resumed_at": int,
    }
    known = {name: held for name, held in seen.facts.items() if name not in happens}
    watcher = Watcher(seen.run, total_steps=seen.total_steps, schedule=seen.schedule, facts=known)
    said: list[Finding] = []
    for row, step in enumerate(seen.step.tolist()):
        columns = {name: held[row : row + 1] for name, held in seen.columns.items()}
        new = {
            name: [one for one in seen.facts[name] if when(one) <= step]
            for name, when in happens.items()
            if name in seen.facts
        }
        said += watcher.feed([step], columns, new)
    return sorted(one.code for one in (*said, *watcher.finish()))


def scored(rows: list[dict[str, Any]], split: str, column: str) -> dict[str, dict[str, Any]]:
    """Runs, finds, recall and precision by code; `all` pools them, `healthy` counts false ones."""
    from _watch_runs import ALSO  # noqa: PLC0415 - as above

    counted = [row for row in rows if row["split"] == split and row["took"]]
    severity = {rule.code: str(rule.severity) for rule in RULES}
    scores: dict[str, dict[str, Any]] = {}
    sums = [0, 0, 0]
    for rule in RULES:
        with_fault = [row for row in counted if row["injected"] == rule.code]
        found = [
            row
            for row in counted
            if rule.code in row[column].split() and rule.code not in ALSO.get(row["injected"], ())
        ]
        right = sum(row["injected"] == rule.code for row in found)
        scores[rule.code] = _score(len(with_fault), len(found), right)
        sums = [a + b for a, b in zip(sums, (len(with_fault), len(found), right), strict=True)]
    scores["all"] = _score(*sums)
    healthy = [row for row in counted if not row["injected"]]
    wrong = [[severity[code] for code in row[column].split()] for row in healthy]
    scores["healthy"] = {
        "runs": len(healthy),
        "with_a_finding": sum(bool(one) for one in wrong),
        "with_an_error": sum("error" in one for one in wrong),
    }
    return scores


def _score(runs: int, found: int, right: int) -> dict[str, Any]:
    return {
        "runs": runs,
        "found": found,
        "right": right,
        "recall": right / runs if runs else None,
        "precision": right / found if found else None,
    }


def drawn(scores: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The tables of a page."""
    titles = {rule.code: rule.title for rule in RULES}
    kinds = ("", ", live", ", bare")
    header = ["code", "runs", "found"]
    header += [f"{name}{kind}" for kind in kinds for name in ("recall", "precision")]
    whole = scores["found"]
    rows = [
        [
            f"{code}, {titles[code]}" if code in titles else "**all**",
            str(one["runs"]),
            str(one["right"]),
            *(
                _share(held[code][name])
                for held in scores.values()
                for name in ("recall", "precision")
            ),
        ]
        for code, one in whole.items()
        if code != "healthy"
    ]
    healthy = [held["healthy"] for held in scores.values()]
    named = ("", "fed row by row ", "with bare logs ")
    said = "; ".join(
        f"{name}{one['with_a_finding']} have a finding and {one['with_an_error']} one of severity "
        "error"
        for name, one in zip(named, healthy, strict=True)
    )
    return f"{table(header, rows)}\n\nOf {healthy[0]['runs']} healthy runs, {said}."


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def main() -> None:
    """Train, diagnose, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="where Adult and Shakespeare lie")
    parser.add_argument(
        "--split", choices=("first", "second", "third", "fourth", "test"), help="only these runs"
    )
    parser.add_argument("--no-training", action="store_true", help="diagnose what is there")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON")
    parser.add_argument("--page", type=Path, help="redraw the table in this page")
    chosen = parser.parse_args()
    if chosen.data:
        os.environ["LEARNRATE_DATA"] = chosen.data
    torch.set_num_threads(1)
    if not chosen.no_training:
        made(chosen.split)
    rows = diagnosed()
    with (HERE / "watch_corpus.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    split = chosen.split or "test"
    scores = {name: scored(rows, split, name) for name in ("found", "found_live", "found_bare")}
    text = drawn(scores)
    if chosen.page:
        write_section(chosen.page, "watch-corpus", text)
    print(json.dumps(scores) if chosen.json else text)


if __name__ == "__main__":
    main()
