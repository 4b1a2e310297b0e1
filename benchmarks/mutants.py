"""Do the tests notice mutations of the source? Each runs against the tests that execute its line.

    python benchmarks/mutants.py [--count 200] [--seed 0] [--rooms schedules watch] [--json FILE]

One run of the rooms' tests under coverage records which test executes which line, and how long each
takes. Then each mutant (one changed operator, number, condition or dropped call) is written into a
copy of the repository, and the tests that execute its line are run, the fastest first, until one
fails that passes without the mutation. A mutant that no test notices survives; survivors are printed
with their place.
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
ROOMS = [
    "schedules",
    "range_test",
    "planning",
    "watch",
    "edits",
    "controllers",
    "run",
    "store",
    "trials",
]
COPIED = ("src", "tests", "benchmarks", "docs", "examples", "pyproject.toml", "README.md")
WORKERS = os.cpu_count() or 1
LONGEST = 60.0  # seconds of tests a mutant is given, at the speed they had under coverage
FAILED = "failed.txt"  # where a copy says which test failed
NO_TEST = "no test"
HANGS = 300.0  # seconds after which a mutant's tests count as hanging, which is noticed too

# What most tests load first takes longer than most of them: it is loaded once, and forked from.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["torch._dynamo", "scipy.stats", "sklearn.datasets", "pytest"])

_QUICK = ("-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:anyio")
_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One change to one file: its place, and the code before and after."""

    file: str
    line: int
    before: str
    after: str
    source: str


def changes_of(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901 - one case for each kind of node
    """What a node may be replaced by."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            yield _with(node, ops=[_COMPARISONS[type(operator)]()])
        case ast.BinOp(op=operator) if type(operator) in _ARITHMETIC:
            yield _with(node, op=_ARITHMETIC[type(operator)]())
        case ast.BoolOp(op=operator):
            yield _with(node, op=ast.Or() if isinstance(operator, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield _with(node, value=not value)
        case ast.Constant(value=int(value)):
            yield _with(node, value=value + 1)
        case ast.Constant(value=float(value)):
            yield _with(node, value=2 * value or 1.0)
        case ast.If(test=test) | ast.IfExp(test=test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield _with(node, value=ast.Constant(None))


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


@dataclass(frozen=True)
class Place:
    """A node that is changed: where it stands in the tree of its file, before and after."""

    file: Path
    tree: ast.Module
    parent: ast.AST
    field: str
    index: int | None
    before: ast.AST
    after: ast.AST


def places_of(file: Path) -> Iterator[Place]:
    """Every change to a file; annotations, decorators and what only a type checker sees stay."""
    tree = ast.parse(file.read_text())
    skipped = {id(child) for node in ast.walk(tree) for child in _inert(node)}
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            children = value if isinstance(value, list) else [value]
            for index, child in enumerate(children):
                if not isinstance(child, ast.AST) or id(child) in skipped:
                    continue
                position = index if isinstance(value, list) else None
                for changed in changes_of(child):
                    yield Place(file, tree, parent, field, position, child, changed)


def _inert(node: ast.AST) -> Iterator[ast.AST]:
    roots: list[ast.AST | None] = []
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        roots += [node.returns, *node.decorator_list]
    elif isinstance(node, ast.ClassDef):
        roots += node.decorator_list
    elif isinstance(node, ast.arg | ast.AnnAssign):
        roots.append(node.annotation)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        roots.append(node)
    for root in filter(None, roots):
        yield from ast.walk(root)


def mutant_at(place: Place) -> Mutant:
    """The file with one change; a tree as large as a file is written out, so only for those drawn."""
    before, after = (ast.unparse(node).split("\n")[0] for node in (place.before, place.after))
    _put(place, place.after)
    source = ast.unparse(ast.fix_missing_locations(place.tree))
    _put(place, place.before)
    line: int = place.before.lineno  # type: ignore[attr-defined]  # expressions and statements have one
    return Mutant(str(place.file.relative_to(ROOT)), line, before, after, source)


def _put(place: Place, node: ast.AST) -> None:
    if place.index is None:
        setattr(place.parent, place.field, node)
    else:
        getattr(place.parent, place.field)[place.index] = node


class LineRecorder:
    """A pytest plugin: which test executes which line, and how long it takes."""

    def __init__(self, path: Path) -> None:
        import coverage  # noqa: PLC0415 - the children that run mutants do without

        self._coverage = coverage.Coverage(data_file=None, source=[str(ROOT / "src")])
        self._path, self._seconds = path, dict[str, float]()

    def pytest_sessionstart(self) -> None:
        """Begin before any module of the package is imported by a test."""
        self._coverage.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Attribute the lines from here on to this test."""
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add the time of a phase; a test that does not pass cannot notice a mutant."""
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration
        if not report.passed:
            self._seconds[report.nodeid] = float("inf")

    def pytest_sessionfinish(self) -> None:
        """Write the tests of each line."""
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            str(Path(file).relative_to(ROOT)): data.contexts_by_lineno(file)
            for file in data.measured_files()
        }
        self._path.write_text(json.dumps({"lines": lines, "seconds": self._seconds}))


def recorded_lines(rooms: list[str], folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """The tests that execute each line, by file and line, and the seconds of each test."""

    def record(room: str) -> Any:
        path = folder / f"{room}.json"
        command = [sys.executable, __file__, "--record", str(path), "--rooms", room]
        subprocess.run(command, cwd=ROOT, env=_environment(ROOT), check=True)
        return json.loads(path.read_text())

    lines: dict[str, Any] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, float] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        for record_of_room in pool.map(record, rooms):
            seconds |= record_of_room["seconds"]
            for file, tests_by_line in record_of_room["lines"].items():
                for line, tests in tests_by_line.items():
                    lines[file][int(line)] += filter(None, tests)
    return lines, seconds


def _environment(root: Path) -> dict[str, str]:
    path = os.pathsep.join(str(root / folder) for folder in ("src", "benchmarks", "docs/hooks"))
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def tests_for(mutant: Mutant, lines: dict[str, Any], seconds: dict[str, float]) -> list[str]:
    """The tests that execute a mutant's line, within the time allowed.

    The fastest first, one case of each parametrized test before the second of any, so that cases
    which are alike do not use up the time. A line that runs at import alone, such as a constant, is
    tested by all tests of the file's lines.
    """
    by_line = lines.get(mutant.file, {})
    covering = set(by_line.get(mutant.line, ())) or {test for t in by_line.values() for test in t}
    fastest_first = sorted(covering, key=lambda name: seconds.get(name, 0.0))
    cases: dict[str, int] = defaultdict(int)
    turns = {}
    for test in fastest_first:
        function = test.partition("[")[0]
        turns[test] = cases[function]
        cases[function] += 1
    chosen, spent = [], 0.0
    for test in sorted(fastest_first, key=turns.__getitem__):
        spent += seconds.get(test, 0.0)
        if spent > LONGEST:
            break
        chosen.append(test)
    return chosen


def is_noticed(mutant: Mutant, tests: list[str], root: Path) -> bool:
    """Whether a test fails, or hangs, that passes once the mutation is taken out of the copy."""
    file = root / mutant.file
    original = file.read_text()
    while tests:
        file.write_text(mutant.source)
        try:
            failed = first_failure(tests, root)
        finally:
            file.write_text(original)
        if failed is None:
            return False
        if failed == NO_TEST or first_failure([failed], root) is None:
            return True
        tests = [test for test in tests if test != failed]
    return False


def first_failure(tests: list[str], root: Path) -> str | None:
    """The first test that fails, `NO_TEST` if they hang or cannot be run, None if all pass."""
    (root / FAILED).unlink(missing_ok=True)
    process = _FORKS.Process(target=_run_tests, args=(root, tests))
    process.start()
    process.join(HANGS)
    exit_code = process.exitcode
    with suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()
    if exit_code == 0:
        return None
    return (root / FAILED).read_text() if (root / FAILED).exists() else NO_TEST


def _run_tests(root: Path, tests: list[str]) -> None:
    import pytest  # noqa: PLC0415 - loaded once, in the process that this one is forked from

    os.setsid()
    os.chdir(root)
    os.environ.update(_environment(root))
    sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.exit(pytest.main(["-x", "-q", *_QUICK, *tests], plugins=[FailureRecorder(root / FAILED)]))


class FailureRecorder:
    """A pytest plugin: writes the first test that fails."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write the name of a test that fails in any of its phases."""
        if report.failed:
            self._path.write_text(report.nodeid)


def main(arguments: argparse.Namespace) -> None:
    """Draw the mutants, run their tests, print who survived."""
    draw = random.Random(arguments.seed)
    pool = [
        place
        for room in arguments.rooms
        for folder in [ROOT / "src" / "learnrate" / room]
        for file in sorted(folder.rglob("*.py"))
        for place in places_of(file)
    ]
    drawn = [mutant_at(place) for place in draw.sample(pool, min(arguments.count, len(pool)))]
    print(f"{len(drawn)} of {len(pool)} mutants of {', '.join(arguments.rooms)}")
    with tempfile.TemporaryDirectory() as folder:
        lines, seconds = recorded_lines(arguments.rooms, Path(folder))
        copies: SimpleQueue[Path] = SimpleQueue()
        for worker in range(WORKERS):
            copies.put(_copied(Path(folder) / f"copy-{worker}"))
        began = time.perf_counter()

        def judge(mutant: Mutant) -> str:
            tests = tests_for(mutant, lines, seconds)
            if not tests:
                return "no test runs it"
            root = copies.get()
            try:
                return "killed" if is_noticed(mutant, tests, root) else "survived"
            finally:
                copies.put(root)

        with ThreadPoolExecutor(WORKERS) as workers:
            verdicts = list(_shown(drawn, workers.map(judge, drawn)))
    killed = verdicts.count("killed")
    print(f"{killed} of {len(drawn)} killed ({killed / len(drawn):.0%}), seed {arguments.seed}, ")
    print(f"{time.perf_counter() - began:.0f} s after the tests had run once")
    if arguments.json:
        rows = [
            {key: value for key, value in asdict(mutant).items() if key != "source"}
            | {"verdict": verdict}
            for mutant, verdict in zip(drawn, verdicts, strict=True)
        ]
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


def _shown(drawn: list[Mutant], verdicts: Iterator[str]) -> Iterator[str]:
    for mutant, verdict in zip(drawn, verdicts, strict=True):
        if verdict != "killed":
            change = f"{mutant.before}  ->  {mutant.after}"
            print(f"{mutant.file}:{mutant.line}: {verdict}: {change}", flush=True)
        yield verdict


def _copied(root: Path) -> Path:
    root.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    return root


def record_room(path: Path, room: str) -> None:
    """Run a room's tests once and write which of them executes which line."""
    import pytest  # noqa: PLC0415 - only here

    tests = f"tests/{room}"
    pytest.main(["-q", "-p", "no:cacheprovider", tests], plugins=[LineRecorder(path)])


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=200, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same mutants")
    parser.add_argument("--rooms", nargs="+", default=ROOMS, help="packages of src/learnrate")
    parser.add_argument("--json", help="a file for every mutant and its verdict")
    parser.add_argument("--record", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    options = parsed()
    if options.record:
        record_room(Path(options.record), options.rooms[0])
    else:
        main(options)
