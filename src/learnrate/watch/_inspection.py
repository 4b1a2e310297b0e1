"""Measurements of `attach` besides the rows of a run: their columns, and how to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.watch._tracks import Track

if TYPE_CHECKING:
    from learnrate.watch._reading import Reading

__all__ = [
    "INSPECTION_COLUMNS",
    "SCALE_INSPECTIONS",
    "SCALE_TOLERANCE",
    "accumulation_hint",
    "backward_passes",
    "inspected",
    "inspection_lacks",
    "known_momenta",
    "losses_are_divided",
    "pass_scales",
]

SCALE_INSPECTIONS = 2
SCALE_TOLERANCE = 0.02

INSPECTION_COLUMNS = (
    "unused_looks",
    "unused_share",
    "unused_zero_share",
    "unused_tensors",
    "unused_first",
    "kept_gradient",
    "backward_passes",
    "pass_scale",
    "empty_state",
    "decay_ratio",
    "decayed_norm",
    "input_rms",
    "input_differs",
    "input_direct",
    "loss_input",
    "loss_pairs",
    "momentum_used",
)
"""The columns of inspections: each a number at some updates.

    unused_looks       inspected gradients, since the list of trainable tensors changed
    unused_share       share of the trainable weights whose tensor had no gradient at any inspection
    unused_zero_share  the part of it whose gradient was there and exactly 0
    unused_tensors     how many tensors these are
    unused_first       index of the first of them, in the order of the optimizer's groups
    kept_gradient      1: the gradient is the sum of the last update's and the new one;
                       0: it is the new one
    backward_passes    passes whose gradients the update added up, if none of an earlier update is in it
    pass_scale         what the mean loss of each of several backward passes was multiplied by: 1 if it
                       was not divided by their number; 0 if that is not known. If the scales differ and
                       add up to 1, their mean
    empty_state        at the first update after a resume, share of the trained tensors whose
                       optimizer state was empty, of an optimizer that keeps a state
    decay_ratio        weight decay over the gradient, or, if decay is decoupled from the gradient,
                       over the rest of the update; norms of the weights that are decayed
    decayed_norm       norm of these weights over that at the first inspection
    input_rms          root mean square of the model's first floating-point input
    input_differs      1: the examples of the batch differ in some input; 0: they are all the same
    input_direct       1: a linear, convolutional or recurrent layer takes the first input as it is
    loss_input         what the loss gets, by the graph of the first losses; 0: what it expects;
                       1: a softmax before that of a cross-entropy; 2: a sigmoid or softmax before a
                       binary cross-entropy with logits; 3: probabilities, or 4: outputs of a layer
                       in a negative log-likelihood
    loss_pairs         rows of a batch, if the loss compares every prediction with every target by
                       broadcasting (n, 1) with (n,); 0: it does not
    momentum_used      momentum of the first group, or Adam's first beta, at the first measured update where
                       it differs from the one before
"""


def inspected(reading: Reading, name: str) -> Track:
    """The values of an inspection's column, at their steps.

    Args:
        reading: a run with the columns of inspections in its facts.
        name: one of `INSPECTION_COLUMNS`.
    """
    pairs = reading.facts.get(name) or ()
    table = np.asarray(pairs, dtype=float).reshape(-1, 2)
    return Track(table[:, 0].astype(np.int64), table[:, 1]).finite()


def known_momenta(reading: Reading, steps: np.ndarray, initial: float) -> np.ndarray:
    """The momentum at some steps, which a scheduler may cycle.

    Args:
        reading: a run.
        steps: whole numbers of at least 0.
        initial: the momentum until the first change.
    """
    changes = inspected(reading, "momentum_used")
    momenta = np.array([initial, *changes.value])
    known: np.ndarray = momenta[np.searchsorted(changes.step, steps, side="right")]
    return known


def inspection_lacks(
    reading: Reading, name: str, inspections: float, measured_by: str
) -> str | None:
    """Why a column of inspections cannot be judged; None if it can.

    Args:
        reading: a run.
        name: one of `INSPECTION_COLUMNS`.
        inspections: the number of values that are needed.
        measured_by: what measures it, as code.
    """
    count = inspected(reading, name).value.size
    if count >= inspections:
        return None
    if not count:
        return (
            _why_no_inputs(reading, name) or f"no {name} was measured; {measured_by} measures it"
        )
    return f"{name} was measured at {count} updates, and {inspections:g} are needed"


def _why_no_inputs(reading: Reading, name: str) -> str | None:
    """Why inputs of a model that attach was given were not measured; None if it was given none."""
    model = reading.facts.get("model")
    if not model or not name.startswith("input_"):
        return None
    if name == "input_rms" and inspected(reading, "input_differs").value.size:
        return f"no input of {model} is a floating-point number"
    if name == "input_differs" and inspected(reading, "input_rms").value.size:
        return f"the batches of {model} have one example each"
    return (
        f"no inputs of {model} were seen: it was never called directly, it was compiled, or it was not "
        "in training mode"
    )


def accumulation_hint(reading: Reading) -> str:
    """A sentence on the gradients of several backward passes that SGD adds up; empty without them.

    Args:
        reading: a run whose rate seems too high.
    """
    name = str(reading.facts.get("optimizer", "")).lower()
    count, are_divided = backward_passes(reading), losses_are_divided(reading)
    if name != "sgd" or count < 2 or are_divided:
        return ""
    condition = (
        f"if their losses are not divided by {count}, divide them first"
        if are_divided is None
        else f"their losses are not divided by {count}, so divide them first"
    )
    return (
        f" Each update adds the gradients of {count} backward passes: {condition}, since a sum acts like a "
        f"rate {count} times as high."
    )


def backward_passes(reading: Reading) -> int:
    """The backward passes of an update, if all inspected updates had several; else 1."""
    passes = inspected(reading, "backward_passes").value
    return 1 if passes.size < 2 or passes.min() < 2 else int(np.median(passes))


def pass_scales(reading: Reading) -> Track:
    """What the losses of several backward passes were multiplied by, where that is known."""
    scales = inspected(reading, "pass_scale")
    return Track(scales.step[scales.value > 0], scales.value[scales.value > 0])


def losses_are_divided(
    reading: Reading, inspections: float = SCALE_INSPECTIONS, tolerance: float = SCALE_TOLERANCE
) -> bool | None:
    """Whether the losses of several backward passes are divided by their number; None if not known.

    Args:
        reading: a run.
        inspections: the number of updates at which the scale of the losses must be known.
        tolerance: difference of the scale from 1 of losses that are not divided.
    """
    scales = pass_scales(reading).value
    if scales.size < inspections:
        return None
    if (np.abs(scales - 1.0) <= tolerance).all():
        return False
    return True if (np.abs(scales * backward_passes(reading) - 1.0) <= tolerance).all() else None
