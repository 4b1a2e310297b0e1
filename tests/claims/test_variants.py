"""Claims about a variant of a training: what is compared, and that what pairs share is trained once."""

import numpy as np

from learnrate.claims._measurement import factor
from learnrate.claims._trials import ClaimTrials
from learnrate.claims._variants import LOSS, RATE, VariantPair, variants_claim
from learnrate.testing import quadratic_task

RATES = [0.01, 0.1, 1.0]


def test_a_training_compared_with_itself_has_the_ratio_one_and_is_trained_once(monkeypatch):
    task, swept = quadratic_task(total_steps=5), []
    table = np.array([[3.0, 3.1], [1.0, 1.2], [2.0, 2.2]])

    def sweep(self, task, rates, shape):
        swept.append((task.name, list(rates), shape))
        return table

    monkeypatch.setattr(ClaimTrials, "sweep", sweep)
    claim = variants_claim(
        topic="defaults",
        statement="b",
        source="c",
        design="d.",
        remark="",
        figures=(factor(LOSS, "e", high=1.0), factor(RATE, "f")),
        pairs=lambda full: [
            VariantPair("here", task, task, RATES),
            VariantPair("there", task, task, RATES),
        ],
    )
    measured = claim.measure(ClaimTrials((1, 2)))
    assert [(case.figure, case.where) for case in measured.cases] == [
        (LOSS, "here"),
        (LOSS, "there"),
        (RATE, "here"),
        (RATE, "there"),
    ]
    assert all(list(case.values) == [1.0, 1.0] for case in measured.cases)
    assert len(swept) == 1
