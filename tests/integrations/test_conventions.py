"""The schedules on the page of conventions can be parsed and have the rates of its rows."""

import math
import re
from pathlib import Path

import pytest

from learnrate.schedules import one_cycle, one_cycle_torch, schedule

PAGE = Path(__file__).parents[2] / "docs" / "schedules" / "conventions.md"
TEXTS = [
    text
    for line in PAGE.read_text().splitlines()
    for text in re.findall(r"`([^`]+)`", line.split("|")[-2] if line.startswith("|") else "")
    if re.match(r"\(?[a-z_0-9. ]+( \* |\()", text) and "=k" not in text and "=False" not in text
]


def test_the_page_has_its_schedules():
    assert len(TEXTS) > 30


@pytest.mark.parametrize("text", TEXTS)
def test_a_schedule_of_the_page_reads_as_it_is_written(text):
    parsed = schedule(text)
    assert schedule(str(parsed)) == parsed
    assert parsed.ready or not parsed.bound


def test_one_cycle_is_written_out_as_the_recipes_say():
    assert str(one_cycle(30).over(100)) in TEXTS
    assert str(one_cycle_torch(100, 30)) in TEXTS
    (three,) = [text for text in TEXTS if "0.04 * cosine" in text]
    expected = one_cycle_torch(100, 30, phases=3).table()
    assert values(three, 100) == pytest.approx(expected.tolist(), rel=1e-12)


def values(text, last):
    return [schedule(text)(step) for step in range(last)]


def test_the_linear_warmup_of_pytorch_warmup_is_one_step_shorter():
    expected = [min((step + 1) / 4, 1.0) for step in range(20)]
    assert expected == pytest.approx(values("warmup(3, start=0.25) >> constant()", 20), rel=1e-12)


def test_fastais_one_cycle_ends_at_a_hundred_thousandth():
    def between(low, high, share):
        return high + (low - high) / 2 * (math.cos(math.pi * share) + 1)

    rise = [between(1 / 25, 1.0, step / 25) for step in range(25)]
    fall = [between(1.0, 1e-5, step / 75) for step in range(76)]
    actual = values("warmup(25, start=0.04, curve=cosine) >> cosine(75, floor=1e-5)", 101)
    assert [*rise, *fall] == pytest.approx(actual, rel=1e-12)


def test_torchs_cosine_climbs_as_a_repeated_fall_and_rise():
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    expected = []
    for _ in range(450):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    text = "repeat(cosine(100) >> warmup(100, start=0, curve=cosine), times=3)"
    assert text in TEXTS
    assert expected == pytest.approx(values(text, 450), rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        (True, "warmup(5, start=0.01) >> cosine(100)"),
        (False, "warmup(5, start=0.01) >> skip(cosine(100), steps=5)"),
    ],
)
def test_timms_cosine_is_a_schedule_with_and_without_its_prefix(prefix, text):
    def timm(step):
        if step < 5:
            return 0.01 + step * (1 - 0.01) / 5
        step = step - 5 if prefix else step
        return 0.5 * (1 + math.cos(math.pi * step / 100)) if step < 100 else 0.0

    expected = [timm(step) for step in range(130)]
    assert expected == pytest.approx(values(text, 130), rel=1e-12, abs=1e-16)


@pytest.mark.parametrize(
    ("shape", "fall"),
    [
        ("linear", lambda x: 1 - x),
        ("one_minus_sqrt", lambda x: 1 - math.sqrt(x)),
        ("one_minus_square", lambda x: 1 - x * x),
    ],
)
def test_pytorch_optimizers_decay_ignores_its_floor_until_the_end(shape, fall):
    def pytorch_optimizers_rate(step):
        if step < 10:
            return step / 10
        if step < 80:
            return 1.0
        return fall((step - 80) / 20) if step < 100 else 0.1

    text = f"warmup(10, start=0) >> constant(70) >> {shape}(20) >> 0.1"
    expected = [pytorch_optimizers_rate(step) for step in range(120)]
    assert expected == pytest.approx(values(text, 120), rel=1e-12, abs=1e-15)
