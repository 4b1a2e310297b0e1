import itertools

import pytest

from browsers import Visit, needs_chromium
from learnrate.report import plan_page

pytestmark = needs_chromium


class ReportVisit(Visit):
    """A report opened without network, once its pictures are drawn."""

    def __init__(self, browser, file, **options):
        super().__init__(browser, file.as_uri(), offline=True, **options)
        self.until("document.querySelectorAll('.plot .main-svg').length >= 10")


@pytest.fixture
def file(plan, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(plan_page(plan), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def visit(browser, plan, tmp_path_factory):
    """The page, opened once for what several tests read."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(plan_page(plan), encoding="utf-8")
    with ReportVisit(browser, path) as opened:
        yield opened


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light"), (2560, "dark")])
def test_the_page_draws_itself_alone_and_fits_the_window(browser, file, width, theme):
    with ReportVisit(browser, file, width=width, theme=theme) as visit:
        shown = visit.page.evaluate("document.documentElement.scrollWidth")
        plots = visit.page.eval_on_selector_all(
            ".plot", "all => all.map(element => element.querySelectorAll('.main-svg').length > 0)"
        )
    assert shown == width
    assert plots == [True] * 5
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:"))] == []


def test_the_plots_follow_the_theme_when_it_changes(visit):
    colour = "getComputedStyle(document.querySelector('#schedule .xtick text')).fill"
    visit.until(f"{colour} === 'rgb(27, 31, 36)'")
    visit.page.emulate_media(color_scheme="dark")
    visit.until(f"{colour} === 'rgb(232, 234, 237)'")


def test_a_task_named_like_a_script_is_shown_and_not_run(browser, hostile_plan, tmp_path):
    path = tmp_path / "hostile.html"
    path.write_text(plan_page(hostile_plan), encoding="utf-8")
    with ReportVisit(browser, path) as visit:
        heading = visit.page.inner_text("h1")
        images = visit.page.locator("main img, header img").count()
    assert heading == "<script>alert(1)</script>"
    assert images == 0
    assert visit.complaints == []


def test_the_schedule_is_copied_by_its_button_from_the_keyboard(visit, plan):
    button = visit.page.locator(".copy button").first
    button.focus()
    visit.page.keyboard.press("Enter")
    visit.until("/Copied|Selected/.test(document.querySelector('.copy button').textContent)")
    marked = visit.page.locator(".copy code").first.inner_text()
    assert marked == str(plan.schedule)


def test_headings_tables_and_plots_have_names_for_a_screen_reader(visit):
    levels = visit.page.eval_on_selector_all(
        "h1, h2, h3", "all => all.map(element => Number(element.tagName[1]))"
    )
    unnamed = visit.page.locator(".plot:not([role=img][aria-label])").count()
    scopes = visit.page.eval_on_selector_all("th", "all => all.every(element => element.scope)")
    captions = visit.page.locator("table > caption").count()
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert unnamed == 0
    assert scopes
    assert captions == 2


def test_the_page_prints_in_light_colours(visit):
    visit.page.emulate_media(color_scheme="dark")
    colour = "getComputedStyle(document.querySelector('#schedule .xtick text')).fill"
    visit.until(f"{colour} === 'rgb(232, 234, 237)'")
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    printed = visit.page.evaluate(colour)
    assert printed == "rgb(27, 31, 36)"
