"""The text form: `3e-4 * warmup(500) >> cosine(9500, floor=0.1)`. See docs/schedules/grammar.md.

    product := chain ('*' chain)*
    chain   := atom ('>>' atom)*
    atom    := number | name '(' arguments ')' | '(' product ')'

`*` binds looser than `>>`, so that a peak multiplies the whole chain.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np

from learnrate._errors import ScheduleError
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import UNITS, Span
from learnrate.schedules._registry import SHAPES, fields_of, make

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["schedule", "shape"]

_DEEPEST = 40
_WIDEST = 88
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)(?P<unit>%|[a-zA-Z_]\w*)?"
    r"|(?P<word>[a-zA-Z_]\w*)"
    r"|(?P<mark>>>|[*()\[\],=])",
)


def schedule(source: str | float | Schedule) -> Schedule:
    """The schedule that `source` says: text, a bare number (a constant rate), or a schedule.

    Examples:
        >>> schedule("3e-4 * warmup(500) >> cosine(9500, floor=0.1)")(500)
        0.0003
        >>> schedule(1e-3)
        schedule('1e-3 * constant()')

    Raises:
        ScheduleError: the text is not a schedule; the message points at the wrong character.
    """
    if isinstance(source, Schedule):
        return source
    if isinstance(source, str):
        return _Reader(source).read()
    if isinstance(source, bool) or not isinstance(source, int | float | np.number):
        raise ScheduleError(
            f"a schedule is text, a number or a Schedule; got {type(source).__name__}."
        )
    return source * make("constant")


def shape(source: str | Schedule) -> Schedule:
    """The shape of runs of any length: a schedule that states neither its peak nor its length.

    Raises:
        ScheduleError: it states one of them, or the text is not a schedule.

    Examples:
        >>> shape("warmup(5%) >> linear()")
        schedule('warmup(5%) >> linear()')
    """
    found = schedule(source)
    peak, bare = found.split()
    if peak is not None:
        raise ScheduleError(
            f"a shape has peak 1, because each trial has its own rate; got {found}. "
            f"Write it without the factor {peak:g}."
        )
    if bare.total_steps is not None:
        raise ScheduleError(
            f"a shape must fit runs of any length; got {found}, which is {bare.total_steps} steps long. "
            "Give shares of the run, such as warmup(5%)."
        )
    return found


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int
    value: float | Span | None = None


class _Reader:
    """Reads one text from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.next = 0
        self.tokens = self._tokens()

    def read(self) -> Schedule:
        found = self._product()
        if self.token.kind != "end":
            self._fail(f"expected '*', '>>' or the end here; found {self.token.text!r}.")
        return found

    # Tokens.

    def _tokens(self) -> list[_Token]:
        tokens, at = [], 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                self._fail(f"the character {self.text[at]!r} has no meaning here.", at)
            if match.lastgroup != "space":
                tokens.append(self._token(match, at))
            at = match.end()
        return [*tokens, _Token("end", "the end", len(self.text.rstrip()))]

    def _token(self, match: re.Match[str], at: int) -> _Token:
        if match["number"] is None:
            kind = "word" if match["word"] else "mark"
            return _Token(kind, match[0], at)
        number, unit = match["number"], match["unit"]
        if unit is None:
            return _Token("number", match[0], at, self._number(number, at))
        try:
            span = Span.read(match[0])
        except ScheduleError as error:
            self._fail(str(error), at if unit in UNITS else match.start("unit"))
        return _Token("span", match[0], at, span)

    def _number(self, text: str, at: int) -> float:
        try:
            value: int | float = float(text) if re.search(r"[.eE]", text) else int(text)
        except ValueError:
            self._fail("this number has too many digits.", at)
        if abs(value) > 1e300:
            self._fail("a number must be between -1e300 and 1e300.", at)
        # So that linear(1e4) reads as 10,000 steps.
        return int(value) if "." not in text and abs(value) < 2**53 and value % 1 == 0 else value

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def _take(self, text: str) -> bool:
        found = self.token.kind == "mark" and self.token.text == text
        self.next += found
        return found

    def _expect(self, text: str, why: str) -> None:
        if not self._take(text):
            self._fail(f"expected {text!r} {why}; found {self._shown()}.")

    def _shown(self) -> str:
        return self.token.text if self.token.kind == "end" else repr(self.token.text)

    # Grammar.

    def _product(self) -> Schedule:
        self.depth += 1
        if self.depth > _DEEPEST:
            self._fail(f"parentheses may be {_DEEPEST} deep.")
        at = self.token.at
        factors = [self._chain()]
        while self._take("*"):
            factors.append(self._chain())
        self.depth -= 1
        if all(isinstance(each, int | float) for each in factors):
            factors.append(make("constant"))
        # Numbers last, so that the first product is one of schedules.
        factors.sort(key=lambda each: isinstance(each, int | float))
        return self._guard(at, lambda: reduce(mul, cast("list[Schedule]", factors)))

    def _chain(self) -> Schedule | float:
        at = self.token.at
        parts = [self._atom()]
        while self._take(">>"):
            parts.append(self._atom())
        if len(parts) == 1:
            return parts[0]
        return self._guard(at, lambda: make("chain", parts=tuple(map(schedule, parts))))

    def _atom(self) -> Schedule | float:
        token = self.token
        if token.kind == "number":
            self.next += 1
            return self._factor(token)
        if token.kind == "word":
            return self._call()
        if token.kind == "span":
            self._fail(f"{token.text} is a duration; a schedule or a number goes here.")
        if not self._take("("):
            self._fail(f"expected a number or a schedule such as cosine(); found {self._shown()}.")
        found = self._product()
        self._expect(")", f"to close the one at column {token.at + 1}")
        return found

    def _factor(self, token: _Token) -> float:
        value = cast("float", token.value)
        if value < 0:
            self._fail(
                f"a factor must be at least 0; got {token.text}. "
                f"For gradient ascent write ascend({token.text[1:]} * ...).",
                token.at,
            )
        return value

    def _call(self) -> Schedule:
        token = self.token
        self.next += 1
        if token.text == "ascend":
            return self._ascend(token)
        cls = SHAPES.get(token.text)
        if cls is None:
            self._unknown("schedule", token, [n for n, c in SHAPES.items() if not c.operator])
        if cls.operator:
            self._fail(f"{token.text!r} is written {cls.operator}.", token.at)
        self._expect("(", f"after {token.text}")
        values, places = self._arguments(cls)
        try:
            made = make(token.text, **values)
        except ScheduleError as error:
            argument = getattr(error, "argument", "")
            self._fail(str(error), places.get(argument, token.at))
        return made

    def _ascend(self, token: _Token) -> Schedule:
        self._expect("(", "after ascend")
        inner = self._product()
        self._expect(")", "after the schedule to ascend")
        return self._guard(token.at, inner.ascending)

    def _arguments(self, cls: type[Schedule]) -> tuple[dict[str, object], dict[str, int]]:
        rules = fields_of(cls)
        values: dict[str, object] = {}
        places: dict[str, int] = {}
        while not self._take(")"):
            if values:
                self._expect(",", "or ')' between arguments")
            name, at = self._name([rule.name for rule in rules], cls, values, places)
            places[name] = self.token.at
            if name in values:
                self._fail(f"{cls.name} has {name!r} twice.", at)
            values[name] = self._argument()
        for rule in rules:
            if rule.name not in values and rule.default is MISSING:
                self._fail(f"{cls.name} needs {rule.name!r}.", self.tokens[self.next - 1].at)
        return values, places

    def _name(
        self,
        names: list[str],
        cls: type[Schedule],
        values: dict[str, object],
        places: dict[str, int],
    ) -> tuple[str, int]:
        token = self.token
        after = self.tokens[min(self.next + 1, len(self.tokens) - 1)]
        if token.kind == "word" and after.text == "=":
            if token.text not in names:
                self._unknown(f"argument of {cls.name}", token, names)
            self.next += 2
            return token.text, token.at
        if list(values) != names[: len(values)]:
            self._fail("an argument without a name cannot follow one with a name.")
        if len(values) == len(names):
            self._fail(f"{cls.name} takes at most {len(names)}: {', '.join(names)}.")
        return names[len(values)], token.at

    def _argument(self) -> object:
        token, after = self.token, self.tokens[min(self.next + 1, len(self.tokens) - 1)]
        if self._take("["):
            return self._list()
        if token.kind == "word" and after.text != "(":
            self.next += 1
            return {"true": True, "false": False}.get(token.text, token.text)
        if token.kind == "span" or (token.kind == "number" and after.text not in ("*", ">>")):
            self.next += 1
            return token.value
        return self._product()

    def _list(self) -> tuple[object, ...]:
        items: list[object] = []
        while not self._take("]"):
            if items:
                self._expect(",", "or ']' in a list")
            if self.token.kind not in ("number", "span"):
                self._fail(f"a list holds numbers and durations; found {self._shown()}.")
            items.append(self.token.value)
            self.next += 1
        return tuple(items)

    # Errors.

    def _guard(self, at: int, build: Callable[[], Schedule]) -> Schedule:
        try:
            return build()
        except ScheduleError as error:
            self._fail(str(error), at)

    def _unknown(self, what: str, token: _Token, known: list[str]) -> NoReturn:
        close = get_close_matches(token.text, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(known))}."
        self._fail(f"unknown {what} {token.text!r}; {hint}", token.at)

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        place = self.token.at if at is None else at
        raise ScheduleError(f"{message}\n{_pointed(self.text, place)}") from None


def _pointed(text: str, at: int) -> str:
    """The line of `text` that holds the character, and a caret under it."""
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = "".join(c if c.isprintable() else " " for c in text[begin : end if end >= 0 else None])
    column = at - begin
    first = max(0, min(column - _WIDEST // 2, len(line) - _WIDEST))
    shown = line[first : first + _WIDEST]
    return f"  {shown}\n  {' ' * (column - first)}^"
