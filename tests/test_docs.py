"""The README and the pages cannot lie: what they show is run, each page in a folder of its own."""

import gzip
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from processes import end
from ranks import finished_ranks
from warm import finished_warm

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
TERMS = ROOT / "src" / "learnrate" / "glossary" / "terms"
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted(TERMS.glob("*.md"))]

# Runs as long as a page makes them would take minutes; what is shown is the same with fewer updates.
SHORTENED = {
    r"\btotal_steps=[12]000,": "total_steps=100,",
    r"--total-steps 2000\b": "--total-steps 200",
    r"--simulate 20000": "--simulate 100",
    r"\b250 500 1000 2000\b": "20 40 80",
    r"--seeds 3 --total-steps 300": "--seeds 1 --total-steps 40",
    r"--lr 1e-4:1:13 ": "--lr 1e-4:1:5 ",
    r"for steps in 25 50 100;": "for steps in 5 10;",
    r"--widths 16,32 --lr 1e-3:1:7 ": "--widths 8,16 --lr 1e-3:1:3 ",
    r"--widths 16,64 --lr 1e-3:1e-1:5 ": "--widths 8,16 --lr 1e-3:1e-1:3 --total-steps 5 ",
    r"--total-steps 300 --seeds 3 --out comp": "--total-steps 50 --seeds 2 --optimizers Prodigy --out comp",
    r"0:0.5:6 --seeds 3": "0:0.5:3 --seeds 1",
    r"--plan inside": "--plan inside --total-steps 150",
    r"sweep my_task.py:task --total-steps \$steps": r"\g<0> --seeds 1",
    r"--lr 1e-4:1:5 --out runs/sweep": r"\g<0> --seeds 1 --total-steps 20",
    r"--lr 1e-4:1e-1:7 --seeds 2 --total-steps 100": "--lr 1e-4:1e-1:4 --seeds 1 --total-steps 20",
    r"--inner-lr -0.1:0.5:13 ": "--inner-lr -0.1:0.5:4 ",
    r"--seeds 1 --total-steps 40 --png map": "--seeds 1 --total-steps 10 --png map",
    r"(\"schedule-free\"\], )total_steps=100,": r"\1total_steps=50,",
    r"--widths 16,64,256 ": "--widths 8,16,32 ",
    r"plan=\"inside\", total_steps=1000\)": 'plan="inside", total_steps=150)',
    r"(learnrate plan +\S+:task)(?!.*--budget)": r"\1 --budget 0.5",  # by default a minute
}
# The packages of these pages take seconds to load, so they run beside the others.
HEAVY = ("lightning", "transformers", "keras", "jax", "frameworks", "trackers", "accelerate")
# A real server is needed, and there: tests/store/test_postgres_page.py.
ELSEWHERE = {"docs/how-to/postgres.md"}


MAKE_LOGS = """
import torch
torch.manual_seed(0)
import learnrate
from my_task import task
plan = learnrate.plan(task, budget=0.5, progress=False)
plan.write("plans/plan.json")
learnrate.train(task, plan.schedule, store="learnrate.db", progress=False)
import sys
from learnrate.cli import main
sys.argv = ["learnrate", "export", "last", "--to", "run.csv"]
main()
"""


def items(page):
    """What a page shows, in order: Python snippets, and shell lines as blocks."""
    text = page.read_text()
    fenced = re.finditer(r"^```(python|bash|console)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    snippets = [("bash" if match[1] == "console" else match[1], match[2]) for match in fenced]
    snippets = [
        (kind, re.sub(r"^\$ ", "", code, flags=re.MULTILINE) if kind == "bash" else code)
        for kind, code in snippets
    ]
    if page.parent == TERMS:
        snippets += [
            ("bash", line) for line in re.findall(r"^    (learnrate .*)$", text, re.MULTILINE)
        ]
    return [
        {"id": f"{page.relative_to(ROOT)}-{index}", "kind": kind, "text": shortened(code)}
        for index, (kind, code) in enumerate(snippets)
    ]


def shortened(code):
    for long, short in SHORTENED.items():
        code = re.sub(long, short, code)
    return code


SHOWN = {page: items(page) for page in PAGES if items(page)}


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What went wrong with each item, from two processes that share the pages."""
    top = tmp_path_factory.mktemp("pages")
    model = prepared(tmp_path_factory.mktemp("given"))
    jobs = {"light": [], "heavy": []}
    for page, shown in SHOWN.items():
        folder = top / "-".join(page.relative_to(ROOT).with_suffix("").parts)
        subprocess.run(["cp", "-r", str(model), str(folder)], check=True)
        steered = any("learnrate steer " in item["text"] for item in shown)
        heavy = page.stem in HEAVY and page.parent.name == "how-to"
        job = {"folder": str(folder), "items": shown, "steered": steered}
        if page.relative_to(ROOT).as_posix() not in ELSEWHERE:
            jobs["heavy" if heavy else "light"].append(job)
    return run_pages(top, jobs)


def run_pages(top, jobs):
    started = {}
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "100",
        "KERAS_BACKEND": "torch",
        "TOKENIZERS_PARALLELISM": "false",
    }
    environment.pop("LEARNRATE_STORE", None)
    for name, pages in jobs.items():
        job, result, output = (
            top / f"{name}{suffix}" for suffix in (".json", "-result.json", ".txt")
        )
        job.write_text(json.dumps(pages))
        command = [sys.executable, str(ROOT / "tests" / "docs_runner.py"), str(job), str(result)]
        with output.open("w") as out:
            started[name] = subprocess.Popen(
                command,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    errors = {}
    try:
        for name, process in started.items():
            process.wait(timeout=1800)
            output = (top / f"{name}.txt").read_text()
            assert process.returncode == 0, output
            errors |= json.loads((top / f"{name}-result.json").read_text())
    finally:
        for process in started.values():
            end(process)
    return errors


def prepared(folder):
    """What a reader has: a task, runs of it, their logs, a table of runs, a virtual environment."""
    task, *_ = blocks("python")
    (folder / "my_task.py").write_text(shortened(task))
    (folder / "runs.csv").write_text(table(tokens=(1e9, 3e9, 1e10)))
    with gzip.open(folder / "runs.csv.gz", "wt") as file:
        file.write(table(tokens=(3e9,)))
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text("")
    (folder / "plans").mkdir()
    process = finished_warm(MAKE_LOGS, folder=folder)
    assert process.returncode == 0, process.stderr
    for name in ("runs", "out"):
        (folder / name).mkdir()
        (folder / name / "run.csv").write_bytes((folder / "run.csv").read_bytes())
    return folder


def table(tokens):
    """Runs over model size, data and batch, from a law, as a table that `learnrate scale` reads."""
    noise = np.random.default_rng(0)
    rows = ["lr,loss,smooth loss,N,D,B,bs,depth"]
    for size, data, batch in itertools.product((1e7, 3e7, 1e8), tokens, (32, 128, 512)):
        for lr in np.geomspace(3e-4, 3e-2, 9):
            off = np.log(lr / 3e-3) + 0.5 * np.log(size / 3e7) - 0.2 * np.log(batch / 128)
            loss = 2.5 + 0.02 * off**2 + 0.001 * noise.standard_normal()
            rows.append(
                f"{lr},{loss},{loss},{size},{data},{batch},{batch},{round((size / 1e6) ** 0.5)}"
            )
    return "\n".join(rows) + "\n"


def test_the_script_of_the_page_on_ddp_runs_on_two_ranks(tmp_path):
    script, *_ = blocks("python", (DOCS / "how-to" / "ddp.md").read_text())
    assert script.startswith("# train_ddp.py\n")
    (tmp_path / "train_ddp.py").write_text(shortened(script))
    (first, printed, errors), (second, *_, more) = finished_ranks("train_ddp.py", folder=tmp_path)
    assert (first, second) == (0, 0), errors + more
    assert "updates on 2 processes" in printed


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(item, id=item["id"])
        for page, shown in SHOWN.items()
        for item in shown
        if page.relative_to(ROOT).as_posix() not in ELSEWHERE
    ],
)
def test_the_code_on_a_page_runs(results, item):
    assert results[item["id"]] is None, f"{item['text']}\n{results[item['id']]}"
