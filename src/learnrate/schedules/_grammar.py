"""The text form: `3e-4 * warmup(500) >> cosine(9500, floor=0.1)`. See docs/schedules/grammar.md.

    product := chain ('*' chain)*
    chain   := atom ('>>' atom)*
    atom    := number | name '(' arguments ')' | '(' product ')'

`*` binds less tightly than `>>`, so a peak multiplies the whole chain.
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass
from difflib import get_close_matches
from functools import partial, reduce
from inspect import Parameter, signature
from operator import mul
from typing import TYPE_CHECKING, NoReturn, cast

from learnrate._errors import ScheduleError
from learnrate.schedules._base import Schedule
from learnrate.schedules._durations import UNITS, Span
from learnrate.schedules._recipes import RECIPES
from learnrate.schedules._registry import SHAPES, current_name, fields_of, make

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["read_text"]

_MAX_DEPTH = 40
_MAX_WIDTH = 88
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)(?P<unit>%|[a-zA-Z_]\w*)?"
    r"|(?P<word>[a-zA-Z_]\w*)"
    r"|(?P<mark>>>|[*()\[\],=])",
)


def read_text(text: str) -> Schedule:
    """Read a schedule from its text.

    Raises:
        ScheduleError: the text is not a schedule; the message points at the wrong character.
    """
    return _Reader(text).read()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int
    value: float | Span | None = None


@dataclass(frozen=True, slots=True)
class _Callee:
    """The schedule class or the recipe that a name in the text stands for."""

    name: str
    names: list[str]
    needed: list[str]
    build: Callable[..., Schedule]
    current: Callable[[str], str]


def _callee_of_class(cls: type[Schedule]) -> _Callee:
    rules = fields_of(cls)
    return _Callee(
        cls.name,
        [rule.name for rule in rules],
        [rule.name for rule in rules if rule.default is MISSING],
        partial(make, cls.name),
        partial(current_name, cls),
    )


def _callee_of_recipe(name: str) -> _Callee:
    recipe = RECIPES[name]
    parameters = signature(recipe).parameters.values()
    return _Callee(
        name,
        [parameter.name for parameter in parameters],
        [parameter.name for parameter in parameters if parameter.default is Parameter.empty],
        recipe,
        str,
    )


class _Reader:
    """Reads one text from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.depth = 0
        self.next = 0
        self.tokens = self._tokens()

    def read(self) -> Schedule:
        product = self._product()
        if self.token.kind != "end":
            self._fail(f"expected '*', '>>' or the end here; found {self.token.text!r}.")
        return product

    # Tokens.

    def _tokens(self) -> list[_Token]:
        tokens, position = [], 0
        while position < len(self.text):
            match = _TOKEN.match(self.text, position)
            if match is None:
                message = f"the character {self.text[position]!r} has no meaning here."
                self._fail(f"{message}{self._way_out(position)}", position)
            if match.lastgroup != "space":
                tokens.append(self._token(match, position))
            position = match.end()
        return [*tokens, _Token("end", "the end", len(self.text.rstrip()))]

    def _way_out(self, position: int) -> str:
        """What to write instead of the syntax of another language; empty if that is not known."""
        if self.text.startswith((".then", ">", "->"), position):
            return " In a text, >> joins parts, as in warmup(500) >> cosine()."
        if self.text.strip().endswith(".json"):
            return (
                " For a plan in a file, write learnrate.Plan.read(FILE).schedule, or --plan FILE."
            )
        return ""

    def _token(self, match: re.Match[str], position: int) -> _Token:
        if match["number"] is None:
            kind = "word" if match["word"] else "mark"
            return _Token(kind, match[0], position)
        number, unit = match["number"], match["unit"]
        if unit is None:
            return _Token("number", match[0], position, self._number(number, position))
        try:
            span = Span.read(match[0])
        except ScheduleError as error:
            self._fail(str(error), position if unit in UNITS else match.start("unit"))
        return _Token("span", match[0], position, span)

    def _number(self, text: str, position: int) -> float:
        try:
            value: int | float = float(text) if re.search(r"[.eE]", text) else int(text)
        except ValueError:
            self._fail("this number has too many digits.", position)
        if abs(value) > 1e300:
            self._fail("a number must be between -1e300 and 1e300.", position)
        # So that linear(1e4) reads as 10,000 steps.
        return int(value) if "." not in text and abs(value) < 2**53 and value % 1 == 0 else value

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    @property
    def following(self) -> _Token:
        return self.tokens[min(self.next + 1, len(self.tokens) - 1)]

    def _accept(self, mark: str) -> bool:
        """Whether the next token is this mark; if so, step over it."""
        accepted = self.token.kind == "mark" and self.token.text == mark
        self.next += accepted
        return accepted

    def _expect(self, mark: str, place: str) -> None:
        if not self._accept(mark):
            self._fail(f"expected {mark!r} {place}; found {self._token_text()}.")

    def _token_text(self) -> str:
        return self.token.text if self.token.kind == "end" else repr(self.token.text)

    # Grammar.

    def _product(self) -> Schedule:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self._fail(f"parentheses may be nested at most {_MAX_DEPTH} deep.")
        position = self.token.position
        factors = [self._chain()]
        while self._accept("*"):
            factors.append(self._chain())
        self.depth -= 1
        if all(isinstance(factor, int | float) for factor in factors):
            factors.append(make("constant"))
        # Numbers last, so that the first product is one of schedules.
        factors.sort(key=lambda factor: isinstance(factor, int | float))
        return self._build(position, lambda: reduce(mul, cast("list[Schedule]", factors)))

    def _chain(self) -> Schedule | float:
        position = self.token.position
        parts = [self._atom()]
        while self._accept(">>"):
            parts.append(self._atom())
        if len(parts) == 1:
            return parts[0]
        return self._build(position, lambda: make("chain", parts=tuple(map(_as_schedule, parts))))

    def _atom(self) -> Schedule | float:
        token = self.token
        if token.kind == "number":
            self.next += 1
            return self._factor(token)
        if token.kind == "word":
            return self._call()
        if token.kind == "span":
            self._fail(f"{token.text} is a duration; expected a schedule or a number here.")
        if not self._accept("("):
            expected = "a number or a schedule such as cosine()"
            self._fail(f"expected {expected}; found {self._token_text()}.")
        product = self._product()
        self._expect(")", f"to close the one at column {token.position + 1}")
        return product

    def _factor(self, token: _Token) -> float:
        value = cast("float", token.value)
        if value < 0:
            self._fail(
                f"a factor must be at least 0; got {token.text}. "
                f"For gradient ascent write ascend({token.text[1:]} * ...).",
                token.position,
            )
        return value

    def _call(self) -> Schedule:
        token = self.token
        self.next += 1
        if token.text == "ascend":
            return self._ascend(token)
        cls, recipe = SHAPES.get(token.text), RECIPES.get(token.text)
        if cls is None and recipe is None:
            names = [name for name, known in SHAPES.items() if not known.operator]
            self._fail_unknown("schedule", token, [*names, *RECIPES])
        if cls is not None and cls.operator:
            self._fail(f"{token.text!r} is written {cls.operator}.", token.position)
        self._expect("(", f"after {token.text}")
        callee = _callee_of_class(cls) if cls is not None else _callee_of_recipe(token.text)
        values, positions = self._arguments(callee)
        try:
            return callee.build(**values)
        except ScheduleError as error:
            argument = getattr(error, "argument", "")
            self._fail(str(error), positions.get(argument, token.position))

    def _ascend(self, token: _Token) -> Schedule:
        self._expect("(", "after ascend")
        inner = self._product()
        self._expect(")", "after the schedule to ascend")
        return self._build(token.position, inner.ascending)

    def _arguments(self, callee: _Callee) -> tuple[dict[str, object], dict[str, int]]:
        """The arguments by name, and where in the text each value begins."""
        values: dict[str, object] = {}
        positions: dict[str, int] = {}
        while not self._accept(")"):
            if values:
                self._expect(",", f"or ')' between arguments{self._split_length()}")
            name, position = self._name(callee, list(values))
            positions[name] = self.token.position
            if name in values:
                self._fail(f"{callee.name} has {name!r} twice.", position)
            values[name] = self._argument()
        for name in callee.needed:
            if name not in values:
                last = self.tokens[self.next - 1]
                self._fail(f"{callee.name} needs {name!r}.", last.position)
        return values, positions

    def _split_length(self) -> str:
        """A hint for a number with a word after it; empty otherwise."""
        is_split = self.tokens[self.next - 1].kind == "number" and self.token.kind == "word"
        return " (a length is written as 500, 5% or 2ep)" if is_split else ""

    def _name(self, callee: _Callee, previous: list[str]) -> tuple[str, int]:
        """The name of the next argument, and where in the text it begins."""
        token, names = self.token, callee.names
        if token.kind == "word" and self.following.text == "=":
            name = callee.current(token.text)
            if name not in names:
                self._fail_unknown(f"argument of {callee.name}", token, names)
            self.next += 2
            return name, token.position
        if previous != names[: len(previous)]:
            self._fail("an argument without a name cannot follow one with a name.")
        if len(previous) == len(names):
            self._fail(f"{callee.name} takes at most {len(names)}: {', '.join(names)}.")
        return names[len(previous)], token.position

    def _argument(self) -> object:
        token, following = self.token, self.following
        if self._accept("["):
            return self._list()
        if token.kind == "word" and following.text != "(":
            self.next += 1
            return {"true": True, "false": False}.get(token.text, token.text)
        if token.kind == "span" or (token.kind == "number" and following.text not in ("*", ">>")):
            self.next += 1
            return token.value
        return self._product()

    def _list(self) -> tuple[object, ...]:
        elements: list[object] = []
        while not self._accept("]"):
            if elements:
                self._expect(",", "or ']' in a list")
            if self.token.kind not in ("number", "span"):
                self._fail(f"a list holds numbers and durations; found {self._token_text()}.")
            elements.append(self.token.value)
            self.next += 1
        return tuple(elements)

    # Errors.

    def _build(self, position: int, build: Callable[[], Schedule]) -> Schedule:
        """Call `build`; its error points at `position`."""
        try:
            return build()
        except ScheduleError as error:
            self._fail(str(error), position)

    def _fail_unknown(self, noun: str, token: _Token, names: list[str]) -> NoReturn:
        close = get_close_matches(token.text, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(names))}."
        self._fail(f"unknown {noun} {token.text!r}; {hint}", token.position)

    def _fail(self, message: str, position: int | None = None) -> NoReturn:
        position = self.token.position if position is None else position
        raise ScheduleError(f"{message}\n{_with_caret(self.text, position)}") from None


def _as_schedule(part: Schedule | float) -> Schedule:
    """A part of a chain; a number is a constant rate."""
    return part if isinstance(part, Schedule) else part * make("constant")


def _with_caret(text: str, position: int) -> str:
    """The line of `text` that has the character at `position`, and a caret under it."""
    begin = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = "".join(c if c.isprintable() else " " for c in text[begin : end if end >= 0 else None])
    column = position - begin
    first = max(0, min(column - _MAX_WIDTH // 2, len(line) - _MAX_WIDTH))
    shown = line[first : first + _MAX_WIDTH]
    return f"  {shown}\n  {' ' * (column - first)}^"
