"""Pages in a real browser: what the tests of the report and of the dashboard share."""

import os
import shutil
import time
from contextlib import contextmanager

import pytest

from processes import HANG

CHROMIUM = shutil.which("chromium")
NEEDED = os.environ.get("LEARNRATE_BROWSER") == "required" or "CI" in os.environ

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and not NEEDED, reason="chromium is not installed"
)


@contextmanager
def running_browser():
    """Chromium without a window."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "the tests in a browser are required and chromium is not there"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page, with everything that it complained about or requested."""

    def __init__(self, browser, url, *, width=1280, theme="light", offline=False):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, offline=offline
        )
        self.context.set_default_timeout(1000 * HANG)  # milliseconds
        self.complaints, self.requests = [], []
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self._hear(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def _hear(self, message):
        if "was preloaded using link preload but not used" not in message:  # a page that is slow
            self.complaints.append(message)

    def until(self, expression, seconds=HANG):
        """The value of an expression of the page, once it is true."""
        # Not wait_for_function: it evaluates text inside the page, which the page forbids.
        deadline = time.monotonic() + seconds
        while not (value := self.page.evaluate(expression)):
            assert time.monotonic() < deadline, (
                f"never true: {expression}; {self.complaints}; {self.text('body')}"
            )
            self.page.wait_for_timeout(50)
        return value

    def text(self, selector):
        return self.page.inner_text(selector)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()
