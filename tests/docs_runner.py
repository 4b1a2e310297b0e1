"""What tests/test_docs.py starts: runs the snippets and shell blocks of pages, all in one process.

    python docs_runner.py JOB.json RESULTS.json

A job is a list of pages, each a folder and its items in the order of the page. Python snippets run in
namespaces of their own. Shell blocks are run by bash; what they call `learnrate` is the command of
this process, so that nothing is imported twice. What cannot be run here is checked in other ways, see
`PRELUDE`.
"""

import contextlib
import io
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import tomllib
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Commands of ours that are parsed and not run, with what runs them elsewhere.
PARSED_ONLY = {
    "learnrate dashboard": "serves until it is stopped; tests/dashboard starts it",
    "--engine ray": "takes half a minute to start; tests/trials runs it on a cluster",
    "learnrate merge": "needs what a dying store leaves behind; tests/store makes one",
    "--replay last": "trains as long as the run that was steered; tests/run does",
}

# make is asked what it would do; scripts and extras must exist with the options named; a virtual
# environment, a database and a Ray cluster are the machine's own; what torchrun starts runs in tests/test_docs.py.
PRELUDE = r"""
learnrate() { _ask learnrate "$@"; }
_ask() {
  printf '%s\0' "$PWD" "$@" > request.part; printf '\n' >> request.part; mv request.part request
  while [ ! -e answer ]; do sleep 0.02; done
  local code; code=$(cat answer); rm answer; cat stdout; cat stderr >&2; return "$code"
}
make() { command make -C "$ROOT" --dry-run "$@" > /dev/null; }
python() {
  if [ "$1" = -m ]; then
    test -f "$ROOT/benchmarks/$2/__main__.py" || { echo "no module $2" >&2; return 1; }; return 0
  fi
  test -f "$ROOT/$1" || { echo "no script $1" >&2; return 1; }
  for each in "${@:2}"; do case $each in
    --*) grep -q -e "\"$each\"" "$ROOT/$1" "$ROOT/benchmarks/_page.py" || { echo "$1 has no option $each" >&2; return 1; };;
  esac; done
}
python3() { :; }
pip() { _ask pip "$@"; }
ray() { :; }
createdb() { :; }
torchrun() {
  case " $* " in
    *" -m learnrate "*) while [ "$1" != learnrate ]; do shift; done; shift; _ask parse "$@";;
    *) test -f "${@: -1}";;
  esac
}
"""


def main():
    """Run every page, and write what went wrong by item: null where nothing did."""
    job, results = (Path(argument) for argument in sys.argv[1:])
    warnings.simplefilter("ignore")
    errors = {}
    for page in json.loads(job.read_text()):
        os.chdir(page["folder"])
        before = dict(os.environ)
        for name in sys.modules.keys() & {"my_task", "tasks"}:
            del sys.modules[name]  # each folder has its own
        sys.path[0] = page["folder"]
        with live_run() if page["steered"] else contextlib.nullcontext():
            for item in page["items"]:
                began = processor_time()
                errors[item["id"]] = run_item(item)
                seconds = processor_time() - began
                if seconds > 1:
                    sys.stdout.write(f"{item['id']}: {seconds:.1f} s of processor\n")
        os.environ.clear()
        os.environ.update(before)
    results.write_text(json.dumps(errors))


def processor_time():
    """Seconds of this process and of those that it has started and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_item(item):
    """What went wrong, or None."""
    kind, text = item["kind"], item["text"]
    if kind == "bash":
        return run_block(text)
    named = re.match(r"# (\w+\.py)\n", text)
    if named:
        Path(named[1]).write_text(text)
        if named[1].startswith("train"):
            return None  # started by the page's own command
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            exec(compile(text, item["id"], "exec"), {"__name__": "__main__"})
    except BaseException:  # noqa: BLE001 - a snippet may do anything
        return f"{output.getvalue()[-2000:]}\n{traceback.format_exc()}"
    return None


def run_block(text):
    """Run a shell block by bash, answering its calls of `learnrate`."""
    script = f"set -eu -o pipefail\n{PRELUDE}\n{text}"
    environment = {**os.environ, "ROOT": str(ROOT), "PYTHON": sys.executable}
    for name in ("request", "answer"):
        Path(name).unlink(missing_ok=True)
    bash = subprocess.Popen(
        ["bash", "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    request = Path("request")
    while bash.poll() is None:
        if not request.exists():
            time.sleep(0.01)
            continue
        _, *words = request.read_text().removesuffix("\n").split("\0")[:-1]
        request.unlink()
        code, stdout, stderr = answer_to(words)
        Path("stdout").write_text(stdout)
        Path("stderr").write_text(stderr)
        Path("answer.part").write_text(str(code))
        Path("answer.part").rename("answer")
    output = bash.stdout.read()
    return None if bash.returncode == 0 else f"exit status {bash.returncode}\n{output[-3000:]}"


def answer_to(words):
    """Exit status, standard output and standard error of a command."""
    if words[0] == "pip":
        return installable(words[1:])
    line = shlex.join(words)
    if words[0] == "parse" or any(text in line for text in PARSED_ONLY):
        return parsed(words[1:])
    stdout, stderr = io.StringIO(), io.StringIO()
    code = 0
    sys.argv = words
    from learnrate.cli import main as command

    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            command()
        except SystemExit as ended:
            code = ended.code or 0
        except BaseException:  # noqa: BLE001 - and so may a command
            code = 70
            traceback.print_exc()
    return code, stdout.getvalue(), stderr.getvalue()


def parsed(words):
    """Whether a command has these arguments and options."""
    import typer

    from learnrate.cli._app import app

    try:
        group = typer.main.get_command(app)
        group.commands[words[0]].make_context(words[0], words[1:])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the result
        return 2, "", f"{words}: {error!r}"
    return 0, "", ""


def installable(words):
    """Whether every extra of ours that is named exists."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = re.findall(r"(?:learnrate|\.)\[([\w,]+)\]", " ".join(words))
    missing = {extra for extras_named in named for extra in extras_named.split(",")} - set(extras)
    return (1, "", f"no extras {missing}") if missing else (0, "", "")


@contextlib.contextmanager
def live_run():
    """A run that goes on in a thread until it is stopped, for commands that steer."""
    import torch

    import learnrate
    from learnrate.probing import Probes

    def loss_of(model, batch):
        return model(batch).square().mean()

    weight = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(weight.parameters(), lr=0.1)
    run = learnrate.attach(
        optimizer,
        "1e-3 * linear()",
        total_steps=10_000,
        model=weight,
        name="live",
        probes=Probes(weight, loss_of, itertools.repeat(torch.ones(1, 1)), only=[]),
    )
    ended = threading.Event()

    def train():
        while not run.done and not ended.is_set():
            if run.next_step == 999:
                run.steer("snapshot", reason="kept at 1000")
            optimizer.zero_grad()
            loss = loss_of(weight, torch.ones(1, 1))
            loss.backward()
            optimizer.step()
            run.step(loss)
            time.sleep(0.0002)
        run.finish()

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    while run.next_step < 1200:
        time.sleep(0.05)
    try:
        yield
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    main()
