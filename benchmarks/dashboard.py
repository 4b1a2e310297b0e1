"""How fast the dashboard is: a list of 1,000 runs, and a run of a million points.

    python benchmarks/dashboard.py [--runs 1000] [--points 1000000] [--json]

A real server on this machine, and Debian's chromium where it is installed. Of the server the whole
answer is timed, of the browser from the navigation to the curves on the screen: as a sketch, and as
plotly draws them. The first time is the one after the start, when nothing is in memory; the others
are the median of five.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import learnrate
from learnrate.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 5
TARGETS = {"list": 0.3, "run": 1.0}
COLUMNS = ("loss", "validation", "lr", "gradient_norm", "update_ratio")
PAINTED = """new Promise((done) => new PerformanceObserver((list) => {
  for (const seen of list.getEntriesByName("first-contentful-paint")) done(seen.startTime);
}).observe({ type: "paint", buffered: true }))"""
CHROMIUM = shutil.which("chromium")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "runs.db")
        big = filled(store, given.runs, given.points)
        server, url = served(store, folder)
        try:
            found = measured(url, big)
        finally:
            server.kill()
            server.wait()
    if given.json:
        json.dump(found, sys.stdout, indent=2)
        print()
        return
    print(f"{given.runs:,} runs; one of {given.points:,} points x {len(COLUMNS)} columns")
    for name, (first, later) in found.items():
        print(f"{name:44} first {1e3 * first:6.0f} ms   then {1e3 * later:6.0f} ms")
    print(f"wanted: the list in {TARGETS['list']:g} s, the run in {TARGETS['run']:g} s")


def filled(store: Store, runs: int, points: int) -> str:
    """Runs with a few points each, and one with many; its id."""
    course = learnrate.schedule("1e-3 * warmup(5%) >> cosine()")
    for index in range(runs - 1):
        run = store.new_run(name=f"run {index}", total_steps=1000, schedule=course.over(1000))
        store.write_points(run, np.arange(10), {"loss": np.ones(10), "lr": np.ones(10)})
        store.set_status(run, "finished")
    big = store.new_run(name="long", total_steps=points, schedule=course.over(points))
    step, rng = np.arange(points), np.random.default_rng(0)
    columns = {name: np.exp(rng.normal(0.0, 0.3, points)) for name in COLUMNS}
    columns["lr"] = course.over(points)(step)
    store.write_points(big, step, columns)
    store.set_status(big, "finished")
    return big


def served(store: Store, folder: str) -> tuple[subprocess.Popen[str], str]:
    """The dashboard as a process of its own, and the address it prints."""
    command = [sys.executable, "-m", "learnrate", "dashboard", "--store", store.place]
    server = subprocess.Popen(
        [*command, "--no-browser", "--json", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": folder},
    )
    assert server.stdout is not None
    return server, str(json.loads(server.stdout.readline())["url"])


def measured(url: str, big: str) -> dict[str, tuple[float, float]]:
    """Seconds by what was asked for: the first time, and the median of the later ones."""
    base, _, token = url.partition("/?token=")
    query = "&".join(f"column={name}" for name in COLUMNS)

    def get(path: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with urllib.request.urlopen(urllib.request.Request(base + path, headers=headers)) as got:
            got.read()

    found = {
        "server: list of runs (JSON)": timed(lambda: get("/api/runs")),
        "server: list of runs (page)": timed(lambda: get("/")),
        "server: curves of the long run": timed(lambda: get(f"/api/runs/{big}/curves?{query}")),
    }
    if CHROMIUM is not None:
        found |= in_browser(url, base, big)
    return found


def in_browser(url: str, base: str, big: str) -> dict[str, tuple[float, float]]:
    """Seconds until the page shows what it is for, as the browser itself counts them."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the group test

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page: Any = browser.new_page()
        page.goto(url)

        def listed() -> float:
            page.goto(base)
            return float(page.evaluate(PAINTED)) / 1e3

        def opened() -> tuple[float, float]:
            page.goto(f"{base}/run/{big}", wait_until="commit")
            page.locator("[data-drawn]").wait_for()
            marks = "name => performance.getEntriesByName(name)[0].startTime / 1e3"
            return page.evaluate(marks, "sketched"), page.evaluate(marks, "drawn")

        found = {"browser: list of runs": seconds(listed)}
        seen, drawn = zip(*(opened() for _ in range(1 + TURNS)), strict=True)
        found["browser: the long run, loss and rate seen"] = seen[0], statistics.median(seen[1:])
        found["browser: the same, to zoom and hover"] = drawn[0], statistics.median(drawn[1:])
        browser.close()
    return found


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """How long it takes the first time, and the median of the later ones."""

    def turn() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return seconds(turn)


def seconds(turn: Callable[[], float]) -> tuple[float, float]:
    """What a turn gives the first time, and the median of the later ones."""
    times = [turn() for _ in range(1 + TURNS)]
    return times[0], statistics.median(times[1:])


if __name__ == "__main__":
    main()
