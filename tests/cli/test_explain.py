"""learnrate explain: every word has its page, in the terminal and as JSON."""

import json
import re
from pathlib import Path

import pytest

from command import command_in
from learnrate import schedules
from learnrate.glossary import look_up, pages
from learnrate.watch import RULES

ROOT = Path(__file__).parents[2]

HOUSE = """lr peak floor step steps total_steps schedule controller task trial engine, range test, plan, finding,
edit, store, claim"""
FIELD = """warm-up, decay, restart, cyclic, 1cycle, plateau, range test, peak, floor, momentum, batch size,
noise scale, edge of stability, sharpness, catapult, weight decay, muP, horizon, annealing, cool-down,
WSD, schedule-free, D-Adaptation, Prodigy, DoG, gradient clipping, loss spike, regret, Adam, AdamW, SGD,
RMSprop, super-convergence, divergence, overfitting, early stopping, fine-tuning, hypergradient,
convergence, generalisation, learning curve, local minimum, bias, default rate, Muon, adapter, LoRA,
batch normalisation, constant rate, underfitting, label noise, hyper-parameter, meta-learning, MAML,
activation, ReLU, sigmoid, network, layer, width, weights, biases, convolution, stride, subsampling,
residual network, transformer, loss, training loss, validation loss, cross-entropy, softmax, accuracy,
gradient, gradient noise, optimizer, preconditioned, epsilon, Adagrad, Adadelta, Lion, quadratic,
eigenvalue, few-shot, episode, inner step, batch, grid, best rate, excess, suggestion, diverge, memorise,
averaged weights, pre-training, power law, power schedule, token, noise, minimum, optimum, penalty, run,
validation, example, label, input, class, depth, hidden layer, full batch, condition number, patience,
meta-training, adaptation, from scratch, initial weights, input scale, pixel, channel, exponent,
proportional, geometric mean, ranking, rank correlation, pattern, cluster, branch, ensemble, linear regime,
regression, sine waves, steepest, valley, slide, smoothed loss, Lanczos, Hessian, accumulator"""


@pytest.fixture
def explain(tmp_path, monkeypatch, capsys):
    """Run the command; its exit status, standard output and error."""
    monkeypatch.setenv("COLUMNS", "100")
    return command_in(tmp_path, monkeypatch, capsys, "explain")


def words():
    house = re.split(
        r",\s*|\s(?=lr|peak|floor|step|total_steps|schedule|controller|task|trial|engine)", HOUSE
    )
    return sorted({*filter(None, house), *re.split(r",\s*", FIELD)})


@pytest.mark.parametrize("word", words())
def test_every_word_of_learnrate_and_of_the_field_has_a_page(word):
    page, *_ = look_up(word)
    assert page.kind == "word"
    assert len(page.text.split()) > 30


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_every_finding_has_its_page_under_its_code(rule):
    (page,) = look_up(rule.code.lower())
    assert (page.word, page.kind, page.summary) == (rule.code, "finding", rule.title)


CLAIM_RESULTS = {
    path.stem: json.loads(path.read_text())
    for path in (ROOT / "src" / "learnrate" / "claims" / "results").glob("*.json")
}


@pytest.mark.parametrize("name", sorted(CLAIM_RESULTS))
def test_every_claim_is_quoted_by_a_word_with_its_verdict_and_its_figure(name):
    results = CLAIM_RESULTS[name]
    result = results.get("full", results.get("quick"))
    quoting = [
        line
        for page in pages()
        if page.kind == "word"
        for line in page.text.splitlines()
        if line.endswith(f"`learnrate claims show {result['name']}`")
    ]
    assert len(quoting) == 1
    case = result["cases"][0]
    assert f'"{result["statement"]}" **{result["verdict"].capitalize()}.**' in quoting[0]
    assert f"{case['value']:.3g} [{case['low']:.3g}, {case['high']:.3g}]" in quoting[0]


def test_every_shape_of_a_schedule_has_a_page_under_its_name_in_the_text_form():
    known = schedules.Shape.__subclasses__()
    shapes = [shape for shape in known if shape.__module__.startswith("learnrate.")]
    assert len(shapes) > 15
    for shape in shapes:
        assert shape.name in {page.word for page in look_up(shape.name)}


def test_every_recipe_has_a_page():
    for name in ("d2z", "wsd", "sgdr", "noam", "warmup_cosine", "one_cycle"):
        assert name in {page.word for page in look_up(name)}


def test_every_word_under_see_also_has_a_page():
    for page in pages():
        for word in page.see:
            assert look_up(word), page.word


def test_no_two_words_share_a_name():
    named = [name.casefold() for page in pages() if page.kind == "word" for name in page.names]
    assert len(named) == len(set(named))


def test_a_page_is_printed_without_pictures_and_without_links_to_other_pages(explain):
    status, out, _ = explain("LR101")
    assert status == 0
    assert "the loss diverged" in out
    assert "svg" not in out
    assert ".md" not in out


def test_a_word_of_several_parts_needs_no_quotes_and_capitals_do_not_matter(explain):
    status, out, _ = explain("Edge", "of", "Stability")
    assert status == 0
    assert "lr * sharpness" in out


def test_the_shape_follows_the_word_that_it_is_named_after(explain):
    status, out, _ = explain("warmup")
    assert status == 0
    assert out.index("The first updates of a run") < out.index("warmup(steps")


def test_without_a_word_all_are_listed_with_a_line_each(explain):
    status, out, _ = explain()
    assert status == 0
    for page in pages():
        assert re.search(rf"^{re.escape(page.word)}\s", out, flags=re.MULTILINE), page.word


def test_json_has_the_whole_page(explain):
    status, out, _ = explain("noise scale", "--json")
    (page,) = json.loads(out)
    assert status == 0
    assert page["word"] == "noise scale"
    assert "critical batch size" in page["names"]
    assert page["see"] == ["batch size", "probe"]
    assert page["text"].startswith("# noise scale\n")


def test_json_without_a_word_lists_all_without_their_texts(explain):
    _, out, _ = explain("--json")
    listed = json.loads(out)
    assert len(listed) == len(pages())
    assert all(set(page) == {"word", "kind", "summary", "names", "see"} for page in listed)


def test_an_unknown_word_exits_with_2_and_names_the_nearest(explain):
    status, out, err = explain("momentun")
    assert (status, out) == (2, "")
    assert err == (
        "learnrate: no page is about 'momentun'. The nearest are momentum, one_cycle_momentum. "
        "learnrate explain without a word lists all.\n"
    )


def test_an_unknown_word_that_resembles_none_has_no_guesses(explain):
    status, _, err = explain("xyzzy")
    assert status == 2
    assert "nearest" not in err


def test_a_wheel_includes_the_pages_of_the_findings():
    declared = (ROOT / "pyproject.toml").read_text()
    assert '"docs/findings" = "learnrate/glossary/findings"' in declared


TERMS = ROOT / "src" / "learnrate" / "glossary" / "terms"
# What has digits and states nothing that was measured: code, commands, names, addresses, codes.
NOT_STATED = re.compile(
    r"`[^`]*`|^    .*$|^# .*$|^(?:Also|Claims|See also|More): .*$|\]\([^)]*\)|\bLR\d+|\[[^\]]*\d{4}\]"
    r"|\b(?:1cycle|beta1|CIFAR-10|ResNet-\d+|L2)\b",
    flags=re.MULTILINE,
)
NUMBER = re.compile(
    r"\d|\b(?:ten|hundred|thousand|million|billion|dozen|twice|double|half|third|quarter|fifth|tenth"
    r"|hundredth|thousandth|per cent|percent|factor of \w+)\b",
    flags=re.IGNORECASE,
)
# Numbers that define a word, follow from a formula of the page, or state what this package does.
DEFINED = {"budget", "interval", "floor", "peak", "probe", "step", "momentum"}
DEFINED |= {"batch-normalisation", "gradient-norm"}


def without_a_source(text):
    """The sentences with a number, also one in words, whose paragraph links to no source."""
    return [
        sentence
        for paragraph in text.split("\n\n")
        if "](https://" not in paragraph
        for sentence in re.split(r"(?<=[.:;])\s", NOT_STATED.sub("", paragraph))
        if NUMBER.search(sentence)
    ]


@pytest.mark.parametrize("path", sorted(TERMS.glob("*.md")), ids=lambda path: path.stem)
def test_a_number_of_a_page_has_its_source_in_the_same_paragraph(path):
    """What a claim tested needs no number in the text: the claim's figure is quoted beside it."""
    assert path.stem in DEFINED or not without_a_source(path.read_text())


def test_a_page_whose_numbers_only_define_is_not_listed_without_need():
    assert all(without_a_source((TERMS / f"{stem}.md").read_text()) for stem in DEFINED)


@pytest.mark.parametrize(
    "text",
    [
        "# a\n\nThe rate is often lower by ten to a hundred.\n\nClaims: adam-3e-4.",
        "# a\n\nSee [the paper](https://a.b).\n\nUse 0.3 of it.",
    ],
)
def test_a_number_without_a_source_is_noticed_beside_claims_and_sources_of_others(text):
    assert without_a_source(text)
