"""Triangles against a decay."""

from __future__ import annotations

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest, decay_tasks

CLAIM = Claim(
    name="cyclic-beats-decay",
    topic="warm-up and cycles",
    statement="A rate that cycles between two bounds beats one that decays.",
    source="Smith 2017, Cyclical learning rates for training neural networks, arXiv:1506.01186",
    design=(
        "Five triangular cycles from a quarter of the peak, of the same height or each half as "
        f"high as the last, against linear to zero. {PEAKS_DESIGN} The cycles begin low instead."
    ),
    figures=(
        Figure(name="loss ratio", says="loss with cycles over that of linear", high=1.0, unit="x"),
    ),
    measure=contest(
        {
            "triangular": "triangular(every=20%, floor=0.25)",
            "triangular2": "triangular2(every=20%, floor=0.25)",
        },
        {"linear": DECAYS["linear"]},
    ),
    seeds=4,
    full_seeds=8,
    tasks=decay_tasks,
    remark=(
        "Smith compares with a fixed rate and its drops, in fewer updates; here the lengths are the "
        "same. Both cycles end low, at the end of a cycle, where they are at their best."
    ),
    axes=("peak", "validation loss"),
)
