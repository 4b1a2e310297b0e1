"""Decay first, then stay low."""

from __future__ import annotations

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest, decay_tasks

CLAIM = Claim(
    name="decay-then-constant",
    topic="decay",
    statement="Decay the rate linearly to 1 % or so, then leave it constant for a while.",
    source="Goodfellow, Bengio and Courville 2016, Deep learning, section 8.3.1",
    design=(
        "Linear to 1 % or to 10 % of the peak until three quarters of the run, and constant from "
        f"there, against linear to zero until the end. {PEAKS_DESIGN}"
    ),
    figures=(
        Figure(
            name="loss ratio",
            says="loss with it over that of decaying to the end",
            high=1.02,
            unit="x",
        ),
    ),
    measure=contest(
        {
            "to 1 %": "warmup(5%) >> linear(70%, floor=0.01) >> (0.01 * constant())",
            "to 10 %": "warmup(5%) >> linear(70%, floor=0.1) >> (0.1 * constant())",
        },
        {"linear": DECAYS["linear"]},
    ),
    seeds=8,
    full_seeds=12,
    tasks=decay_tasks,
    remark="What the constant part is good for is another matter: its length can be left open.",
    axes=("peak", "validation loss"),
)
