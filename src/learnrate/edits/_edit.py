"""Edits: changes to a running schedule, as data and in words."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from learnrate._checks import check_whole, did_you_mean
from learnrate._errors import ArgumentError
from learnrate._records import from_dict, to_dict
from learnrate.schedules import Schedule, shape
from learnrate.schedules import schedule as read

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "RATE_KINDS",
    "Edit",
    "EditKind",
    "edit_in",
    "in_effect",
    "not_rolled_back",
    "note_on_undo",
    "undone_by_last",
    "words_of",
]


class EditKind(StrEnum):
    """The kinds of edits; the value is the word on the command line."""

    SCALE = "scale"
    SET = "set"
    HOLD = "hold"
    RELEASE = "release"
    DECAY = "decay"
    STRETCH = "stretch"
    FOLLOW = "follow"
    UNDO = "undo"
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
        EditKind.UNDO,
    }
)
"""The kinds that change the schedule. The others change the weights, or nothing."""

_OF_A_GROUP = RATE_KINDS - {EditKind.STRETCH, EditKind.UNDO}
_BARE = frozenset(
    {
        EditKind.HOLD,
        EditKind.RELEASE,
        EditKind.UNDO,
        EditKind.SNAPSHOT,
        EditKind.PROBE,
        EditKind.STOP,
    }
)
_VALUES = {
    EditKind.SCALE: "a factor above 0, such as 0.5",
    EditKind.SET: "a rate above 0, such as 1e-4",
    EditKind.DECAY: "the steps of the decay, at least 1, such as 1000",
    EditKind.STRETCH: "the total number of steps of the run, at least 1, such as 20000",
    EditKind.FOLLOW: "a schedule, such as '3e-4 * linear()'",
    EditKind.ROLLBACK: "the step to go back to, at least 0, such as 1000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One change to a running schedule, with its step, its author and its reason.

    | kind | value | from its step on |
    |---|---|---|
    | scale | factor | all rates of the schedule are multiplied by the factor |
    | set | rate | as `scale`, with the factor that makes the highest rate of this step the value |
    | hold | | the rate stays as it is, and controllers are paused |
    | release | | a hold or a decay ends; the rate follows the schedule again |
    | decay | steps, or `{"steps": ..., "shape": ...}` | the rate falls from its present value to 0, and the run ends there (for one group: the group's decay ends there, not the run) |
    | stretch | total_steps | the stable phase lasts longer; if it is over or there is none, the rate stays as it is for the additional steps and then continues as planned |
    | follow | the text of a schedule | the rate follows the other schedule from the current step on; for one group, the length of the run stays |
    | undo | | the rate is as if the newest edit of the rate had not been made; a further undo takes back the one before it |
    | rollback | step | weights, optimizer and schedule are as they were before that update; edits that took effect later are undone; the data is not rewound |
    | snapshot | | the state before this update is kept for a rollback |
    | probe | | the what-if probe runs |
    | stop | | the run ends before this update |

    An edit applies to the schedule as the edits before it left it. While the rate is held, `scale`
    and `set` change the held rate, and the rate after the release.

    Attributes:
        kind: what the edit does.
        value: the number or text that the kind needs; None if it needs none.
        group: index of the parameter group; None for all groups.
        author: who made the edit.
        reason: why; may be empty.
        step: the first update with the edit; None while it is not known.
        before: the rate of each group at that update without the edit; a run fills it in.

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
            hint = did_you_mean(str(self.kind), EditKind, quote="'")
            raise ArgumentError(
                f"there is no edit {str(self.kind)!r}{hint} The edits are {', '.join(EditKind)}."
            )
        object.__setattr__(self, "kind", EditKind(self.kind))
        object.__setattr__(self, "value", _checked_value(self.kind, self.value))
        object.__setattr__(self, "before", tuple(map(float, self.before)))
        if not isinstance(self.author, str) or not self.author.strip():
            raise ArgumentError(f"an edit needs an author, as text; got {self.author!r}.")
        if not isinstance(self.reason, str):
            raise ArgumentError(f"the reason of an edit must be text; got {self.reason!r}.")
        if self.step is not None:
            check_whole("Edit", "step", self.step, 0)
        self._check_group()

    def _check_group(self) -> None:
        if self.group is None:
            return
        check_whole("Edit", "group", self.group, 0)
        if self.kind not in _OF_A_GROUP:
            kinds = ", ".join(sorted(_OF_A_GROUP))
            is_stretch = self.kind is EditKind.STRETCH
            reason = ", because it changes the length of the run" if is_stretch else ""
            raise ArgumentError(
                f"{self.kind} applies to all groups{reason}; edits of one group are {kinds}."
            )

    @property
    def shape(self) -> Schedule:
        """The shape of a `decay`; a straight line to 0 if none was given."""
        return read(self.value["shape"] if isinstance(self.value, dict) else "linear()")

    @property
    def steps(self) -> int:
        """The duration of a `decay`, in updates."""
        return int(self.value["steps"] if isinstance(self.value, dict) else self.value)

    def at_step(self, step: int, before: Sequence[float] = ()) -> Edit:
        """The edit with the step it takes effect at, and the rates of the groups before it."""
        return replace(self, step=step, before=tuple(before))

    @property
    def words(self) -> str:
        """The edit as typed on the command line; `edit_in` reads it."""
        return words_of(self.kind, self.value)

    def __str__(self) -> str:
        group = "" if self.group is None else f" of group {self.group}"
        step = "" if self.step is None else f" at step {self.step}"
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.words}{group}{step} by {self.author}{reason}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON values."""
        return to_dict(self)

    @classmethod
    def from_dict(cls, document: object) -> Edit:
        """The edit that `to_dict` wrote.

        Raises:
            ArgumentError: the document is not such an edit; the message names the key.
        """
        return from_dict(cls, document, all_keys=True)


def words_of(kind: str, value: Any) -> str:
    """An edit of any kind, also an unknown one, as typed on the command line.

    Examples:
        >>> words_of("scale", 0.5)
        'scale 0.5'
    """
    values = value.values() if isinstance(value, dict) else () if value is None else (value,)
    return " ".join([str(kind), *map(_word, values)])


def _word(value: object) -> str:
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return shlex.quote(value) if isinstance(value, str) else str(value)


def edit_in(
    words: str | Iterable[str],
    *,
    shape: str | None = None,
    group: int | None = None,
    author: str,
    reason: str = "",
) -> Edit:
    """Read an edit from text such as `"scale 0.5"` or `"decay 500 cosine()"`.

    Args:
        words: the text, or its words as a shell splits them; a single word may be the whole text in quotes.
        shape: the shape of a `decay`; linear by default.
        group: index of the parameter group; None for all groups.
        author: who makes the edit.
        reason: why.

    Raises:
        ArgumentError: the text is not an edit, or a value is outside its rule.

    Examples:
        >>> edit_in("set 1e-4", author="ann").value
        0.0001
    """
    if not isinstance(words, Iterable):
        raise ArgumentError(f"an edit must be text, such as 'scale 0.5'; got {words!r}.")
    tokens = [words] if isinstance(words, str) else list(words)
    try:
        tokens = shlex.split(tokens[0]) if len(tokens) == 1 else tokens
    except ValueError as error:
        raise ArgumentError(f"the edit {tokens[0]!r} cannot be read: {error}.") from None
    if not tokens:
        raise ArgumentError(f"an edit is one of {', '.join(EditKind)}, with its value.")
    name, *rest = tokens
    kind: Any = name
    if name == EditKind.DECAY and len(rest) == 2 and shape is None:
        shape = rest.pop()
    if name == EditKind.FOLLOW:
        rest = [" ".join(rest)] if rest else []
    if len(rest) > 1:
        raise ArgumentError(f"{name} takes one value; got {' '.join(rest)}.")
    if shape is not None and name != EditKind.DECAY:
        raise ArgumentError(f"only decay takes a shape; got {name} with the shape {shape}.")
    value: Any = rest[0] if rest else None
    if value is not None and name in set(EditKind) - {EditKind.FOLLOW}:
        value = _parsed_number(EditKind(name), value)
    if shape is not None:
        value = {"steps": value, "shape": shape}
    return Edit(kind=kind, value=value, group=group, author=author, reason=reason)


def not_rolled_back(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """The edits that change the schedule and were not undone by a rollback, in order."""
    active: list[Edit] = []
    for edit in edits:
        if edit.kind is EditKind.ROLLBACK:
            active = [
                earlier
                for earlier in active
                if earlier.step is not None and earlier.step <= edit.value
            ]
        elif edit.kind in RATE_KINDS:
            active.append(edit)
    return tuple(active)


def in_effect(edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """The edits of the rate that count at the end of a history: neither rolled back nor undone."""
    remaining: list[Edit] = []
    for edit in not_rolled_back(edits):
        if edit.kind is not EditKind.UNDO:
            remaining.append(edit)
        elif remaining:
            remaining.pop()
    return tuple(remaining)


def undone_by_last(edits: Iterable[Edit]) -> Edit:
    """The edit that an undo takes back, which is the last of the edits.

    Raises:
        ArgumentError: there is none.
    """
    remaining = in_effect(not_rolled_back(edits)[:-1])
    if not remaining:
        raise ArgumentError("there is no edit of the rate to undo.")
    return remaining[-1]


def note_on_undo(edits: Sequence[Edit]) -> str:
    """What the last of some edits takes back, to end a sentence; empty if it is no undo."""
    if not edits or edits[-1].kind is not EditKind.UNDO:
        return ""
    return f"; as if '{undone_by_last(edits)}' had not been made"


def _parsed_number(kind: EditKind, word: str) -> float | int | str:
    try:
        number = float(word)
    except ValueError:
        return word  # the check of the kind refuses it
    counted = kind not in {EditKind.SCALE, EditKind.SET}
    return int(number) if counted and number.is_integer() else number


def _checked_value(kind: EditKind, value: Any) -> Any:
    if kind in _BARE:
        if value is not None:
            raise ArgumentError(f"{kind} takes no value; got {value!r}.")
        return None
    if kind is EditKind.FOLLOW:
        if not isinstance(value, str | Schedule):
            _refuse(kind, value)
        return str(read(value))
    if kind is EditKind.DECAY and isinstance(value, dict):
        if value.keys() != {"steps", "shape"}:
            _refuse(kind, value)
        steps, text = _checked_count(kind, value["steps"], 1), value["shape"]
        text = f"{text}()" if isinstance(text, str) and text.isidentifier() else text
        text = str(shape(text))
        return steps if text == "linear()" else {"steps": steps, "shape": text}
    if kind in {EditKind.SCALE, EditKind.SET}:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or value <= 0:
            _refuse(kind, value)
        return float(value)
    return _checked_count(kind, value, 0 if kind is EditKind.ROLLBACK else 1)


def _checked_count(kind: EditKind, value: Any, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**53:
        _refuse(kind, value)
    return value


def _refuse(kind: EditKind, value: Any) -> NoReturn:
    shown = "nothing" if value is None else repr(value)[:80]
    raise ArgumentError(f"{kind} needs {_VALUES[kind]}; got {shown}.")
