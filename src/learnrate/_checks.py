"""Checks of arguments: every one raises the same kind of message."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "check_finite",
    "check_seed",
    "check_share",
    "check_whole",
    "did_you_mean",
    "kind_of",
    "refuse",
]


def refuse(owner: str, argument: str, rule: str, value: object, way_out: str = "") -> NoReturn:
    """Raise the error for an argument that breaks its rule.

    Args:
        owner: the function or class that was called.
        argument: the name of its argument.
        rule: what the argument must be, as in "must be ...".
        value: what it was.
        way_out: one or more full sentences that say what to do instead.

    Raises:
        ArgumentError: always.
    """
    shown = repr(value)
    if "\n" in shown:  # of an optimizer, a model or an array
        shown = kind_of(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    message = f"{owner}({argument}=...) must be {rule}; got {shown}. {way_out}"
    raise ArgumentError(message.rstrip())


def did_you_mean(name: str, known: Iterable[str], quote: str = "") -> str:
    """The end of a sentence about an unknown name: a question with the closest known one, or a period.

    Args:
        name: the unknown name, as the user gave it.
        known: all names that exist.
        quote: the mark before and after the suggested name.

    Examples:
        >>> did_you_mean("sclae", ["scale", "set"]), did_you_mean("x", ["scale"])
        ('; did you mean scale?', '.')
    """
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {quote}{close[0]}{quote}?" if close else "."


def kind_of(value: object) -> str:
    """The name of a value in an error message that does not show its content: "None", or "a list"."""
    if value is None:
        return "None"
    name = type(value).__name__
    is_spelled = name[:2].isupper()  # as in SGD, whose S is read "ess"
    vowels = "AEFHILMNORSX" if is_spelled else "AEIOaeio"
    return f"{'an' if name[0] in vowels else 'a'} {name}"


def check_whole(
    owner: str,
    argument: str,
    value: object,
    low: int,
    way_out: str = "",
    *,
    high: float = math.inf,
) -> None:
    """Raise ArgumentError unless `value` is a whole number of at least `low`; see `refuse`.

    Args:
        owner: name of the function or class that was called, for the error.
        argument: name of its argument, for the error.
        value: what was given; True and False are refused.
        low: the smallest value allowed.
        way_out: one or more full sentences that say what to do instead; added to the error.
        high: the largest value allowed; none by default.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        bounds = f"of at least {low}" if high == math.inf else f"from {low:,} to {high:,}"
        refuse(owner, argument, f"a whole number {bounds}", value, way_out)


def check_seed(owner: str, seed: object) -> None:
    """Raise ArgumentError unless `seed` is a whole number from 0 to 2^63 - 1, which torch takes."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        refuse(owner, "seed", "a whole number from 0 to 2^63 - 1", seed)


def check_finite(
    owner: str, argument: str, value: object, low: float = -math.inf, way_out: str = ""
) -> None:
    """Raise ArgumentError unless `value` is a finite number of at least `low`; see `refuse`.

    Args:
        owner: name of the function or class that was called, for the error.
        argument: name of its argument, for the error.
        value: what was given; True and False are refused.
        low: the smallest value allowed; by default any finite number is.
        way_out: one or more full sentences that say what to do instead; added to the error.
    """
    is_number = not isinstance(value, bool) and isinstance(value, int | float)
    if not is_number or not math.isfinite(value) or value < low:  # type: ignore[arg-type,operator]  # a number by then
        rule = "a finite number" if low == -math.inf else f"a finite number of at least {low:g}"
        refuse(owner, argument, rule, value, way_out)


def check_share(owner: str, argument: str, value: object, way_out: str = "") -> None:
    """Raise ArgumentError unless `value` is strictly between 0 and 1; see `refuse`.

    Args:
        owner: name of the function or class that was called, for the error.
        argument: name of its argument, for the error.
        value: what was given; 0 and 1 are refused.
        way_out: one or more full sentences that say what to do instead; added to the error.
    """
    check_finite(owner, argument, value, way_out=way_out)
    if not 0 < value < 1:  # type: ignore[operator]  # check_finite() let only numbers pass
        refuse(owner, argument, "above 0 and below 1", value, way_out)
