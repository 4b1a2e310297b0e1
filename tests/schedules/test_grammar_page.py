"""The grammar page cannot lie."""

import re
from pathlib import Path

import pytest

from learnrate.schedules import schedule

PAGE = Path(__file__).parents[2] / "docs" / "schedules" / "grammar.md"
EXAMPLES = re.findall(
    r"^\| `([^`]+)` \| [^|]+ \|$", PAGE.read_text().split("## Examples")[1], re.MULTILINE
)


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_on_the_page_reads_binds_and_prints_as_written(text):
    parsed = schedule(text)
    assert parsed == schedule(str(parsed))
    assert parsed.over(10_000).total_steps == 10_000


def test_the_page_has_examples():
    assert len(EXAMPLES) >= 8


def test_the_error_on_the_page_is_the_error_there_is(refused):
    shown = re.search(r"```\n(unknown schedule.*?)\n```", PAGE.read_text(), re.DOTALL)[1]
    assert shown == refused("3e-4 * warmup(500) >> cosin(9500)")
