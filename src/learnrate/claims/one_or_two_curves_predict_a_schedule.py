"""The loss at the end of a schedule, predicted from runs under others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._constant import best_constant, rates_around
from learnrate.claims._loss_history import loss_histories
from learnrate.claims._measurement import AS_GOOD, ClaimLine, ClaimMeasurement, share
from learnrate.claims._tasks import noisy_digits_mlp
from learnrate.claims._trials import for_each_task
from learnrate.forecasting import LossCurve, fit_loss_law
from learnrate.schedules import shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from learnrate.claims._loss_history import LossHistory
    from learnrate.claims._trials import ClaimTrials
    from learnrate.schedules import Schedule
    from learnrate.task import Task

_GIVEN = {"constant": "warmup(5%) >> constant()", "cosine": "warmup(5%) >> cosine()"}
_PREDICTED = {
    "linear": "warmup(5%) >> linear()",
    "decay in the last fifth": "warmup(5%) >> constant() >> linear(20%)",
    "two cuts": "warmup(5%) >> multi_step(boundaries=[50%, 75%])",
}
_FROM = {
    "a constant run": ("constant",),
    "a cosine": ("cosine",),
    "a constant run and a cosine": ("constant", "cosine"),
}
_MARKS = 60  # validations of a run


def _measured(trials: ClaimTrials, task: Task) -> ClaimMeasurement:
    """The errors of the predicted last losses, for each choice of given runs."""
    total_steps = task.run_length()
    peak = best_constant(trials, task, rates_around(trials, task, 0.1, 30.0), total_steps)
    schedules = {
        name: (peak * shape(text)).over(total_steps)
        for name, text in (_GIVEN | _PREDICTED).items()
    }
    rows = loss_histories(trials, [(task, bound) for bound in schedules.values()], _MARKS)
    by_seed = [dict(zip(schedules, runs, strict=True)) for runs in zip(*rows, strict=True)]
    parts = [
        ClaimMeasurement.of(
            f"from {words}: {task.name}",
            {"off": [_mean_error(schedules, runs, sources) for runs in by_seed]},
        )
        for words, sources in _FROM.items()
    ]
    lines = [
        ClaimLine.of(f"{task.name}, {name}", run.steps, run.validation)
        for name, run in by_seed[0].items()
    ]
    return ClaimMeasurement(ClaimMeasurement.joined(parts).cases, lines)


def _mean_error(
    schedules: Mapping[str, Schedule], runs: Mapping[str, LossHistory], sources: Sequence[str]
) -> float:
    """The mean relative error of predicted last losses."""
    curves = [_curve(name, schedules[name], runs[name]) for name in sources]
    predict = _equal_sum if tuple(sources) == ("constant",) else _law
    errors = [
        abs(predict(curves, schedules[name]) / runs[name].validation[-1] - 1)
        for name in _PREDICTED
    ]
    return float(np.mean(errors))


def _curve(name: str, bound: Schedule, run: LossHistory) -> LossCurve:
    """A training as a curve for the loss laws."""
    return LossCurve(name=name, lr=bound.table(), step=run.steps, loss=run.validation)


def _equal_sum(curves: Sequence[LossCurve], bound: Schedule) -> float:
    """The loss of the constant run after as large a sum of rates, which is all that it predicts."""
    (constant,) = curves
    sums = np.cumsum(constant.lr)[constant.step.astype(int) - 1]
    return float(np.interp(np.sum(bound.table()), sums, constant.loss))


def _law(curves: Sequence[LossCurve], bound: Schedule) -> float:
    """The last loss under a schedule, by the law fitted to these runs."""
    return float(fit_loss_law(curves).predict(bound).loss[-1])


def _tasks(_full: bool) -> Sequence[Task]:
    return [noisy_digits_mlp(name, steps=600) for name in ("SGD momentum", "Adam")]


CLAIM = Claim(
    topic="horizon",
    statement="One or two training curves predict the loss under any schedule.",
    source="""
        Tissue et al. 2024, Scaling law with learning rate annealing, arXiv:2408.11029; Luo et al.
        2025, the multi-power law, arXiv:2503.12811
    """,
    design="""
        Networks train at the best constant rate, and under a cosine with this peak, a linear decay,
        a decay in the last fifth and two cuts, each after 5 % warm-up, with the same batches. The last
        validation losses of the last three are predicted: from the cosine, and from both other
        runs, by learnrate's form of the multi-power law; from the constant run alone by its loss
        after as large a sum of rates, since a run without a decay says nothing more. A prediction
        is accurate if it is off by at most 5 %.
    """,
    figures=(share("off", "mean error of three predicted last losses", high=AS_GOOD - 1.0),),
    measure=for_each_task(_measured),
    tasks=_tasks,
    seeds=(5, 6),
    axes=ClaimAxes("update, first seed", "validation loss", log="y"),
    remark="""
        The laws were published for language models with tens of thousands of updates; their errors
        on such runs, and on small ones, are in docs/how-to/predict.md.
    """,
)
