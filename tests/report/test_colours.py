import re

import pytest

from learnrate.report._theme import DARK, LIGHT


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour, other):
    low, high = sorted((luminance(colour), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_has_the_contrast_that_wcag_aa_asks_for(theme):
    names = ("ink", "quiet", "link", "chosen-text", "diverged-text", "good", "warn", "best")
    poor = {n: contrast(theme[n], theme["page"]) for n in (*names, "measured")}
    assert {name: ratio for name, ratio in poor.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_have_the_contrast_that_wcag_aa_asks_for(theme):
    ratios = {n: contrast(theme[n], theme["page"]) for n in ("chosen", "diverged")}
    assert {name: ratio for name, ratio in ratios.items() if ratio < 3} == {}


def test_both_themes_name_the_same_colours():
    assert list(LIGHT) == list(DARK)
    assert all(re.fullmatch(r"#[0-9A-F]{6}|rgba\(.*\)", value) for value in LIGHT.values())
