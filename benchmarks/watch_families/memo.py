"""A cache of the finding of each rule in each log, by code, thresholds and rows.

Scoring runs the rules hundreds of thousands of times, and the choice of a threshold changes a single rule
at a time. So results are cached for each rule separately, in a file for each family and view. A diagnosis or
a `Watcher` combines them as usual.
"""

from __future__ import annotations

import hashlib
import pickle
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import learnrate
from learnrate.watch import RULES, Rule

from .logs import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from learnrate.watch import Finding, RuleOptions
    from learnrate.watch._reading import Reading

__all__ = ["Memo"]

_STORE = Path("build/watch_families/memo")
_Answers = dict[tuple[Any, ...], "Finding | str | None"]


@lru_cache
def _code_states() -> dict[str, str]:
    """For each rule, a hash of the code that its answers rest on."""
    source = Path(learnrate.__file__).parent
    files = [*source.glob("watch/*.py"), *source.glob("schedules/*.py"), *source.glob("_*.py")]
    files.append(Path(__file__).parent / "views.py")
    common = b"".join(file.read_bytes() for file in sorted(files))
    return {
        rule.code: hashlib.sha1(
            common + (source / "watch/rules" / f"{rule.code.lower()}.py").read_bytes()
        ).hexdigest()
        for rule in RULES
    }


class Memo:
    """The results of all rules on the logs of a family in a view.

    Args:
        family: whose logs.
        view: how they look.
        store: the folder to keep the answers in.
    """

    def __init__(self, family: str, view: str, store: Path = _STORE) -> None:
        logs = hashlib.sha1((FOLDER / f"{family}.parquet").read_bytes()).hexdigest()
        self._file = store / f"{family}-{view.replace(' ', '-')}.pkl"
        self._state = {code: f"{logs} {state}" for code, state in _code_states().items()}
        self._answers: dict[str, _Answers] = {}
        if self._file.is_file():
            state, answers = pickle.loads(self._file.read_bytes())
            self._answers = {
                code: answers[code]
                for code in answers.keys() & self._state.keys()
                if state[code] == self._state[code]
            }
        self._is_new = False

    def rules(self, only: Iterable[str] | None = None) -> tuple[Rule[Any], ...]:
        """The rules, with a cache of their results.

        Args:
            only: the codes of the rules to take; None for all.
        """
        wanted = None if only is None else set(only)
        return tuple(
            _remembering(rule, self) for rule in RULES if wanted is None or rule.code in wanted
        )

    def answer(
        self, rule: Rule[Any], reading: Reading, options: RuleOptions
    ) -> Finding | str | None:
        """The finding of a rule in a reading, or None.

        Args:
            rule: the rule.
            reading: the run.
            options: its thresholds.
        """
        answers = self._answers.setdefault(rule.code, {})
        run, rows = reading.observations.run, reading.observations.step.size
        key = (run, rows, reading.live, *vars(options).values())
        if key not in answers:
            answers[key] = rule.apply(reading, options)
            self._is_new = True
        return answers[key]

    def save(self) -> None:
        """Write new results to the file."""
        if not self._is_new:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_bytes(pickle.dumps((self._state, self._answers)))
        part.replace(self._file)
        self._is_new = False


def _remembering(rule: Rule[Any], memo: Memo) -> Rule[Any]:
    """A rule that looks up its earlier results."""

    def apply(_: object, reading: Reading, options: RuleOptions) -> Finding | str | None:
        return memo.answer(rule, reading, options)

    remembering: Rule[Any] = type("Remembering", (type(rule),), {"apply": apply})()
    return remembering
