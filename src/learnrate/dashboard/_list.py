"""The list of runs: what a request chooses, and how it is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from learnrate._errors import ArgumentError
from learnrate._numbers import rate_text
from learnrate.dashboard._state import state_of
from learnrate.store import (
    FIELDS,
    Lifecycle,
    ListedRun,
    RunGroup,
    RunStatus,
    check_field,
    differing_facts,
    facts_of,
    grouped,
    listed,
    value_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ListQuery", "ListedRuns", "PageQuery", "chosen_runs", "listed_runs"]

_USUAL = ("status", "name", "step", "total_steps", "lr", "loss")
_IF_USED = ("lowest_validation", "findings", "tags", "note")
_RISING_FIRST = ("run", "status", "name", "loss", "lowest_loss", "validation", "lowest_validation")
_HEADINGS = {"lr": "rate", "total_steps": "total steps", "lowest_loss": "lowest loss"}
_HEADINGS |= {"lowest_validation": "lowest validation"}
_MOST_FACTS = 200  # that can be chosen as columns

FieldName = Annotated[str, Field(max_length=200)]


class ListQuery(BaseModel):
    """The list of runs that the query of an address asks for."""

    model_config = ConfigDict(extra="ignore")

    search: str = Field(
        default="",
        max_length=500,
        description="terms that must all match: word, field:part, field=value, field<number, -term",
    )
    status: RunStatus | Literal[""] = Field(default="", description="of the runs; empty for any")
    lifecycle: Lifecycle | Literal["all"] = Lifecycle.ACTIVE
    sort: FieldName = Field(
        default="-started", description="a field; -field for the highest value first"
    )
    first: int = Field(default=0, ge=0, le=10**9, description="number of runs to skip")

    def chosen_from(self, runs: Sequence[ListedRun]) -> list[ListedRun]:
        """The runs that match, sorted.

        Raises:
            HTTPException: no run has the field to sort by.
        """
        try:
            return listed(
                runs,
                search=self.search,
                status=RunStatus(self.status) if self.status else None,
                lifecycle=None if self.lifecycle == "all" else Lifecycle(self.lifecycle),
                sort=self.sort,
            )
        except ArgumentError as error:
            raise HTTPException(422, str(error)) from error


class PageQuery(ListQuery):
    """The further options of the page of runs."""

    group: FieldName = Field(default="", description="the field to group by; empty for none")
    column: list[FieldName] = Field(default=[], max_length=100)
    differences: bool = Field(default=False, description="whether to show differing facts too")

    def address(self, **changes: Any) -> str:
        """The address of the page with changes of its query."""
        query = self.model_dump(mode="json", exclude_defaults=True) | changes
        return f"/?{urlencode(query, doseq=True)}"


@dataclass(frozen=True, kw_only=True)
class Section:
    """Runs of a page below a heading, which is empty if the list is not grouped."""

    heading: str
    runs: Sequence[ListedRun]


@dataclass(frozen=True, kw_only=True)
class ListedRuns:
    """The data for the template of the list.

    Attributes:
        query: the query of the request.
        store_size: number of runs of the store.
        matches: number of runs that match.
        sections: the runs of this page.
        columns: the fields that are shown, besides the run's id.
        facts: the names of facts that can be chosen as columns.
        older: the address of the next page, or an empty text.
    """

    query: PageQuery
    store_size: int
    matches: int
    sections: list[Section]
    columns: list[str]
    facts: list[str]
    older: str

    @property
    def choices(self) -> list[str]:
        """The names of all columns that can be chosen."""
        fields = [name for name in FIELDS if name not in {"run", "pinned", "lifecycle"}]
        return [*fields, *self.facts]

    def heading(self, name: str) -> str:
        """The heading of a column; the name of its field if it has no other."""
        return _HEADINGS.get(name, name)

    def order(self, name: str) -> str:
        """The value of `aria-sort` of a column."""
        orders = {name: "ascending", f"-{name}": "descending"}
        return orders.get(self.query.sort, "none")

    def sorted_by(self, name: str) -> str:
        """The address of the list sorted by a column, the other way round if it is already."""
        rising = name in _RISING_FIRST
        order = self.order(name)
        if order != "none":
            rising = order == "descending"
        return self.query.address(sort=name if rising else f"-{name}", first=0)

    def is_text(self, name: str) -> bool:
        """Whether a column of the page contains text, not numbers."""
        return name in self._text_columns

    @cached_property
    def _text_columns(self) -> set[str]:
        page_runs = [run for section in self.sections for run in section.runs]
        return {
            name
            for name in self.columns
            if any(isinstance(run.value(name), str) for run in page_runs)
        }

    def cell(self, listed_run: ListedRun, name: str) -> str:
        """A value as it is shown."""
        value = listed_run.value(name)
        if value is None:
            return ""
        if name == "lr":
            return rate_text(value)
        if name in {"started", "updated"}:
            return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))
        if name in {"step", "total_steps"}:
            return f"{value:,}"
        return value_text(value)


def listed_runs(request: Request, query: PageQuery, most: int) -> ListedRuns:
    """The list that a request asks for.

    Args:
        request: the HTTP request.
        query: the query of its address.
        most: runs of one page.

    Raises:
        HTTPException: no run has the field that the list is grouped by (status 422).
    """
    runs = state_of(request).index.runs()
    matches = query.chosen_from(runs)
    facts = facts_of(runs)[:_MOST_FACTS]
    if query.group:
        try:
            check_field(query.group, runs)
        except ArgumentError as error:
            raise HTTPException(422, str(error)) from error
    groups = grouped(matches, query.group) if query.group else []
    sections = _sections(query, groups or [RunGroup(value="", runs=tuple(matches))], most)
    page_runs = [run for section in sections for run in section.runs]
    end = query.first + most
    return ListedRuns(
        query=query,
        store_size=len(runs),
        matches=len(matches),
        sections=sections,
        columns=_columns(query, matches, page_runs),
        facts=facts,
        older=query.address(first=end) if end < len(matches) else "",
    )


def _sections(query: PageQuery, groups: list[RunGroup], most: int) -> list[Section]:
    """The runs of a page by groups, in the order of the list."""
    sections, skip, room = [], query.first, most
    for group in groups:
        page_runs = group.runs[skip : skip + room]
        skip = max(0, skip - len(group.runs))
        room -= len(page_runs)
        if page_runs:
            heading = _group_heading(query.group, group) if query.group else ""
            sections.append(Section(heading=heading, runs=page_runs))
    return sections


def _group_heading(name: str, group: RunGroup) -> str:
    words = [f"{len(group.runs):,} run{'s' if len(group.runs) != 1 else ''}"]
    words += [
        f"{_HEADINGS[measure]} {value_text(value)}"
        for measure in ("lowest_validation", "lowest_loss")
        if (value := group.lowest(measure)) is not None
    ]
    return f"{_HEADINGS.get(name, name)}: {group.value or 'none'} ({', '.join(words)})"


def _columns(
    query: PageQuery, matches: Sequence[ListedRun], part: Sequence[ListedRun]
) -> list[str]:
    chosen = query.column
    if not chosen:
        used = [
            name for name in _IF_USED if any(run.value(name) not in (None, "") for run in part)
        ]
        chosen = [*_USUAL, *used, "started"]
    differing = differing_facts(matches)[:_MOST_FACTS] if query.differences else []
    names = dict.fromkeys([*chosen[:2], *differing, *chosen[2:]])
    return [name for name in names if name != "run"]


def chosen_runs(
    request: Request, query: ListQuery, run: Annotated[list[str] | None, Query()]
) -> list[ListedRun]:
    """The runs that a request names, or else those that its query chooses.

    Args:
        request: the HTTP request.
        query: the query of its address.
        run: ids of runs.
    """
    runs = state_of(request).index.runs()
    if run:
        return [listed_run for listed_run in runs if listed_run.run.id in set(run)]
    return query.chosen_from(runs)
