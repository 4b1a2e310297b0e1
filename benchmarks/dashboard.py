"""How fast the dashboard is: a list of 10,000 runs, and a run of a million points.

    python benchmarks/dashboard.py [--runs 10000] [--points 1000000] [--tensorboard] [--json]

It starts a real server on this machine, and Debian's chromium if it is installed. For the server, the
time is that of the whole answer; for the browser, from the navigation until the curves are visible: as a
sketch, and as plotly draws them. The first time is measured after the start, when nothing is in memory;
the others are the median of five. With `--tensorboard`, TensorBoard is measured on the same runs at the
same time: once it has read all files, it gets the requests that its page makes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from _tensorboard import TensorBoard, write_runs

import learnrate
from learnrate.store import Store
from learnrate.store._writes import add_run, run_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPEATS = 5
TARGETS = {"list": 0.3, "run": 1.0}
COLUMNS = ("loss", "validation", "lr", "gradient_norm", "update_ratio")
PAINTED = """new Promise((done) => new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName("first-contentful-paint")) done(entry.startTime);
}).observe({ type: "paint", buffered: true }))"""
CHROMIUM = shutil.which("chromium")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--tensorboard", action="store_true", help="measure TensorBoard too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "runs.db")
        long_run = fill(store, arguments.runs, arguments.points)
        server, url = start_server(store, folder)
        try:
            times = measure(url, long_run)
        finally:
            server.kill()
            server.wait()
        if arguments.tensorboard:
            columns = columns_of(arguments.points)
            times |= measure_tensorboard(Path(folder) / "events", arguments.runs, columns)
    if arguments.json:
        json.dump(times, sys.stdout, indent=2)
        print()
        return
    print(f"{arguments.runs:,} runs; one of {arguments.points:,} points x {len(COLUMNS)} columns")
    for name, (first, later) in times.items():
        print(f"{name:44} first {1e3 * first:6.0f} ms   then {1e3 * later:6.0f} ms")
    print(f"targets: the list in {TARGETS['list']:g} s, the run in {TARGETS['run']:g} s")


def fill(store: Store, runs: int, points: int) -> str:
    """Write runs without points but with all that a list shows, and one with many; the latter's id.

    Args:
        store: an empty store.
        runs: number of runs.
        points: number of points of the long run.
    """
    schedule = learnrate.schedule("1e-3 * warmup(5%) >> cosine()")
    with store.writing() as connection:  # in one transaction: as many would take minutes
        for index in range(runs - 1):
            facts = {"optimizer": "AdamW", "seed": index, "weight_decay": 0.01 * (index % 3)}
            fields = run_fields(f"run {index}", 1000, schedule.over(1000), {"highest": 1.0}, facts)
            losses = {"lr": 1e-4, "loss": 1.0 / (1 + index), "lowest_loss": 1.0 / (2 + index)}
            fields |= {"status": "finished", "step": 1000, **losses}
            add_run(connection, f"run-{index}", fields, 0)
    long_run = store.new_run(name="long", total_steps=points, schedule=schedule.over(points))
    store.write_points(long_run, np.arange(points), columns_of(points))
    store.set_status(long_run, "finished")
    return long_run


def columns_of(points: int) -> dict[str, np.ndarray]:
    """The columns of the long run."""
    rng = np.random.default_rng(0)
    columns = {name: np.exp(rng.normal(0.0, 0.3, points)) for name in COLUMNS}
    schedule = learnrate.schedule("1e-3 * warmup(5%) >> cosine()")
    return columns | {"lr": schedule.over(points)(np.arange(points))}


def start_server(store: Store, folder: str) -> tuple[subprocess.Popen[str], str]:
    """The dashboard in another process, and the address that it prints."""
    command = [sys.executable, "-m", "learnrate", "dashboard", "--store", store.place]
    server = subprocess.Popen(
        [*command, "--no-browser", "--json", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": folder},
    )
    assert server.stdout is not None
    return server, str(json.loads(server.stdout.readline())["url"])


def measure(url: str, long_run: str) -> dict[str, tuple[float, float]]:
    """Seconds for each request: the first time, and the median of the later times."""
    base, _, token = url.partition("/?token=")
    query = "&".join(f"column={name}" for name in COLUMNS)

    def get(path: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(base + path, headers=headers)
        with urllib.request.urlopen(request) as response:
            response.read()

    times = {
        "server: list of runs (JSON)": timed(lambda: get("/api/runs?limit=200")),
        "server: list of runs (page)": timed(lambda: get("/")),
        "server: search among all that is shown (page)": timed(
            lambda: get("/?search=adamw+seed%3C50&sort=lowest_loss")
        ),
        "server: grouped, with differing facts (page)": timed(
            lambda: get("/?group=weight_decay&differences=true")
        ),
        "server: curves of the long run": timed(
            lambda: get(f"/api/runs/{long_run}/curves?{query}")
        ),
    }
    if CHROMIUM is not None:
        times |= measure_browser(url, base, long_run)
    return times


def measure_browser(url: str, base: str, long_run: str) -> dict[str, tuple[float, float]]:
    """Seconds until the content of a page is visible, as the browser measures them.

    Args:
        url: address of the dashboard with its token.
        base: the same without the token.
        long_run: id of the long run.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only in the group test

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page: Any = browser.new_page()
        page.goto(url)

        def open_list() -> float:
            page.goto(base)
            return float(page.evaluate(PAINTED)) / 1e3

        def open_run() -> tuple[float, float]:
            page.goto(f"{base}/run/{long_run}", wait_until="commit")
            page.locator("[data-drawn]").wait_for()
            marks = "name => performance.getEntriesByName(name)[0].startTime / 1e3"
            return page.evaluate(marks, "sketched"), page.evaluate(marks, "drawn")

        times = {"browser: list of runs": seconds(open_list)}
        sketched, drawn = zip(*(open_run() for _ in range(1 + REPEATS)), strict=True)
        times["browser: the long run, loss and rate visible"] = first_and_median(sketched)
        times["browser: the same, with zoom and hover"] = first_and_median(drawn)
        browser.close()
    return times


def measure_tensorboard(
    folder: Path, runs: int, columns: dict[str, np.ndarray]
) -> dict[str, tuple[float, float]]:
    """Seconds that TensorBoard takes for the same runs; for reading the files there is one time.

    Args:
        folder: to write its files to.
        runs: number of runs.
        columns: of the long run.
    """
    write_runs(folder, runs, columns)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    board = TensorBoard(folder, port)
    try:
        read = board.seconds_until_read(runs)
        requests = {name: timed(get) for name, get in board.requests(COLUMNS).items()}
        return {"TensorBoard: start, and reading all files": (read, read), **requests}
    finally:
        board.close()


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that work takes the first time, and the median of the later times."""

    def measure_once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return seconds(measure_once)


def seconds(measure_once: Callable[[], float]) -> tuple[float, float]:
    """The first measurement, and the median of the later ones."""
    return first_and_median([measure_once() for _ in range(1 + REPEATS)])


def first_and_median(times: Sequence[float]) -> tuple[float, float]:
    """The first time, and the median of the others."""
    return times[0], statistics.median(times[1:])


if __name__ == "__main__":
    main()
