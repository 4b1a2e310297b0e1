"""Warm restarts against one cosine."""

from __future__ import annotations

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest, decay_tasks

CLAIM = Claim(
    name="oscillating-rates-beat-decay",
    topic="warm-up and cycles",
    statement="Restarting the rate again and again beats decaying it once.",
    source=(
        "Loshchilov and Hutter 2017, SGDR: stochastic gradient descent with warm restarts, "
        "arXiv:1608.03983"
    ),
    design=(
        "Four equal cosines, or three of which each is twice as long as the last, against one "
        f"cosine; all end at zero. {PEAKS_DESIGN}"
    ),
    figures=(
        Figure(name="loss ratio", says="loss with restarts over that without", high=1.0, unit="x"),
    ),
    # A last cycle a little longer than what is left, so that no further one begins.
    measure=contest(
        {
            "4 equal": "warmup(5%) >> cosine_restarts(every=23.751%)",
            "1 + 2 + 4": "warmup(5%) >> cosine_restarts(every=13.572%, growth=2)",
        },
        {"cosine": DECAYS["cosine"]},
    ),
    seeds=4,
    full_seeds=8,
    tasks=decay_tasks,
    remark=(
        "Restarts give a usable network at the end of every cycle, and several for an ensemble, "
        "which this does not count."
    ),
    axes=("peak", "validation loss"),
)
