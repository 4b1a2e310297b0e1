"""The site: its links are followed, its pictures computed, its reference complete."""

import importlib
import inspect
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import learnrate

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PUBLIC = (
    "schedules scaling meta meta.theory probing edits controllers steering run torch_scheduler store "
    "watch watch.readers testing glossary transfer"
)

pytest.importorskip("mkdocs")


# Links


def page(folder, name, body):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"<html><body>{body}</body></html>")


@pytest.fixture
def check():
    return importlib.import_module("links").check


def test_links_to_pages_folders_anchors_and_pictures_are_followed(check, tmp_path):
    page(tmp_path, "index.html", '<h1 id="top"></h1><a href="a/">a</a><a href="a/#here">h</a>')
    page(tmp_path, "a/index.html", '<p id="here"><a href="..">up</a><img src="../p.svg"></p>')
    (tmp_path / "p.svg").write_text("")
    result = check(tmp_path)
    assert (result.links, result.anchors, result.pages, result.broken) == (4, 1, 2, [])


def test_what_leads_nowhere_is_named_with_its_reason(check, tmp_path):
    body = '<a href="gone/">1</a><a href="#gone">2</a><img src="gone.svg"><a href="../../x">4</a>'
    page(tmp_path, "index.html", body)
    assert [(link, why) for _, link, why in check(tmp_path).broken] == [
        ("gone/", "there is no such file"),
        ("#gone", "the page has no anchor 'gone'"),
        ("gone.svg", "there is no such file"),
        ("../../x", "it leaves the site"),
    ]


def test_other_sites_are_not_asked(check, tmp_path):
    page(
        tmp_path, "index.html", '<a href="https://example.org/x#y">1</a><a href="mailto:a@b">2</a>'
    )
    assert check(tmp_path).links == 0


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_files_beside_the_site_lead_somewhere(name):
    text = (ROOT / name).read_text()
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (ROOT / link).exists(), link


def test_every_page_is_in_the_menu():
    menu = (ROOT / "mkdocs.yml").read_text()
    config = SimpleNamespace(nav=[{"Findings": ["findings/index.md"]}])
    added = importlib.import_module("findings").on_config(config).nav[0]["Findings"]
    for path in DOCS.rglob("*.md"):
        page_path = path.relative_to(DOCS).as_posix()
        assert page_path in menu or page_path in added


def test_the_index_of_findings_lists_every_page_with_its_title_and_severity():
    index = (DOCS / "findings" / "index.md").read_text()
    src_page = SimpleNamespace(file=SimpleNamespace(src_uri="findings/index.md"))
    hook = importlib.import_module("findings")
    shown = hook.on_page_markdown(index, src_page, config=None, files=None)
    assert "| [LR101](LR101.md) | the loss diverged | error |\n" in shown
    assert shown.count("| [LR") == len(list((DOCS / "findings").glob("LR*.md")))


# The reference


def documented():
    """What the reference's directives name: paths, and the objects behind them."""
    for path in sorted((DOCS / "reference").glob("*.md")):
        text = path.read_text() + "\n"
        for directive in re.finditer(r"^::: ([\w.]+)\n((?:    .*\n)*)", text, re.MULTILINE):
            if not directive[1].startswith("learnrate.integrations"):
                yield from objects(directive[1])


def objects(path):
    try:
        module = importlib.import_module(path)
    except ImportError:
        home, name = path.rsplit(".", 1)
        yield path, getattr(importlib.import_module(home), name)
    else:
        yield from ((f"{path}.{name}", getattr(module, name)) for name in module.__all__)


def test_every_public_class_and_function_is_in_the_reference_once():
    shown = Counter(id(value) for _, value in documented())
    twice = [path for path, value in documented() if shown[id(value)] > 1]
    assert twice == []
    adapters = {name for name in learnrate.__all__ if name.startswith(("to_", "from_"))}
    wanted = {
        f"learnrate.{name}": getattr(learnrate, name) for name in {*learnrate.__all__} - adapters
    }
    for package in PUBLIC.split():
        module = importlib.import_module(f"learnrate.{package}")
        wanted |= {f"learnrate.{package}.{name}": getattr(module, name) for name in module.__all__}
    missing = [
        path
        for path, value in wanted.items()
        if (inspect.isclass(value) or inspect.isroutine(value)) and id(value) not in shown
    ]
    assert missing == []
    integrations = (DOCS / "reference" / "integrations.md").read_text()
    assert [name for name in adapters if name not in integrations] == []


# The pictures


@pytest.fixture(scope="module")
def ideas():
    return importlib.import_module("ideas")


def test_every_idea_has_its_page_and_every_picture_is_shown(ideas):
    for name in ideas.IDEAS:
        text = (DOCS / "why" / f"{name}.md").read_text()
        assert re.search(r"pictures/[\w-]+-light\.svg#only-light", text)
        assert re.search(r"pictures/[\w-]+-dark\.svg#only-dark", text)


def test_the_refined_schedule_of_constant_gradients_is_a_straight_line_to_zero(ideas):
    refined = ideas.decay.refined(np.full(101, 3.0))
    np.testing.assert_allclose(refined, np.linspace(1, 0, 101), atol=1e-12)


def test_the_bound_of_a_constant_rate_is_that_of_the_sums_written_out(ideas):
    rate = np.array([0.3, 0.2, 0.4, 0.1])
    bound = (1 + (rate**2).sum()) / (2 * rate.sum())
    for k in range(3):
        tail, after = rate[k:].sum(), rate[k + 1 :].sum()
        bound += rate[k] / after * (rate[k:] ** 2).sum() / tail / 2
    assert ideas.decay.bound(rate) == pytest.approx(bound, rel=1e-12)


def test_the_noisy_quadratic_is_the_mean_of_simulated_descents(ideas):
    rate = np.full(30, 0.3)
    expected = ideas.horizon.quadratic(rate)
    curvature = 1 / np.arange(1, 201)
    draws = np.random.default_rng(0)
    weight = np.sqrt(8.0) * draws.choice([-1.0, 1.0], size=(2000, 200))
    for lr in rate[:-1]:
        noise = np.sqrt(curvature) * draws.standard_normal(weight.shape)
        weight -= lr * (curvature * weight + noise)
    simulated = (curvature * weight**2).sum(1).mean() / 2
    assert simulated == pytest.approx(expected[-1], rel=0.02)


def test_the_batch_law_is_recovered_from_its_own_rates(ideas):
    batch = np.array([2.0, 8.0, 32.0, 128.0])
    most, noise = ideas.batch_size.fitted(batch, 0.7 / (1 + 20 / batch))
    assert (most, noise) == (pytest.approx(0.7, rel=0.02), pytest.approx(20, rel=0.03))


def test_the_bench_learns_and_repeats_itself(ideas):
    bench = importlib.import_module("ideas._bench")
    setting = bench.Setting(steps=60, seeds=1)
    once, again = (bench.sweep(setting, [1e-4, 0.1]) for _ in range(2))
    assert once.validation[1] < 0.6
    assert once.validation[0] > 2.0
    np.testing.assert_array_equal(once.validation, again.validation)


def test_the_bench_trains_as_torch_does(ideas):
    torch = pytest.importorskip("torch")
    bench = importlib.import_module("ideas._bench")
    for name, setting in (("sgd", bench.Setting()), ("adam", bench.Setting(optimizer="adam"))):
        start = torch.ones(1, 3, 2)
        weights, moments = [start.clone()], ([start * 0], [start * 0])
        parameter = torch.nn.Parameter(start.clone())
        optimizer = (
            torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
            if name == "sgd"
            else torch.optim.Adam([parameter], lr=0.1)
        )
        for step in range(5):
            gradient = torch.randn(1, 3, 2, generator=torch.Generator().manual_seed(step))
            parameter.grad = gradient.clone()
            optimizer.step()
            bench._update(setting, weights, [gradient], moments, lr=torch.tensor(0.1), step=step)
        torch.testing.assert_close(weights[0], parameter.detach())
