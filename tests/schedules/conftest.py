"""Random schedules, drawn from the rules of their fields, so that a new shape is covered at once."""

from dataclasses import MISSING

import pytest
from hypothesis import reject
from hypothesis import strategies as st

from learnrate import ScheduleError
from learnrate.schedules import Chain, Shape, schedule
from learnrate.schedules._abstract import InnerRule
from learnrate.schedules._fields import FlagRule, Length, Listed, Number, PeriodRule, Whole, Word
from learnrate.schedules._registry import SHAPES, fields_of

STEPS = st.integers(1, 300)
LENGTHS = st.integers(0, 300)
SHARES = st.integers(1, 30).map(lambda share: f"{share}%")
FIXED = {"from_function", "table"}  # their rules do not say what to draw


def of_kind(kind, bound):  # noqa: PLR0911 - one line a kind
    """Values that a rule allows; in steps only if `bound`."""
    if isinstance(kind, Length):
        lengths = LENGTHS if kind.low == 0 else STEPS
        return (
            lengths if bound else st.one_of(st.none() if kind.optional else STEPS, lengths, SHARES)
        )
    if isinstance(kind, PeriodRule):
        numbers = st.one_of(STEPS, st.floats(0.25, 400))
        return numbers if bound else st.one_of(numbers, SHARES)
    if isinstance(kind, Number):
        low, high = max(kind.low, -50.0), min(kind.high, 50.0)
        return st.floats(low, high, exclude_min=kind.exclude_low, allow_subnormal=False)
    if isinstance(kind, Whole):
        return st.integers(kind.low, 5)
    if isinstance(kind, Word):
        return st.sampled_from(kind.words)
    if isinstance(kind, FlagRule):
        return st.booleans()
    if isinstance(kind, Listed) and kind.rising:
        return st.lists(STEPS, min_size=1, max_size=4).map(lambda steps: tuple(sorted(steps)))
    raise AssertionError(f"no values for {kind}")


@st.composite
def of_class(draw, cls, inner, bound):
    """One schedule of a class, with some of its fields left at their defaults."""
    values = {}
    for rule in fields_of(cls):
        if rule.name == "values":
            size = len(values["boundaries"]) + 1
            values["values"] = draw(st.lists(st.floats(0, 1), min_size=size, max_size=size))
        elif isinstance(rule.kind, InnerRule):
            values[rule.name] = draw(inner)
        elif bound or rule.name == "boundaries" or rule.default is MISSING or draw(st.booleans()):
            values[rule.name] = draw(of_kind(rule.kind, bound))
    try:
        return cls(**values)
    except ScheduleError:  # a rule between fields, such as low <= high
        reject()


def shapes(bound=False):
    names = [n for n, c in SHAPES.items() if issubclass(c, Shape) and n not in FIXED]
    chosen = st.sampled_from(sorted(names))
    return chosen.flatmap(lambda name: of_class(SHAPES[name], st.nothing(), bound))


def wrapped(inner, bound):
    names = ["clamp", "noise", "repeat", "delay", "shift", "staircase"]
    return st.sampled_from(names).flatmap(lambda name: of_class(SHAPES[name], inner, bound))


def scaled(inner):
    factors = st.floats(0, 10, allow_subnormal=False)
    return st.builds(
        lambda factor, shape, ascend: (
            (factor * shape).ascending() if ascend and factor else factor * shape
        ),
        factors,
        inner,
        st.booleans(),
    )


def _joined(parts):
    try:
        return Chain(tuple(parts))
    except ScheduleError:
        return parts[0]


def _multiplied(left, right):
    try:
        return left * right
    except ScheduleError:
        return left


def schedules(bound=False):
    """Any schedule with a text form."""

    def grow(inner):
        return st.one_of(
            wrapped(inner, bound),
            scaled(inner),
            st.lists(inner, min_size=2, max_size=4).map(_joined),
            st.builds(_multiplied, inner, inner),
        )

    return st.recursive(shapes(bound), grow, max_leaves=5)


@pytest.fixture(scope="session")
def any_schedule():
    """A strategy: any schedule, bound to a run or not."""
    return schedules()


@pytest.fixture(scope="session")
def any_bound_schedule():
    """A strategy: any schedule whose every duration is in steps."""
    return schedules(bound=True).filter(lambda drawn: drawn.bound)


@pytest.fixture(scope="session")
def any_shape():
    """A strategy: any single shape in steps."""
    return shapes(bound=True)


@pytest.fixture
def refused():
    """The message with which a text or a call is refused."""

    def message(source):
        with pytest.raises(ScheduleError) as caught:
            source() if callable(source) else schedule(source)
        return str(caught.value)

    return message
