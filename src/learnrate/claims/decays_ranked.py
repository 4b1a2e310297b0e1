"""Which decay is the best."""

from __future__ import annotations

from learnrate.claims._claim import Claim, Figure
from learnrate.claims._peaks import DECAYS, PEAKS_DESIGN, contest, decay_tasks

_LINEAR = "linear"

CLAIM = Claim(
    name="decays-ranked",
    topic="decay",
    statement="Linear to zero is the best decay.",
    source=(
        "Defazio, Cutkosky, Mehta and Mishchenko 2023, arXiv:2310.07831; Bergsma et al. 2025, "
        "Straight to zero, arXiv:2502.15938"
    ),
    design=(
        "Step (a tenth after half and after three quarters of the run), exponential to 1 %, and "
        f"cosine to zero against linear to zero. {PEAKS_DESIGN}"
    ),
    figures=(
        Figure(name="over linear", says="loss over that of linear to zero", low=0.98, unit="x"),
    ),
    measure=contest(
        {name: shape for name, shape in DECAYS.items() if name != _LINEAR},
        {_LINEAR: DECAYS[_LINEAR]},
        "over linear",
    ),
    seeds=4,
    full_seeds=8,
    tasks=decay_tasks,
    remark=(
        "Within 2 % counts as no better. Between linear and cosine to zero there is little; a "
        "bound by Defazio et al. on the last step's loss has linear first."
    ),
    axes=("peak", "validation loss"),
)
