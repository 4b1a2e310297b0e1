"""Lists of runs: searching, sorting, grouping, and the facts in which runs differ. Pure."""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate.schedules import from_json
from learnrate.store._records import Lifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from learnrate.store._records import RunStatus, StoredRun

__all__ = [
    "FIELDS",
    "ListedRun",
    "RunGroup",
    "check_field",
    "differing_facts",
    "facts_of",
    "grouped",
    "listed",
    "value_text",
]

FIELDS = (
    "run",
    "status",
    "name",
    "step",
    "total_steps",
    "lr",
    "loss",
    "lowest_loss",
    "validation",
    "lowest_validation",
    "findings",
    "tags",
    "note",
    "schedule",
    "started",
    "updated",
    "host",
    "pinned",
    "lifecycle",
)
"""The fields of a run in a list, besides its facts, which keep their recorded names."""

_FIELDS = frozenset(FIELDS)
_LONGEST_FACT = 100  # characters; a longer value is not shown in a list
_TERM = re.compile(r'(-?)(?:([^\s:<>=!"]+)(:|<=|>=|!=|<|>|=))?("[^"]*"|\S+)')
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run as a list shows it.

    Attributes:
        run: the run.
        findings: the codes of its findings, each once.
    """

    run: StoredRun
    findings: tuple[str, ...] = ()

    def value(self, field: str) -> Any:
        """The value of a field of `FIELDS`, or of a fact; None if there is none."""
        if field not in _FIELDS:
            return self.facts.get(field)
        if field == "run":
            return self.run.id
        if field == "schedule":
            return self.schedule
        if field in {"findings", "tags"}:
            return " ".join(self.findings if field == "findings" else self.run.tags)
        return getattr(self.run, field)

    def to_dict(self, columns: Sequence[str] = ()) -> dict[str, Any]:
        """The run as `learnrate runs --json` prints it, with some columns or with all."""
        if columns:
            return {"run": self.run.id, **{name: self.value(name) for name in columns}}
        return {
            **self.run.to_dict(),
            "schedule": self.schedule,
            "finding_codes": list(self.findings),
            "facts": self.facts,
        }

    @cached_property
    def schedule(self) -> str | None:
        """The schedule in its text form."""
        text = self.run.schedule_json
        return None if text is None else _schedule_text(text)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The facts that fit into a list: they are short, and no field has their name."""
        return {
            name: value
            for name, value in self.run.facts.items()
            if name not in _FIELDS and len(str(value)) <= _LONGEST_FACT
        }

    @cached_property
    def text(self) -> str:
        """All values as one text in lower case, to search in."""
        shown = [
            value_text(self.value(field))
            for field in FIELDS
            if field not in {"started", "updated"}
        ]
        facts = [f"{name}={value_text(value)}" for name, value in self.facts.items()]
        return "\n".join([*shown, *facts]).lower()


@dataclass(frozen=True, kw_only=True)
class RunGroup:
    """Runs that have the same value of a field.

    Attributes:
        value: the value of the field, as text; empty if the runs have none.
        runs: the runs of the group, sorted as the list is.
    """

    value: str
    runs: tuple[ListedRun, ...]

    def to_dict(self, columns: Sequence[str] = ()) -> dict[str, Any]:
        """The group as `learnrate runs --group-by FIELD --json` prints it."""
        return {
            "value": self.value,
            "lowest_loss": self.lowest("lowest_loss"),
            "lowest_validation": self.lowest("lowest_validation"),
            "runs": [listed_run.to_dict(columns) for listed_run in self.runs],
        }

    def lowest(self, field: str) -> float | None:
        """The lowest value of a field of numbers in the group; None if no run has one."""
        values = (listed_run.value(field) for listed_run in self.runs)
        return min((value for value in values if _is_number(value)), default=None)


def listed(
    runs: Iterable[ListedRun],
    *,
    search: str = "",
    status: RunStatus | None = None,
    lifecycle: Lifecycle | None = Lifecycle.ACTIVE,
    sort: str = "-started",
) -> list[ListedRun]:
    """The runs that match, sorted, pinned ones first.

    Args:
        runs: the runs to choose from.
        search: terms that must all match. `word` and `"some words"` match if any shown value
            contains them. `field:word` matches a part of one value; `field=value`, `field!=value`,
            `field<number` and so on compare it. `-` before a term means that it must not match.
            A field is one of `FIELDS` or a fact of some run; other words before a sign are plain
            text.
        status: the status of the runs; None for any.
        lifecycle: where the runs are listed; None for all.
        sort: the field to sort by; `-` before it for the highest value first. Runs without a
            value come last.

    Raises:
        ArgumentError: no run has the field to sort by.

    Examples:
        `listed(runs, search="optimizer=AdamW lowest_validation<0.5 -tags:old")`
    """
    candidates = list(runs)
    chosen = [
        listed_run
        for listed_run in candidates
        if (status is None or listed_run.run.status is status)
        and (lifecycle is None or listed_run.run.lifecycle is lifecycle)
    ]
    for matches in _terms(search, facts_of(candidates)) if search else ():
        chosen = [listed_run for listed_run in chosen if matches(listed_run)]
    field = sort.removeprefix("-")
    check_field(field, candidates)
    return _sorted(chosen, field, descending=sort.startswith("-"))


def grouped(runs: Sequence[ListedRun], field: str) -> list[RunGroup]:
    """Runs with the same value of a field together, in the order in which the values come.

    Args:
        runs: the runs, in the order of a list.
        field: one of `FIELDS`, or a fact; runs without a value are a group too.
    """
    groups: dict[str, list[ListedRun]] = {}
    for listed_run in runs:
        groups.setdefault(value_text(listed_run.value(field)), []).append(listed_run)
    return [RunGroup(value=value, runs=tuple(members)) for value, members in groups.items()]


def facts_of(runs: Iterable[ListedRun]) -> list[str]:
    """The names of the facts of some runs, the commonest first."""
    counts: Counter[str] = Counter()
    for names, count in Counter(tuple(listed_run.facts) for listed_run in runs).items():
        counts.update(
            dict.fromkeys(names, count)
        )  # most runs have the same names, so each set is counted once
    return [name for name, _ in counts.most_common()]


def differing_facts(runs: Sequence[ListedRun]) -> list[str]:
    """The names of the facts that do not have the same value in all of some runs."""
    return [
        name
        for name in facts_of(runs)
        if _differ(listed_run.facts.get(name) for listed_run in runs)
    ]


def _differ(values: Iterator[Any]) -> bool:
    """Whether some values are shown by different texts."""
    first = next(values)
    kind, text = type(first), value_text(first)
    return any(
        (type(value) is not kind or value != first) and value_text(value) != text
        for value in values
    )


@lru_cache(maxsize=20_000)
def _schedule_text(document: str) -> str:
    return str(from_json(document))


def check_field(field: str, runs: Sequence[ListedRun]) -> None:
    """Check that a list of runs can be sorted or grouped by a field.

    Raises:
        ArgumentError: it is not one of `FIELDS`, and no run has such a fact.
    """
    if field not in FIELDS and runs and not any(field in run.facts for run in runs):
        raise ArgumentError(
            f"no run has the field {field!r}; the fields are {', '.join(FIELDS)}, and facts "
            f"such as {', '.join(facts_of(runs)[:5]) or 'those of attach(facts=...)'}."
        )


def _terms(search: str, facts: Iterable[str]) -> list[Callable[[ListedRun], bool]]:
    """The conditions of a search."""
    fields = {*FIELDS, *facts}
    conditions = []
    for match in _TERM.finditer(search):
        minus, field, sign, word = match.groups()
        if field is not None and field not in fields:
            field, sign, word = None, "", f"{field}{sign}{word}"
        text = word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word
        conditions.append(_condition(field, sign or ":", text.lower(), negated=minus == "-"))
    return conditions


def _condition(
    field: str | None, sign: str, text: str, *, negated: bool
) -> Callable[[ListedRun], bool]:
    def matches(listed_run: ListedRun) -> bool:
        if field is None:
            return text in listed_run.text
        value = listed_run.value(field)
        if sign == ":":
            return text in value_text(value).lower()
        if sign in {"=", "!="}:
            return _equals(value, text) is (sign == "=")
        number = _number(text)
        return number is not None and _is_number(value) and bool(_COMPARISONS[sign](value, number))

    return (lambda listed_run: not matches(listed_run)) if negated else matches


def _equals(value: Any, text: str) -> bool:
    number = _number(text)
    if number is not None and _is_number(value):
        return bool(value == number)
    return value_text(value).lower() == text


def _sorted(runs: list[ListedRun], field: str, *, descending: bool) -> list[ListedRun]:
    present: list[tuple[tuple[bool, Any], ListedRun]] = []
    missing = []
    for listed_run in runs:
        value = listed_run.value(field)
        if value is None or value == "":
            missing.append(listed_run)
        else:
            number = _is_number(value)
            present.append(((number, value if number else value_text(value).lower()), listed_run))
    present.sort(key=itemgetter(0), reverse=descending)
    in_order = [*(listed_run for _, listed_run in present), *missing]
    pinned = [listed_run for listed_run in in_order if listed_run.run.pinned]
    return [*pinned, *(listed_run for listed_run in in_order if not listed_run.run.pinned)]


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and not math.isnan(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def value_text(value: Any) -> str:
    """A value of a run as a list shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(value_text, value))
    return str(value)
