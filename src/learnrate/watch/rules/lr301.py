"""LR301: the loss is on a plateau, so it is time to decay the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate._numbers import rate_text
from learnrate._statistics import rising_rank_p
from learnrate.watch._finding import Finding, Severity
from learnrate.watch._rule import Rule, RuleOptions

if TYPE_CHECKING:
    from learnrate.watch._example import ExampleRun
    from learnrate.watch._observations import Observations
    from learnrate.watch._reading import Reading

__all__ = ["RULE", "PlateauOptions"]

_MEANS = 24  # batch means for the trend test, as many as the controllers use


class PlateauOptions(RuleOptions):
    """Thresholds of LR301; the test is that of `learnrate.controllers.Plateau`.

    Attributes:
        window: the test uses the latest rows, this share of all rows so far.
        progress: the test must show that, within the window, the loss fell by less than this share
            of its total decrease. Runs at a constant rate that were still worth continuing fell by
            0.2 or more, runs on a plateau by up to 0.1.
        significance: the p-value of that test must be below this value.
        remaining: at least this share of the run must be left, so that a decay is still useful.
        variation: the rate may vary by at most this share within the window.
    """

    window: float = 0.6
    progress: float = 0.15
    significance: float = 0.02
    remaining: float = 0.1
    variation: float = 0.02


def _will_decay(reading: Reading) -> bool:
    """Whether the schedule, if known, lowers the rate by half or more before the end."""
    schedule, total_steps = reading.observations.schedule, reading.observations.total_steps
    if schedule is None or total_steps is None:
        return False
    bound = schedule if schedule.ready else schedule.over(total_steps)
    return abs(bound(total_steps - 1)) < 0.5 * abs(bound(reading.steps_done - 1))


class _Plateau(Rule[PlateauOptions]):
    title = "the loss is on a plateau: likely time to decay the rate"
    severity = Severity.ADVICE
    needs = ("loss", "lr")
    rows = 60
    judges = "a plateau"
    explains = frozenset({"LR302"})

    def check(self, reading: Reading, options: PlateauOptions) -> Finding | None:
        if (
            reading.finished
            or reading.steps_done > (1.0 - options.remaining) * reading.total_steps
        ):
            return None
        rows = int(options.window * reading.finite_loss.value.size)
        window = reading.finite_loss.value[-rows:]
        since = int(reading.finite_loss.step[-rows])
        rates = reading.rate.since(since).value
        if (
            not rates.size
            or rates.max() == 0
            or rates.min() < (1.0 - options.variation) * rates.max()
        ):
            return None
        if rates.max() < 0.5 * reading.peak or _will_decay(reading):
            return None
        means = np.array([part.mean() for part in np.array_split(window, min(_MEANS, rows))])
        level = float(np.median(means))
        progress = options.progress * reading.fall
        p = rising_rank_p((means + progress * np.arange(means.size) / means.size).tolist())
        if progress <= 0 or p >= options.significance:
            return None
        rate = float(rates[-1])
        planned = reading.observations.total_steps
        left = None if planned is None else planned - reading.steps_done
        left_text = "" if left is None else f", and {left:,} updates are left"
        return self.finding(
            step=since,
            message=(
                f"The loss has stayed near {level:.4g} since about step {since:,} at a rate of "
                f"{rate_text(rate, 2)}: in {reading.steps_done - since:,} updates it fell by less "
                f"than {100 * options.progress:.0f} % of its total decrease (p={p:.2g}){left_text}."
            ),
            evidence={
                "since": since,
                "level": level,
                "rate": rate,
                "progress_refuted": progress,
                "p": p,
                "updates_left": left,
            },
            remedy=(
                "Decay the rate to 0 over the rest of the run, unless the schedule does so later."
            ),
        )

    def example(self, run: ExampleRun) -> Observations:
        loss = 0.6 + 1.7 * np.exp(-run.step / 20) + 0.03 * run.noise
        return run.observed(loss=loss, lr=np.full(run.total_steps, 0.1), total_steps=1000)


RULE = _Plateau()
