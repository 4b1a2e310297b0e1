"""Objectives: what the loss of a run says about its progress, as declared or as its course shows."""

from __future__ import annotations

from learnrate._errors import ArgumentError

__all__ = ["OBJECTIVES", "checked_objective", "why_loss_says_nothing"]

_JUDGES = "judge the rate by a validation loss, a reward or probes"

OBJECTIVES = {
    "descent": "",
    "adversarial": "each network's loss depends on how good the other one is",
    "policy_gradient": "its gradient is the gradient of the expected reward, but its value is not the reward",
    "temporal_difference": "its targets are the network's own predictions and move with them",
    "denoising": "its value depends mostly on the noise level that was drawn",
    "contrastive": "it may stay near the logarithm of the batch size while features improve",
}
"""The objectives that a run can declare, each with the reason why its loss shows no progress.

With `descent`, which is taken if none is declared, the loss itself should fall.
"""


def checked_objective(owner: str, objective: object) -> str:
    """The objective, if there is one of this name.

    Args:
        owner: what was given it, for the error.
        objective: the name.

    Raises:
        ArgumentError: there is none of this name.
    """
    if not isinstance(objective, str) or objective not in OBJECTIVES:
        raise ArgumentError(
            f"{owner} must be one of {', '.join(OBJECTIVES)}; got {objective!r}. With descent, the "
            "default, the loss itself should fall."
        )
    return objective


def why_loss_says_nothing(
    objective: str, signal: float, needed_signal: float, *, rises: bool
) -> str | None:
    """Why the rate of a run cannot be judged from its loss; None if it can.

    Args:
        objective: one of `OBJECTIVES`.
        signal: the fall of the loss, in standard deviations around it.
        needed_signal: the least signal of a loss that tells something.
        rises: whether the loss ends clearly above its start.
    """
    if objective != "descent":
        return (
            f"the loss of a {objective.replace('_', '-')} objective does not measure progress: "
            f"{OBJECTIVES[objective]}; {_JUDGES}"
        )
    if signal >= needed_signal:
        return None
    if rises:
        return (
            "the loss ends above its start: if it should fall, the rate is likely too high, but some "
            f"objectives rise in healthy runs; {_JUDGES}"
        )
    return (
        f"the loss does not fall clearly beyond its own variation ({signal:.2g} standard "
        f"deviations; {needed_signal:.2g} are needed), so it says nothing about the rate; "
        f"{_JUDGES}"
    )
