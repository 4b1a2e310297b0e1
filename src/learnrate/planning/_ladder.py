"""Which trial comes next: a pure function of the trials so far, so that a killed plan can resume."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from learnrate.planning._next_rate import (
    SPACING,
    lowest_at,
    middle_of_gap,
    next_on_climb,
    rate_beyond,
)
from learnrate.planning._overfitting import Overfitting, overfitting
from learnrate.planning._rung_losses import (
    mean_losses,
    repeat_noise,
    seeds_around_the_best,
    trial_losses,
)
from learnrate.planning._surface import LEAST_SLOPE, Surface
from learnrate.planning._whole_runs import WholeRuns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from learnrate.planning._budget import Pace
    from learnrate.planning._rung_losses import LadderTrial

__all__ = ["Ladder", "Proposal"]

_MIN_STEPS = 8  # updates of any trial
_MIN_FIRST_STEPS = 16  # updates of a short trial
_FIRST_TRIALS_IN_BUDGET = 25  # a short trial costs this part of the budget
_FIRST_TRIALS = 4  # that the budget must pay for, if there are to be short trials
_FIRST_SHARE = 0.4  # of the budget: the most that short trials may cost
_LONGEST_FIRST = 8  # a short trial has at most this part of a run
_LAST_TRIALS = 3  # long trials that the rest of the budget must pay for
_MORE_TRIALS = 4  # the same, if each has at least a sixteenth of a run
_ONLY_TRIALS = 5  # the same, if no short trials show where the long ones begin
_LEAST_PART = 16  # if there are more than three, each has at least this part of a run
_FIRST_TOGETHER = 4  # trials that begin a rung, if they run at once
_CLEAR_SHARE = 0.1  # of the fall since the start: a smaller difference of two rates may be chance
_FEWEST_RATES = 3  # that a fit of whole runs needs
_FEWEST_REPEATED = (
    2  # rates with a second seed: one alone cannot tell noise from the level of a seed
)
_MAX_SEEDS = 5
_CLOSE = 0.1  # log losses: a narrow gap is halved if its other end is higher by more
_MAX_SWEPT = 16  # rates of whole runs: eight decades at half a decade apart
_FAR_SHARE = (
    0.25  # of the fall since the start: a sweep of whole runs ends where the loss is this high
)
_REFINED = 0.02  # log losses: a gap beside the best whole run is halved if its other end is higher
_CLEARLY = 2 * math.sqrt(2)  # standard deviations of a run: two of a difference
_HALVED = "it halves the gap beside the best rate"
_TOLD_APART = 0.002  # expected regret below which no further seed is asked for


@dataclass(frozen=True)
class Proposal:
    """The next trial.

    Attributes:
        rung: 0 for the shortest trials, then 1, 2, ...
        steps: its length in updates.
        log_lr: the natural log of its peak rate.
        repeat: 0 for the first seed of its length, then 1, 2, ...
        reason: why it is asked for, in one sentence.
        log_lrs: the natural log of each rate, if the task has several; `log_lr` is their mean.
    """

    rung: int
    steps: int
    log_lr: float
    repeat: int = 0
    reason: str = ""
    log_lrs: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ladder:
    """Short trials that find where the best rate lies, then long ones that bracket it.

    On each rung the first two trials straddle the best rate expected there. While the best trial is
    the lowest or the highest one, the next rate beyond it is tried. A trial that diverged counts as
    worse. A short trial counts as worse only if it ends higher by a tenth of the fall since the
    start. The short trials may cost 40 % of the budget. The long ones are as long as what is left
    pays for three of them, and at most as long as the run. They are four, or five if there are no
    short ones, if each still has a sixteenth of the run: then the best one is more often enclosed.
    Then the gaps beside the best rate are halved. If the long trials are whole runs, the rates around
    the best one get further seeds, until they are told apart or have five. What is left of the budget
    goes to rates beyond both ends, until the loss there is a quarter of the fall above the best, in
    search of a second minimum, and to narrower gaps beside the best rate.

    Args:
        budget: how many updates all trials together may cost.
        total_steps: the length of the whole run, in updates.
        expected_log_lr: the log of the best rate of trials, according to the range test.
        start: the log loss before training.
        train_start: the log training loss before training; NaN if it is not known.
        train_noise: the standard deviation of the log training loss of one update.
        pace: of training, if the budget is a time: a trial costs the time that it took, its
            validation included, and not only its updates.
        extension: the only rung whose trials are still asked for, and their length in updates; None
            for all rungs.
        costs_together: what 1, 2, ... trials cost if they run at once, as a number of trials that run
            alone.
        usual_log_lr: the log of the rate that is usually best; NaN if it is not known.
    """

    budget: int
    total_steps: int
    expected_log_lr: float
    start: float = math.inf
    train_start: float = math.nan
    train_noise: float = 0.0
    pace: Pace | None = None
    extension: tuple[int, int] | None = None
    costs_together: tuple[float, ...] = (1.0,)
    usual_log_lr: float = math.nan

    def next(self, trials: Sequence[LadderTrial]) -> Proposal | None:
        """The next trial, or None if nothing is left to ask or to spend."""
        rung, steps = self.extension or self._rung(trials)
        proposal = self._on_rung(rung, steps, trials)
        if proposal is None and rung == 0 and self.extension is None:
            rung, steps = 1, self._longest(trials)
            proposal = self._on_rung(rung, steps, trials)
        affordable = self.spent(trials) + self.expected_cost(steps, trials) <= self.budget
        return proposal if affordable else None

    def spent(self, trials: Sequence[LadderTrial]) -> int:
        """The cost of trials, in updates."""
        return sum(trial.cost for trial in trials)

    def cost(self, updates: int, seconds: float) -> int:
        """The part of the budget that a trial takes, in updates.

        Args:
            updates: that it made.
            seconds: that it took.
        """
        return updates if self.pace is None else self.pace.updates_in(seconds)

    def seconds(self, steps: int, trials: Sequence[LadderTrial], count: int = 1) -> float:
        """How long further trials are expected to take; 0 if the budget is not a time.

        Args:
            steps: the length of each.
            trials: so far.
            count: how many run at once.
        """
        cost = self.expected_cost(steps, trials, count)
        return 0.0 if self.pace is None else cost * self.pace.update

    def expected_cost(self, steps: int, trials: Sequence[LadderTrial], count: int = 1) -> int:
        """The part of the budget that further trials are expected to take, at the present speed.

        Args:
            steps: the length of each.
            trials: so far.
            count: how many run at once, at most `len(costs_together)`.
        """
        updates = steps * self.costs_together[count - 1]
        if self.pace is None:
            return math.ceil(updates)
        validation = self.pace.validation / self.pace.update
        return math.ceil(self._slowdown(trials) * (updates + count * validation))

    def _slowdown(self, trials: Sequence[LadderTrial]) -> float:
        """How much longer trials took than expected; at least 1."""
        if self.pace is None or not trials:
            return 1.0
        validation = self.pace.validation / self.pace.update
        expected = sum(trial.share * trial.record.updates + validation for trial in trials)
        return max(1.0, self.spent(trials) / expected)

    @property
    def first_together(self) -> int:
        """How many trials begin a rung at once."""
        return min(_FIRST_TOGETHER, len(self.costs_together))

    def surface(self, trials: Sequence[LadderTrial]) -> Surface:
        """The posterior over the best rate of the whole run, given the trials."""
        return _same(
            Surface(
                trial_losses(trials),
                self.total_steps,
                self.expected_log_lr,
                self.start,
                self.overfitting(trials).probability,
                self.usual_log_lr,
            )
        )

    def overfitting(self, trials: Sequence[LadderTrial]) -> Overfitting:
        """The signs in the trials that overfitting limits the best rate."""
        return overfitting(trials, self.start, self.train_start, self.train_noise)

    def whole_runs(self, trials: Sequence[LadderTrial]) -> WholeRuns | None:
        """The fit of whole runs; None if fewer than three rates were tried at full length."""
        whole = [trial for trial in trials if trial.steps == self.total_steps]
        losses = trial_losses(whole)
        if len(losses) < _FEWEST_RATES or not any(math.isfinite(x.log_loss) for x in losses):
            return None
        return WholeRuns(losses, repeat_noise(whole, self._usual_noise(trials)))

    def _usual_noise(self, trials: Sequence[LadderTrial]) -> float:
        """The noise of a trial according to shorter trials, or to all if there are none."""
        shorter = [trial for trial in trials if trial.steps < self.total_steps]
        learned = any(math.isfinite(trial.log_loss) for trial in shorter)
        return self.surface(shorter if learned else trials).noise

    def bracketed(self, rung: int, trials: Sequence[LadderTrial]) -> bool:
        """Whether the best rate of a rung has a worse one on both sides, or one that diverged."""
        losses = mean_losses([trial for trial in trials if trial.rung == rung])
        rates = sorted(losses)
        return len(rates) >= _FEWEST_RATES and rates[0] < lowest_at(losses) < rates[-1]

    def extended(self, trials: Sequence[LadderTrial]) -> Ladder:
        """This ladder with a budget for the two further trials that would help most.

        They are twice as long as the longest so far if the extrapolation to the whole run is what
        makes the best rate uncertain. If the best rate is not bracketed, or the noise of the trials
        is what makes it uncertain, they are as long as the longest.
        """
        surface = self.surface(trials)
        rung = max(trial.rung for trial in trials)
        longest = max(trial.steps for trial in trials)
        std_longest, std_whole = (
            surface.log_best(steps)[1] for steps in (longest, self.total_steps)
        )
        drift_matters = std_whole**2 > 2 * std_longest**2 and self.bracketed(rung, trials)
        if drift_matters and 2 * longest <= self.total_steps:
            rung, longest = rung + 1, 2 * longest
        budget = self.spent(trials) + 2 * self.expected_cost(longest, trials)
        return replace(self, budget=budget, extension=(rung, longest))

    def counting_updates(self, budget: int, trials: Sequence[LadderTrial]) -> Ladder:
        """This ladder for a budget of updates, whatever time they take.

        If the budget does not pay for longer trials, further ones of the same length are made.

        Args:
            budget: for all trials, those that were made included.
            trials: so far, each with its updates as its cost.
        """
        rung, steps = max((trial.rung, trial.steps) for trial in trials)
        pays_for_longer = (budget - self.spent(trials)) // _LAST_TRIALS > steps
        extension = None if pays_for_longer else (rung, steps)
        return replace(self, budget=budget, pace=None, extension=extension)

    def _rung(self, trials: Sequence[LadderTrial]) -> tuple[int, int]:
        """The rung that is being climbed, and the length of its trials."""
        steps = self._shortest
        is_long = any(trial.rung == 1 for trial in trials)
        cost = self.spent(trials) + self.expected_cost(steps or 0, trials)
        room = cost <= _FIRST_SHARE * self.budget
        if steps is None or is_long or not room:
            return 1, self._longest(trials)
        return 0, steps

    @property
    def _shortest(self) -> int | None:
        """The length of short trials; None if the budget does not pay for any."""
        return self._short_length(_FIRST_TRIALS_IN_BUDGET, _FIRST_TRIALS)

    def _short_length(self, parts: int, count: int) -> int | None:
        """The length of short trials that each cost the budget divided by `parts`.

        None if `count` of them cost too much, or if they are not much shorter than the run.
        """
        most = max(_MIN_FIRST_STEPS, self.total_steps // _LONGEST_FIRST)
        steps = min(most, max(_MIN_FIRST_STEPS, self.budget // parts))
        cost = count * self.expected_cost(steps, [])
        enough = cost <= _FIRST_SHARE * self.budget and 2 * steps <= self.total_steps
        return steps if enough else None

    def _longest(self, trials: Sequence[LadderTrial]) -> int:
        """The length of long trials: those of the first one, or what the budget pays for."""
        lengths = [trial.steps for trial in trials if trial.rung == 1]
        if lengths:
            return lengths[0]
        left, overhead = self.budget - self.spent(trials), self.expected_cost(0, [])
        slowdown = self._slowdown(trials)
        for count in range(_MORE_TRIALS if trials else _ONLY_TRIALS, _LAST_TRIALS - 1, -1):
            affordable = math.floor(left / (slowdown * self._cost_of(count))) - overhead
            if _LEAST_PART * affordable >= self.total_steps:
                break
        return min(self.total_steps, max(_MIN_STEPS, affordable))

    def _cost_of(self, count: int) -> float:
        """The cost of `count` trials in groups of `first_together`, in trials that run alone."""
        whole, rest = divmod(count, self.first_together)
        cost = whole * self.costs_together[self.first_together - 1]
        return cost + (self.costs_together[rest - 1] if rest else 0.0)

    def _on_rung(self, rung: int, steps: int, trials: Sequence[LadderTrial]) -> Proposal | None:
        """The next trial of a rung; None if it is complete."""
        losses = mean_losses([trial for trial in trials if trial.rung == rung])
        if not losses:
            centre = self._centre(steps, [trial for trial in trials if trial.rung < rung])
            log_lr, reason = centre - SPACING / 2, "it is just below the best rate expected here"
        elif (climbed := next_on_climb(losses, self._margin(rung, steps, trials))) is not None:
            log_lr, reason = climbed
        elif rung == 0 or not math.isfinite(min(losses.values())):
            return None
        elif (halved := self._halved(losses)) is not None:
            log_lr, reason = halved, _HALVED
        else:
            return self._whole_run(rung, trials) if steps == self.total_steps else None
        return Proposal(rung, steps, log_lr, 0, reason)

    def _margin(self, rung: int, steps: int, trials: Sequence[LadderTrial]) -> float:
        """How much higher than the best a rate must end to enclose it.

        In a whole run a rise within the noise may be a local one. Short trials differ little before
        they have learned.
        """
        of_length = [trial for trial in trials if trial.steps == steps]
        lowest = min(mean_losses(of_length).values())
        if not math.isfinite(lowest):
            return 0.0
        if steps == self.total_steps:
            return _CLEARLY * repeat_noise(of_length, self._usual_noise(trials))
        return self._clear(lowest) if rung == 0 else 0.0

    def _clear(self, lowest: float) -> float:
        """The difference of log losses that counts as clear if the lowest one is `lowest`."""
        return _CLEAR_SHARE * max(0.0, self.start - lowest) if math.isfinite(self.start) else 0.0

    def _halved(self, losses: dict[float, float]) -> float | None:
        return middle_of_gap(losses, clear=self._clear(min(losses.values())))

    def _centre(self, steps: int, shorter: Sequence[LadderTrial]) -> float:
        """The log of the best rate expected at a length, from the trials of shorter ones."""
        lowest = min((trial.log_loss for trial in shorter), default=math.inf)
        if self.start - lowest < LEAST_SLOPE:  # nothing was learned
            return self._expected
        return self.surface(shorter).log_best(steps)[0]

    @property
    def _expected(self) -> float:
        """The log of the best rate before any trial: the mean of the two estimates that are known."""
        if math.isnan(self.usual_log_lr):
            return self.expected_log_lr
        return (self.expected_log_lr + self.usual_log_lr) / 2

    def _whole_run(self, rung: int, trials: Sequence[LadderTrial]) -> Proposal | None:
        """The next whole run, once wide gaps beside the best rate are halved.

        Second seeds of two rates show the noise first. Then gaps are halved as long as their ends are
        further apart than the noise, and rates that are not get further seeds.
        """
        of_rung = [trial for trial in trials if trial.rung == rung]
        losses, whole = mean_losses(of_rung), self.whole_runs(trials)
        counts = seeds_around_the_best(of_rung)
        noise = math.inf if whole is None else whole.noise
        run = partial(Proposal, rung, self.total_steps)
        if sum(count > 1 for count in counts.values()) < min(_FEWEST_REPEATED, len(counts)):
            log_lr = min((rate for rate in counts if counts[rate] == 1), key=losses.__getitem__)
            return run(log_lr, 1, "a second seed shows the noise")
        clear = min(_CLEARLY * noise, self._clear(min(losses.values())))
        middle = middle_of_gap(losses, clear=clear, close=max(_CLOSE, noise))
        if middle is not None:
            return run(middle, 0, _HALVED)
        fewest = min(counts.values())
        told_apart = fewest > 1 and whole is not None and whole.noise_regret < _TOLD_APART
        if told_apart or fewest >= _MAX_SEEDS:
            swept = self._swept(losses, 0.0 if whole is None else whole.noise)
            return None if swept is None else run(swept[0], 0, swept[1])
        log_lr = min(counts, key=lambda rate: (counts[rate], rate))
        reason = "rates with such close losses need further seeds to be told apart"
        return run(log_lr, counts[log_lr], reason)

    def _swept(self, losses: dict[float, float], noise: float) -> tuple[float, str] | None:
        """A log rate not tried yet, for what is left of the budget of whole runs, and why.

        Args:
            losses: the mean log loss of each log rate.
            noise: the standard deviation of one run.
        """
        if not math.isfinite(self.start) or len(losses) >= _MAX_SWEPT:
            return None
        fall = max(0.0, self.start - min(losses.values()))
        if (log_lr := rate_beyond(losses, _FAR_SHARE * fall)) is not None:
            return log_lr, "there may be a second minimum beyond the rates tried"
        if (log_lr := middle_of_gap(losses, close=max(_REFINED, noise))) is not None:
            return log_lr, _HALVED
        return None


@lru_cache(maxsize=8)
def _same(surface: Surface) -> Surface:
    """Cached, so that all questions between two trials use one posterior."""
    return surface
