"""The pictures of the site's first page: a plan's report and a run on the dashboard.

    python docs/hooks/screenshots.py        writes docs/pictures/{report,dashboard}-{light,dark}.png

It plans the digits task, records three trainings, and photographs the real pages in Chromium. The
pictures are stored, because a site must be built where there is no browser; `make pictures` makes
them again.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

import learnrate
from learnrate.report import plan_page

ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1200, "height": 860}
FREE_PORT = "0"  # the operating system picks one


def main() -> None:
    """Plan, train, and photograph the pages in both colour schemes."""
    with tempfile.TemporaryDirectory() as folder:
        task = learnrate.load_task(f"{ROOT / 'examples' / 'digits.py'}:task")
        plan = learnrate.plan(task, budget=0.5, out=folder)
        report = Path(folder) / "report.html"
        report.write_text(plan_page(plan), encoding="utf-8")
        store = str(Path(folder) / "runs.db")
        schedules = {
            "too high": 30 * plan.schedule,
            "default rate": learnrate.schedule(1e-3).over(plan.total_steps),
            "planned": plan.schedule,
        }
        for schedule in schedules.values():
            last = learnrate.train(task, schedule, store=store)
        with browser() as chromium, dashboard(store, folder) as url:
            for theme in ("light", "dark"):
                photograph(chromium, theme, "report", report.as_uri())
                photograph(chromium, theme, "dashboard", url, f"/run/{last.run}")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Chromium, as Debian installs it."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@contextlib.contextmanager
def dashboard(store: str, folder: str) -> Iterator[str]:
    """The address of a dashboard that serves a store."""
    command = [sys.executable, "-m", "learnrate", "dashboard", "--store", store, "--no-browser"]
    server = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--json", "--port", FREE_PORT],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_STATE_HOME": folder},
    )
    try:
        yield json.loads(server.stdout.readline())["url"]
    finally:
        server.terminate()
        server.wait()


def photograph(
    chromium: Browser, theme: str, name: str, url: str, path: str | None = None
) -> None:
    """Save what a visitor sees first; `path` is a page that is opened after the first one."""
    context = chromium.new_context(viewport=SIZE, color_scheme=theme)
    page = context.new_page()
    page.goto(url, wait_until="networkidle" if path is None else "load")
    if path is not None:
        page.goto(url.partition("/?")[0] + path, wait_until="load")
    page.wait_for_timeout(3000)
    page.screenshot(path=PICTURES / f"{name}-{theme}.png")
    context.close()


if __name__ == "__main__":
    main()
