"""Edits: changes to a running schedule, as data and in words."""

from __future__ import annotations

import difflib
import math
import shlex
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from learnrate._errors import ArgumentError
from learnrate._record import whole
from learnrate.edits._words import words_of
from learnrate.schedules import Schedule, shape
from learnrate.schedules import schedule as read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["RATE_KINDS", "Edit", "EditKind", "edit_in", "standing"]


class EditKind(StrEnum):
    """What an edit does; the value is its word on the command line."""

    SCALE = "scale"
    SET = "set"
    HOLD = "hold"
    RELEASE = "release"
    DECAY = "decay"
    STRETCH = "stretch"
    FOLLOW = "follow"
    ROLLBACK = "rollback"
    SNAPSHOT = "snapshot"
    PROBE = "probe"
    STOP = "stop"


RATE_KINDS = frozenset(
    {
        EditKind.SCALE,
        EditKind.SET,
        EditKind.HOLD,
        EditKind.RELEASE,
        EditKind.DECAY,
        EditKind.STRETCH,
        EditKind.FOLLOW,
    }
)
"""Those that change the schedule. The others change the weights, or nothing."""

_OF_A_GROUP = RATE_KINDS - {EditKind.STRETCH, EditKind.FOLLOW}
_BARE = frozenset(
    {EditKind.HOLD, EditKind.RELEASE, EditKind.SNAPSHOT, EditKind.PROBE, EditKind.STOP}
)
_VALUES = {
    EditKind.SCALE: "a factor above 0, such as 0.5",
    EditKind.SET: "a rate above 0, such as 1e-4",
    EditKind.DECAY: "the steps of the decay, at least 1, such as 1000",
    EditKind.STRETCH: "the updates of the whole run, at least 1, such as 20000",
    EditKind.FOLLOW: "a schedule, such as '3e-4 * linear()'",
    EditKind.ROLLBACK: "the step to go back to, at least 0, such as 1000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change to a running schedule: what, for which group, from when on, who, why.

    | kind | value | from its step on |
    |---|---|---|
    | scale | factor | the rate, and whatever is planned for later, times the factor |
    | set | rate | as `scale`, by the factor that makes the highest rate of this step so high |
    | hold | | the rate stays where it is, and controllers are not asked |
    | release | | back to the schedule as it is at that step: a hold or a decay ends |
    | decay | steps, or `{"steps": ..., "shape": ...}` | from the rate it has down to 0, and the run ends there (of one group: the group, not the run) |
    | stretch | total | the stable phase lasts longer; where it is over or there is none, the rate stays for the extra steps and then goes on as planned |
    | follow | a schedule's text | the rate that this schedule has at the step |
    | rollback | step | weights, optimizer and schedule as they were before that update; edits that took effect later are undone, the data goes on |
    | snapshot | | the state before this update is kept, for a rollback |
    | probe | | the what-if probe is asked |
    | stop | | the run ends before this update |

    Of several edits each finds the rate as the one before left it, so `scale` and `set` while the
    rate is held change what is held, and what it will be after the release.

    Attributes:
        kind: what to do.
        value: by how much; None where the kind has none.
        group: the parameter group it is for; None for all.
        author: who.
        reason: why; may be empty.
        step: the first update made with it; None while it is not known.
        before: each group's rate of that update without it, filled in by a run.

    Raises:
        ArgumentError: a value outside its rule.

    Examples:
        >>> print(Edit(kind="scale", value=0.5, author="ann", reason="loss is flat", step=812))
        scale 0.5 at step 812 by ann: loss is flat
    """

    kind: EditKind
    value: Any = None
    group: int | None = None
    author: str
    reason: str = ""
    step: int | None = None
    before: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in list(EditKind):
            close = difflib.get_close_matches(str(self.kind), list(EditKind), n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise ArgumentError(
                f"there is no edit {str(self.kind)!r}; {hint}There are {', '.join(EditKind)}."
            )
        object.__setattr__(self, "kind", EditKind(self.kind))
        object.__setattr__(self, "value", _checked(self.kind, self.value))
        object.__setattr__(self, "before", tuple(map(float, self.before)))
        if not isinstance(self.author, str) or not self.author.strip():
            raise ArgumentError(f"an edit needs its author, a text; got {self.author!r}.")
        if not isinstance(self.reason, str):
            raise ArgumentError(f"an edit's reason must be a text; got {self.reason!r}.")
        if self.step is not None:
            whole("Edit", "step", self.step, 0)
        self._check_group()

    def _check_group(self) -> None:
        if self.group is None:
            return
        whole("Edit", "group", self.group, 0)
        if self.kind not in _OF_A_GROUP:
            known = ", ".join(sorted(_OF_A_GROUP))
            length = self.kind in RATE_KINDS
            why = ", since it changes how long the run is" if length else ""
            raise ArgumentError(
                f"{self.kind} is for all groups{why}; for one of them there are {known}."
            )

    @property
    def shape(self) -> Schedule:
        """The shape of a `decay`."""
        given = self.value["shape"] if isinstance(self.value, dict) else "linear()"
        return read(given)

    @property
    def steps(self) -> int:
        """How long a `decay` takes."""
        return int(self.value["steps"] if isinstance(self.value, dict) else self.value)

    def at(self, step: int, before: Sequence[float] = ()) -> Edit:
        """The edit, taking effect at a step."""
        return replace(self, step=step, before=tuple(before))

    @property
    def words(self) -> str:
        """What it does, as it is typed: `edit_in` reads it."""
        return words_of(self.kind, self.value)

    def __str__(self) -> str:
        group = "" if self.group is None else f" of group {self.group}"
        step = "" if self.step is None else f" at step {self.step}"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.words}{group}{step} by {self.author}{reason}"

    def to_dict(self) -> dict[str, Any]:
        """The edit as JSON values; see `from_dict`."""
        return {
            "kind": str(self.kind),
            "value": self.value,
            "group": self.group,
            "step": self.step,
            "author": self.author,
            "reason": self.reason,
            "before": list(self.before),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Edit:
        """The edit that `to_dict` wrote.

        Raises:
            ArgumentError: it is not what `to_dict` wrote.
        """
        keys = {"kind", "value", "group", "step", "author", "reason", "before"}
        if not isinstance(document, dict) or document.keys() != keys:
            raise ArgumentError(
                f"an edit has the keys {', '.join(sorted(keys))}; got {document!r}."
            )
        return cls(**document)


def edit_in(
    words: str | Iterable[str],
    *,
    shape: str | None = None,
    group: int | None = None,
    author: str,
    reason: str = "",
) -> Edit:
    """The edit that some words say, such as `"scale 0.5"` or `"decay 500 cosine()"`.

    Args:
        words: one text, or the words as a shell gives them.
        shape: of a `decay`.
        group: the parameter group; None for all.
        author: who asks.
        reason: why.

    Raises:
        ArgumentError: they say no edit, or a value outside its rule.

    Examples:
        >>> edit_in("set 1e-4", author="ann").value
        0.0001
    """
    try:
        given = shlex.split(words) if isinstance(words, str) else list(words)
    except ValueError as error:
        raise ArgumentError(f"the edit {words!r} cannot be read: {error}.") from None
    if not given:
        raise ArgumentError(f"an edit is one of {', '.join(EditKind)}, with its value.")
    name, *rest = given
    kind: Any = name
    if name == EditKind.DECAY and len(rest) == 2 and shape is None:
        shape = rest.pop()
    if name == EditKind.FOLLOW:
        rest = [" ".join(rest)] if rest else []
    if len(rest) > 1:
        raise ArgumentError(f"{name} takes one value; got {' '.join(rest)}.")
    if shape is not None and name != EditKind.DECAY:
        raise ArgumentError(f"a shape is of decay alone; got {name} with {shape}.")
    value: Any = rest[0] if rest else None
    if value is not None and name in set(EditKind) - {EditKind.FOLLOW}:
        value = _number_in(EditKind(name), value)
    if shape is not None:
        value = {"steps": value, "shape": shape}
    return Edit(kind=kind, value=value, group=group, author=author, reason=reason)


def standing(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """The edits that change the schedule and were not undone by a rollback, in order."""
    kept: list[Edit] = []
    for edit in edits:
        if edit.kind is EditKind.ROLLBACK:
            kept = [one for one in kept if one.step is not None and one.step <= edit.value]
        elif edit.kind in RATE_KINDS:
            kept.append(edit)
    return tuple(kept)


def _number_in(kind: EditKind, word: str) -> float | int | str:
    try:
        number = float(word)
    except ValueError:
        return word  # refused with the rule of its kind
    counted = kind not in {EditKind.SCALE, EditKind.SET}
    return int(number) if counted and number.is_integer() else number


def _checked(kind: EditKind, value: Any) -> Any:
    if kind in _BARE:
        if value is not None:
            raise ArgumentError(f"{kind} takes no value; got {value!r}.")
        return None
    if kind is EditKind.FOLLOW:
        return _text(kind, value)
    if kind is EditKind.DECAY and isinstance(value, dict):
        if value.keys() != {"steps", "shape"}:
            _refuse(kind, value)
        steps, named = _count(kind, value["steps"], 1), str(shape(_called(value["shape"])))
        return steps if named == "linear()" else {"steps": steps, "shape": named}
    if kind in {EditKind.SCALE, EditKind.SET}:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            _refuse(kind, value)
        return float(value)
    return _count(kind, value, 0 if kind is EditKind.ROLLBACK else 1)


def _count(kind: EditKind, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**53:
        _refuse(kind, value)
    return value


def _text(kind: EditKind, value: Any) -> str:
    if not isinstance(value, str | Schedule):
        _refuse(kind, value)
    return str(read(value))


def _called(name: Any) -> Any:
    """A shape's text; its name alone will do."""
    return f"{name}()" if isinstance(name, str) and name.isidentifier() else name


def _refuse(kind: EditKind, value: Any) -> NoReturn:
    shown = "nothing" if value is None else repr(value)[:80]
    raise ArgumentError(f"{kind} needs {_VALUES[kind]}; got {shown}.")
