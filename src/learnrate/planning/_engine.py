"""How a plan runs several trials at once: with which engine, and what that costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from learnrate.planning._budget import Pace
from learnrate.trials import Choice, choose_engine, costs_together, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from learnrate.task import Task
    from learnrate.trials import Curve, ProgressCallback, Trial

__all__ = ["MOST_TOGETHER", "PLAN_ENGINES", "TrialsTogether"]

PLAN_ENGINES = ("auto", "sequential")
MOST_TOGETHER = 8  # trials: four decades at half a decade apart
_LEAST_GAIN = 1.5  # in replays, 1.2 times as fast was no gain


@dataclass(frozen=True)
class TrialsTogether:
    """Several trials at once, each charged for its share of the time.

    Attributes:
        choice: the engine, without its timings.
        costs: what 1, 2, ... trials cost at once, in trials that run alone; `(1.0,)` if only one runs.
        pace: the pace of training, which turns a time into updates.
    """

    choice: Choice
    costs: tuple[float, ...]
    pace: Pace

    @classmethod
    def measured(cls, task: Task, trials: Sequence[Trial], pace: Pace) -> TrialsTogether:
        """The fastest way to run trials like these, from a few updates with each method.

        The time of an update becomes the fastest of these updates of a single trial. The first
        updates of a task are slow, so their time would make the budget too long.

        Args:
            task: what is trained.
            trials: trials of one seed and length.
            pace: the pace of training, at its first updates.
        """
        choice, _ = choose_engine(task, trials, "auto")
        alone = min([pace.update, *(timing.seconds for timing in choice.timings[:1])])
        costs = costs_together(choice, len(trials))
        return cls(replace(choice, timings=()), costs, replace(pace, update=alone))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> TrialsTogether:
        """The value that `to_record` saved."""
        return cls(Choice(**record["choice"]), tuple(record["costs"]), Pace(**record["pace"]))

    def to_record(self) -> dict[str, Any]:
        """JSON values for the journal of a plan."""
        return {
            "choice": asdict(self.choice),
            "costs": list(self.costs),
            "pace": asdict(self.pace),
        }

    @property
    def gain(self) -> float:
        """How many times as fast trials are if as many as possible run at once."""
        return len(self.costs) / self.costs[-1]

    @property
    def worth_it(self) -> bool:
        """Whether the gain outweighs choosing trials without each other's results."""
        return self.gain >= _LEAST_GAIN

    @property
    def text(self) -> str:
        """How many trials run at once and how fast, as a clause."""
        return f"up to {len(self.costs)} trials ran at once, {self.gain:.2g} times as fast as one by one"

    def run(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        """Yield each trial with its curve, whose time is its share of the time of all.

        Args:
            task: what is trained.
            trials: trials of one seed and length, in increasing order of their rates.
            on_progress: called now and then while trials run.
        """
        for trial, curve in engine_of(self.choice).run(task, trials, on_progress):
            yield trial, replace(curve, seconds=curve.seconds / self.choice.processes)

    def cost(self, curve: Curve) -> int:
        """What a trial took of a budget, in updates."""
        return self.pace.updates_in(curve.seconds)
