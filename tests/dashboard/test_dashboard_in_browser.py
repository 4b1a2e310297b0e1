"""The pages in a real browser, with the dashboard and a training as processes of their own."""

import contextlib
import dataclasses
import itertools
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from served import HOSTILE, recorded

from browsers import Visit, needs_chromium
from learnrate.steering import replayed
from learnrate.store import Recorder, Store
from learnrate.watch import Finding, Severity
from processes import HANG, end
from warm import started_warm

TRAINER = (Path(__file__).parent / "trainer.py").read_text()
WRITTEN = Path(__file__).parents[1] / "written_by" / "0.1"
PLAN = WRITTEN / "plan.json"

FINDING = Finding(
    code="LR101", severity=Severity.WARNING, step=9, message="m", evidence={}, remedy="r"
)

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def start():
    """Starts the command line, and ends what is left."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        end(process)


@pytest.fixture
def warm():
    """Starts code in a process that has torch loaded, and ends it."""
    with contextlib.ExitStack() as stack:
        yield lambda *words: stack.enter_context(started_warm(*words))


def dashboard(start, store, *more):
    """The process, and the address it prints."""
    words = ["-m", "learnrate", "dashboard", "--store", store.place, "--no-browser", "--json"]
    process = start(*words, *more)
    return process, json.loads(process.stdout.readline())["url"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory, start):
    """A store with three runs, a dashboard that shows it, its address."""
    folder = tmp_path_factory.mktemp("shown")
    store = Store(folder / "runs.db")
    runs = [recorded(store, HOSTILE), recorded(store, "second", rows=1500)]
    for name in ("plan.json", "rates_plan.json"):
        shutil.copy(WRITTEN / name, folder / name)
    rising = json.loads(PLAN.read_text())["range_test"]
    (folder / f"{HOSTILE.partition('/')[0]}.json").write_text(json.dumps(rising))
    (folder / "cut.json").write_text('{"format": "learnrate.plan", "format_version": 1}')
    (folder / "other.json").write_text("[1, 2]")
    _, url = dashboard(start, store, "--port", "0", "--plans", folder)
    return store, runs, url


class DashboardVisit(Visit):
    """A page of a dashboard whose address opens its door first."""

    def __init__(self, browser, url, path="/", **options):
        super().__init__(browser, url, **options)
        self.base = url.partition("/?")[0]
        self.page.goto(self.base + path)

    def drawn(self):
        self.until("Boolean(document.querySelector('[data-drawn]'))")


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light"), (2560, "dark")])
def test_every_page_loads_only_its_own_files_and_fits_the_window(browser, shown, width, theme):
    _, (first, second), url = shown
    with DashboardVisit(browser, url, width=width, theme=theme) as visit:
        for path in ("/", f"/run/{first}", f"/compare?run={first}&run={second}", "/plans"):
            visit.page.goto(visit.base + path)
            if path.startswith(("/run", "/compare")):
                visit.drawn()
            for alerts in visit.page.locator("details.alerts summary").all():
                alerts.click()
            assert visit.page.evaluate("document.documentElement.scrollWidth") == width, path
        local = (visit.base, "data:", "blob:")
        assert visit.complaints == []
        assert [request for request in visit.requests if not request.startswith(local)] == []


def test_a_run_named_like_html_is_shown_as_it_is_named(browser, shown):
    store, (run, _), url = shown
    store.set_status(run, "running")
    store.add_edit(run, "hold", author=HOSTILE, reason=HOSTILE)
    store.set_status(run, "finished")
    with DashboardVisit(browser, url, f"/run/{run}") as visit:
        visit.drawn()
        assert visit.text("h1") == HOSTILE
        assert visit.text("#edits").count(HOSTILE) == 2
        assert visit.page.locator("img").count() == 0
        visit.page.goto(visit.base)
        assert visit.page.get_by_text(HOSTILE).count() == 1
        assert visit.complaints == []


def test_the_page_can_be_used_with_the_keyboard_and_a_screen_reader(browser, shown):
    _, (run, _), url = shown
    with DashboardVisit(browser, url, f"/run/{run}") as visit:
        visit.drawn()
        page = visit.page
        levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(e => +e.tagName[1])")
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
        unnamed = (
            "all => all.filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim()))"
        )
        assert page.eval_on_selector_all("input, select, textarea, button", f"{unnamed}") == []
        assert "2.3" in page.get_attribute("#plot-loss", "aria-label")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.focus("#table summary")
        page.keyboard.press("Enter")
        visit.until("document.querySelectorAll('#table-rows tbody tr').length === 25")
        assert page.eval_on_selector_all("th", "all => all.every(cell => cell.scope)")
        page.fill("#first", "100")
        page.fill("#last", "200")
        page.keyboard.press("Enter")
        visit.until("document.querySelector('#table-rows th[scope=row]')?.textContent === '100'")


def test_colours_follow_the_system_and_the_button(browser, shown):
    _, (run, _), url = shown
    fill = "getComputedStyle(document.querySelector('#plot-loss .xtick text')).fill"
    with DashboardVisit(browser, url, f"/run/{run}") as visit:
        visit.drawn()
        light = visit.page.evaluate(fill)
        visit.page.emulate_media(color_scheme="dark")
        visit.until(f"{fill} !== '{light}'")
        visit.page.click("#theme")  # to light, whatever the system says
        visit.until(f"{fill} === '{light}'")
        visit.page.reload()
        visit.drawn()
        assert visit.page.evaluate(fill) == light
        assert visit.complaints == []


def test_runs_are_searched_as_one_types_sorted_selected_and_compared(browser, shown):
    store, (first, second), url = shown
    store.add_finding(second, FINDING)
    with DashboardVisit(browser, url) as visit:
        page, rows = visit.page, "document.querySelectorAll('#rows tbody tr:not(.group)').length"
        visit.until(f"{rows} === 2")
        assert page.locator("td:text-is('LR101')").count() == 1
        page.locator("#filter [name=search]").press_sequentially("lr101 total_steps>10")
        visit.until(f"{rows} === 1")
        assert "search=lr101" in page.url
        assert visit.text("#count") == "1 of 2 runs"
        page.fill("#filter [name=search]", "")
        page.locator("th a:text-is('step')").click()
        visit.until("document.querySelector('th[aria-sort]')?.textContent.trim() === 'step'")
        assert page.locator("#rows input[name=run]").first.get_attribute("value") == second
        page.select_option("[name=group]", "optimizer")
        visit.until("document.querySelector('.group')?.textContent.includes('AdamW (2 runs')")
        page.click("summary:text-is('Columns')")
        page.check("input[value=schedule]")
        visit.until("document.querySelector('thead').textContent.includes('schedule')")
        page.goto(visit.base)  # what was chosen is kept
        visit.until("document.querySelector('thead').textContent.includes('schedule')")
        assert page.is_disabled("#compare")
        for run in (first, second):
            page.check(f"input[value={run}]")
        with page.expect_download() as download:
            page.click("text=Export CSV")
        assert download.value.path().read_text().count("\n") == 3
        page.click("#compare")
        visit.drawn()
        assert page.locator("#plot-loss .scatterlayer .trace").count() == 2
        assert visit.complaints == []


def test_labels_are_changed_from_the_list_and_undone(browser, shown):
    store, (first, second), url = shown
    before = store.runs()
    with DashboardVisit(browser, url) as visit:
        page = visit.page
        for run in (first, second):
            page.check(f"input[value={run}]")

        def apply(action, text=None):
            page.select_option("#action", action)
            if text is not None:
                page.fill("#label", text)
                page.press("#label", "Enter")
            else:
                page.click("#apply")

        apply("tag", HOSTILE)
        visit.until("document.querySelectorAll('.tag').length === 2")
        assert page.locator("img").count() == 0
        apply("pin")
        visit.until("document.querySelectorAll('.pin').length === 2")
        apply("tag", "a,b")
        visit.until("document.querySelector('#refused').textContent.includes('commas')")
        page.uncheck(f"input[value={first}]")
        apply("delete")
        visit.until("document.querySelector('#count').textContent === '1 of 2 runs'")
        assert store.run(second).lifecycle == "deleted"
        for words in ("delete", "pin", "add a tag"):
            visit.until(f"document.querySelector('#undo').textContent.startsWith('Undo: {words}')")
            page.click("#undo")
        visit.until("document.querySelector('#undo').hidden")
        assert [text for text in visit.complaints if "409 (Conflict)" not in text] == []
    assert store.runs() == before


def test_more_tabs_than_a_browser_has_connections_load_and_stay_live(browser, tmp_path, start):
    store = Store(tmp_path / "runs.db")
    run = recorded(store, "a", rows=10, status="running")
    process, url = dashboard(start, store, "--port", "0")
    port = url.partition("/?")[0].rpartition(":")[2]
    with DashboardVisit(browser, url) as visit:
        tabs = [visit.page, *(visit.context.new_page() for _ in range(7))]
        for tab in tabs[1:]:
            tab.goto(f"{visit.base}/run/{run}", wait_until="commit", timeout=HANG * 1000)
            tab.locator("#connection[data-state=live]").wait_for(timeout=HANG * 1000)
        store.write_points(run, [10], {"loss": [0.125]})
        for tab in tabs[1:]:
            tab.locator("#loss:text-is('0.125')").wait_for(timeout=HANG * 1000)
        tabs[0].locator("td:text-is('0.125')").wait_for(timeout=HANG * 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for tab in tabs:
            tab.locator("#disconnected:not([hidden])").wait_for(timeout=HANG * 1000)
        store.write_points(run, [11], {"loss": [0.0625]})
        dashboard(start, store, "--port", port)
        for tab in tabs[1:]:
            tab.locator("#loss:text-is('0.0625')").wait_for(timeout=HANG * 1000)
            assert tab.locator("#connection").inner_text() == "live"


def test_curves_are_smoothed_and_drawn_on_the_axes_that_are_chosen(browser, tmp_path, start):
    store = Store(tmp_path / "runs.db")
    facts = {"group_lr": [1.0, 0.1], "steps_per_epoch": 50}
    runs = [recorded(store, name, more_facts=facts, offset=-2.0) for name in "ab"]
    recorder = Recorder(store.url, names=("loss",), facts=facts)
    recorder.begin_attempt(1000, "resumed", runs[0])
    recorder.add((1000, (-1.75,), {"sharpness": 3.0, "process_memory": 1e9}))
    recorder.close("finished")
    _, url = dashboard(start, store, "--port", "0")
    title = "document.querySelector('#plot-loss .{0}title').textContent"
    with DashboardVisit(browser, url, f"/run/{runs[0]}") as visit:
        page = visit.page
        visit.until("document.querySelector('#key-lr').textContent.includes('group 1')")
        visit.until(f"{title.format('y')}.includes('symmetric logarithm')")
        page.uncheck("#log")
        visit.until(f"{title.format('y')} === 'loss'")
        page.check("#log-x")
        page.select_option("#axis", "epoch")
        visit.until(f"{title.format('x')} === 'epoch'")
        page.select_option("#smooth", "100")
        visit.until(
            "document.querySelector('#key-loss').textContent.includes('mean over 100 rows')"
        )
        page.select_option("#axis", "time")
        visit.until(f"{title.format('x')} === 'seconds of training'")
        page.click("#measured summary")
        captions = (
            "[...document.querySelectorAll('#measured-plots figcaption')].map(e => e.textContent)"
        )
        visit.until("document.querySelectorAll('#measured-plots .main-svg').length > 0")
        assert {"process memory", "sharpness"} <= set(page.evaluate(captions))
        page.goto(f"{visit.base}/compare?run={runs[0]}&run={runs[1]}")
        visit.drawn()
        page.select_option("#axis", "epoch")
        visit.until(f"{title.format('x')} === 'epoch'")
        page.select_option("#smooth", "10")
        page.check("#log-x")
        visit.until(f"{title.format('y')}.includes('symmetric logarithm')")
        page.click("#measured summary")
        visit.until("document.querySelectorAll('#measured-plots .main-svg').length > 0")
        assert {"gradient norm", "rate of group 1", "sharpness"} <= set(page.evaluate(captions))
        assert visit.complaints == []


def test_labels_of_marks_that_lie_side_by_side_do_not_overlap(browser, tmp_path, start):
    store = Store(tmp_path / "runs.db")
    run = recorded(store, "marked")
    for step in (10, 15, 20, 600, 605, 990):
        store.add_finding(run, dataclasses.replace(FINDING, step=step))
    _, url = dashboard(start, store, "--port", "0")
    labels = "[...document.querySelectorAll('#plot-loss .annotation-text')]"
    with DashboardVisit(browser, url, f"/run/{run}") as visit:
        texts = f"{labels}.map(label => label.textContent).join('; ')"
        visit.until(f"{texts} === 'F1 … F3; F4 F5; F6'")
        boxes = visit.page.evaluate(
            f"{labels}.map(label => label.getBoundingClientRect().toJSON())"
        )
    for box, following in itertools.pairwise(boxes):
        assert box["right"] < following["left"]


def test_plans_and_range_tests_of_a_folder_are_shown_with_their_figures(browser, shown):
    _, _, url = shown
    with DashboardVisit(browser, url, "/plans") as visit:
        kinds = visit.page.locator("tbody td:nth-child(2)").all_inner_texts()
        assert sorted(kinds) == ["plan", "plan", "range test", "unreadable"]
        for number in [number for number, kind in enumerate(kinds) if kind != "unreadable"]:
            visit.page.locator("tbody tr").nth(number).locator("a").click()
            plots = "[...document.querySelectorAll('.plot')]"
            visit.until(
                f"{plots}.length && {plots}.every(plot => plot.querySelector('.main-svg'))"
            )
            assert visit.page.locator("img").count() == 0
            visit.page.goto(visit.base + "/plans")
        assert visit.complaints == []
        visit.page.click("a:text-is('cut.json')")
        assert "lacks a part" in visit.text("main")


def test_a_training_can_be_watched_edited_rolled_back_and_replayed(  # noqa: PLR0915 - one visit
    browser, tmp_path, start, warm
):
    store = Store(tmp_path / "runs.db")
    trainer = warm(TRAINER, store.place, 100_000)
    run = trainer.stdout.readline().strip()
    _, url = dashboard(start, store, "--port", "0")
    with DashboardVisit(browser, url) as visit:
        visit.page.click(f"a:text-is('{run}')")
        visit.drawn()
        step = "Number(document.querySelector('#step').textContent.replaceAll(',', ''))"
        first_step = visit.page.evaluate(step)
        visit.until(f"{step} > {first_step + 60}")

        page = visit.page
        page.select_option("#kind", "snapshot")
        preview = "document.querySelector('#preview').textContent"
        visit.until(f"{preview} === 'The rate does not change.'")
        page.click("#request")
        visit.until("document.querySelector('#edits').textContent.includes('took effect')")
        (snapshot,) = store.snapshots(run)

        page.select_option("#kind", "scale")
        page.fill("#value", "0.2")
        visit.until(f"{preview} === 'The rate changes from 0.05 to 0.01.'")
        page.fill("#reason", "the loss is flat")
        page.fill("#author", "ann")
        page.click("#request")
        visit.until("document.querySelector('#lr').textContent === '0.01'")
        edit = store.edits(run)[-1]
        assert (edit.kind, edit.value, edit.author) == ("scale", 0.2, "ann")
        assert edit.reason == "the loss is flat"
        visit.until("document.querySelector('#plot-lr').textContent.includes('E2')")
        points = store.points(run)
        lowered = points.columns["lr"][points.step >= edit.step]
        assert set(lowered.round(12)) == {0.01}

        button = page.locator("#request").bounding_box()
        page.fill("#value", "40")
        visit.until(f"{preview}.includes('allows 0.1 at most')")
        assert page.locator("#request").bounding_box() == button  # so that no click misses it
        page.click("#request")
        refused = "document.querySelector('#refused').textContent"
        visit.until(f"{refused}.includes('allows 0.1 at most')")
        visit.until(f"{preview} === ''")  # each refusal is shown once
        page.fill("#value", "50")
        visit.until(f"{refused} === '' && {preview}.includes('allows 0.1 at most')")
        assert len(store.edits(run)) == 2

        page.select_option("#kind", "undo")
        visit.until(f"{preview} === 'The rate changes from 0.01 to 0.05.'")
        page.click("#request")
        visit.until("document.querySelector('#lr').textContent === '0.05'")
        assert store.edits(run)[-1].answer.startswith(
            "rate 0.01 -> 0.05; as if 'scale 0.2 at step"
        )

        page.select_option("#kind", "rollback")
        visit.until(f"document.querySelector('#value').value === '{snapshot.step}'")
        page.click("#request")
        visit.until("document.querySelector('#facts').textContent.includes('from step')")
        visit.until("document.querySelector('#lr').textContent === '0.05'")
        assert [attempt.begins for attempt in store.attempts(run)] == [0, snapshot.step]

        page.select_option("#kind", "follow")
        page.click("#request")
        visit.until(f"{refused}.startsWith('Enter a schedule')")
        page.fill("#value", "0.02 * linear(100000)")
        visit.until(f"{preview}.startsWith('The rate changes from 0.05 to 0.0')")
        page.click("#request")
        visit.until("document.querySelector('#edits').textContent.includes('follow')")
        visit.until("Number(document.querySelector('#lr').textContent) < 0.02")

        page.select_option("#kind", "stop")
        page.click("#request")
        visit.until("document.querySelector('#status').textContent === 'stopped'")
        assert page.is_hidden("#steer")
        assert "stopped" in visit.text("#ended")

        page.click("#replay summary")
        repeat = f"learnrate train TASK --replay {run}"
        visit.until(f"document.querySelector('#replay').textContent.includes('{repeat}')")
        whole = replayed(store, run)
        assert visit.text("#replay code >> nth=0") == str(whole.schedule)
        edit_texts = page.locator("#replay li").all_inner_texts()
        assert edit_texts == [str(edit) for edit in whole.edits]
        assert "scale 0.2 at step" in edit_texts[1]
        assert edit_texts[1].endswith("by ann: the loss is flat")
        assert [text for text in visit.complaints if "409 (Conflict)" not in text] == []
    assert trainer.wait(HANG) == 0
    used = store.observations(run)
    assert whole.lr.tolist() == used.column("lr").tolist()
    assert [edit.status for edit in store.edits(run)] == ["applied"] * 6
    assert store.run(run).status == "stopped"


def test_a_page_shows_that_the_dashboard_was_killed_and_reconnects_to_a_new_one(
    browser, tmp_path, start
):
    store = Store(tmp_path / "runs.db")
    run = recorded(store, "a", status="running")
    process, url = dashboard(start, store, "--port", "0")
    port = url.partition("/?")[0].rpartition(":")[2]
    with DashboardVisit(browser, url, f"/run/{run}") as visit:
        visit.drawn()
        visit.page.fill("#reason", "half-written")
        visit.page.fill("#value", "0.5")
        visit.page.click("#request")
        visit.until("document.querySelector('#edits').textContent.includes('waiting')")
        process.send_signal(signal.SIGKILL)
        process.wait()
        visit.until("document.querySelector('#disconnected').textContent.includes('connection')")
        assert visit.page.is_visible("#disconnected")
        visit.page.click("#request")
        visit.until(
            "document.querySelector('#refused').textContent.includes('Nothing was changed')"
        )
        store.write_points(run, [1000], {"loss": [0.125]})
        dashboard(start, store, "--port", port)
        visit.until(
            "document.querySelector('#disconnected').hidden && document.querySelector('#connection').textContent === 'live'"
        )
        visit.until("document.querySelector('#loss').textContent === '0.125'")
    (edit,) = store.edits(run)
    assert edit.reason == "half-written"
