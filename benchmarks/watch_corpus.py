"""How good the findings are: recall and precision for each code, on runs trained for real.

    python benchmarks/watch_corpus.py [--data DIR] [--split test] [--json] [--page docs/findings/measured.md]

Trains the runs of `_watch_runs.py` that are not in build/watch_corpus yet (seconds each; a script
that was killed continues where it was), diagnoses every run in it, writes a line per run into
`watch_corpus.csv` beside this script, and prints the table, or writes it into a page. Data:
`LEARNRATE_DATA` or --data (Adult, Shakespeare), Debian's dataset-fashion-mnist, and digits.

A run counts for its code if the fault was injected and had an effect, which the losses alone decide.
Recall is the share of these runs in which the code is found. Precision is the share of all findings
of the code, in healthy runs too, that are in runs with that fault; findings that `ALSO_TRUE` lists
for a fault are left out of it.
"""

from __future__ import annotations

import csv
import json
import os
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from _page import parser_of, table, write_section

from learnrate.watch import RULES, Observations, Watcher, diagnose

if TYPE_CHECKING:
    from collections.abc import Callable

    from learnrate.watch import Finding

HERE = Path(__file__).parent
CACHE = Path("build/watch_corpus")
BARE = ("lr", "loss", "validation")  # the columns of most logs


def train_missing(split: str | None) -> None:
    """Train the runs that are not stored yet."""
    from _watch_runs import cases  # noqa: PLC0415 - reads LEARNRATE_DATA

    CACHE.mkdir(parents=True, exist_ok=True)
    for case in cases():
        file = CACHE / f"{case.name}.pkl"
        if file.exists() or (split is not None and case.split != split):
            continue
        start = time.perf_counter()
        content = pickle.dumps(case.train(case.setup))
        temporary = file.with_suffix(".part")
        temporary.write_bytes(content)
        temporary.replace(file)
        print(f"{case.name}: {time.perf_counter() - start:.1f} s", flush=True)


def diagnosed_runs() -> list[dict[str, Any]]:
    """A row per run: the injected fault, whether it had an effect, and the findings."""
    from _watch_runs import cases  # noqa: PLC0415 - as above

    rows = []
    for case in cases():
        file = CACHE / f"{case.name}.pkl"
        if not file.exists():
            continue
        run = pickle.loads(file.read_bytes())
        observations = run.observations(case.name)
        columns = {name: column for name, column in run.columns.items() if name in BARE}
        facts = {name: value for name, value in run.facts.items() if name == "resumed_at"}
        bare = Observations(
            run=case.name,
            step=observations.step,
            columns=columns,
            total_steps=observations.total_steps,
            facts=facts,
        )
        rows.append(
            {
                "run": case.name,
                "split": case.split,
                "injected": case.code,
                "took": run.had_effect,
                "note": run.note,
                "start": f"{run.columns['loss'][:3].mean():.4g}",
                "end": f"{run.columns['loss'][-40:].mean():.4g}",
                "found": " ".join(diagnose(observations).codes()),
                "found_bare": " ".join(diagnose(bare).codes()),
                "found_live": " ".join(live_codes(observations)),
            }
        )
    return rows


def live_codes(observations: Observations) -> list[str]:
    """The codes that a watcher reports on a run that is fed to it row by row."""
    step_of: dict[str, Callable[[Any], int]] = {
        "sharpness": lambda pair: int(pair[0]),
        "resumed_at": int,
    }
    facts = observations.facts
    watcher = Watcher(
        observations.run,
        total_steps=observations.total_steps,
        schedule=observations.schedule,
        facts={name: fact for name, fact in facts.items() if name not in step_of},
    )
    findings: list[Finding] = []
    for row, step in enumerate(observations.step.tolist()):
        columns = {name: column[row : row + 1] for name, column in observations.columns.items()}
        new = {
            name: [event for event in facts[name] if step_of_event(event) <= step]
            for name, step_of_event in step_of.items()
            if name in facts
        }
        findings += watcher.feed([step], columns, new)
    return sorted(finding.code for finding in (*findings, *watcher.finish()))


def scores_of(rows: list[dict[str, Any]], split: str, column: str) -> dict[str, dict[str, Any]]:
    """Runs, hits, recall and precision by code, for all codes, and false findings if healthy."""
    from _watch_runs import ALSO_TRUE  # noqa: PLC0415 - as above

    counted = [row for row in rows if row["split"] == split and row["took"]]
    severity = {rule.code: str(rule.severity) for rule in RULES}
    scores: dict[str, dict[str, Any]] = {}
    sums = [0, 0, 0]
    for rule in RULES:
        with_fault = [row for row in counted if row["injected"] == rule.code]
        with_finding = [
            row
            for row in counted
            if rule.code in row[column].split()
            and rule.code not in ALSO_TRUE.get(row["injected"], ())
        ]
        right = sum(row["injected"] == rule.code for row in with_finding)
        counts = len(with_fault), len(with_finding), right
        scores[rule.code] = _score(*counts)
        sums = [total + count for total, count in zip(sums, counts, strict=True)]
    scores["all"] = _score(*sums)
    healthy = [row for row in counted if not row["injected"]]
    severities = [[severity[code] for code in row[column].split()] for row in healthy]
    scores["healthy"] = {
        "runs": len(healthy),
        "with_a_finding": sum(bool(false) for false in severities),
        "with_an_error": sum("error" in false for false in severities),
    }
    return scores


def _score(runs: int, findings: int, right: int) -> dict[str, Any]:
    return {
        "runs": runs,
        "found": findings,
        "right": right,
        "recall": right / runs if runs else None,
        "precision": right / findings if findings else None,
    }


def page_text(scores: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The table and the sentence for the page."""
    titles = {rule.code: rule.title for rule in RULES}
    kinds = ("", ", live", ", bare")
    header = ["code", "runs", "found"]
    header += [f"{name}{kind}" for kind in kinds for name in ("recall", "precision")]
    rows = [
        [
            f"{code}, {titles[code]}" if code in titles else "**all**",
            str(score["runs"]),
            str(score["right"]),
            *(
                _share(by_code[code][name])
                for by_code in scores.values()
                for name in ("recall", "precision")
            ),
        ]
        for code, score in scores["found"].items()
        if code != "healthy"
    ]
    healthy = [by_code["healthy"] for by_code in scores.values()]
    names = ("", "fed row by row ", "with bare logs ")
    sentence = "; ".join(
        f"{name}{count['with_a_finding']} have a finding and {count['with_an_error']} one of "
        "severity error"
        for name, count in zip(names, healthy, strict=True)
    )
    return f"{table(header, rows)}\n\nOf {healthy[0]['runs']} healthy runs, {sentence}."


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def main() -> None:
    """Train, diagnose, count."""
    parser = parser_of(__doc__, as_json=True)
    parser.add_argument("--data", help="the folder of Adult and Shakespeare")
    parser.add_argument(
        "--split", choices=("first", "second", "third", "fourth", "test"), help="only these runs"
    )
    parser.add_argument("--no-training", action="store_true", help="diagnose only stored runs")
    arguments = parser.parse_args()
    if arguments.data:
        os.environ["LEARNRATE_DATA"] = arguments.data
    torch.set_num_threads(1)
    if not arguments.no_training:
        train_missing(arguments.split)
    rows = diagnosed_runs()
    with (HERE / "watch_corpus.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    split = arguments.split or "test"
    scores = {name: scores_of(rows, split, name) for name in ("found", "found_live", "found_bare")}
    text = page_text(scores)
    if arguments.page:
        write_section(arguments.page, "watch-corpus", text)
    print(json.dumps(scores) if arguments.json else text)


if __name__ == "__main__":
    main()
