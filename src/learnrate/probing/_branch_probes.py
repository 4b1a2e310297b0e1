"""Branches of a live training at other rates, after which the run continues at the better one."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from learnrate._checks import check_finite, check_share, check_whole, refuse
from learnrate.planning import RateBelief, branch_points, is_worth_an_edit
from learnrate.probing._probes import ProbeRecord, Probes
from learnrate.probing._verdict import WhatIf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch
    from torch import nn
    from torch.optim import Optimizer

__all__ = ["BranchProbes"]

_FACTORS = (0.25, 1.0, 4.0)
_JUDGING_COST = (
    24  # updates: the cost of forward passes of ten batches, before and after each branch
)
_SHORTEST_BRANCH = 6  # updates
_ANNEAL = 0.4  # of a branch


class BranchProbes(Probes):
    """Branches of the run in your own loop that compare other rates with the present one.

        plan = learnrate.plan(task, budget=0.1)
        probes = BranchProbes(
            model, loss_of, batches, peak=plan.peak, low=plan.low, high=plan.high, total_steps=10_000
        )
        schedule = f"{plan.peak} * warmup(5%) >> constant(25%) >> linear()"
        run = learnrate.attach(optimizer, schedule, total_steps=10_000, probes=probes)

    At up to three steps between 5 % and 30 % of the run it trains three branches, at a quarter of the
    present rate, at the rate itself and at four times it, lets each cool down, and restores the training
    to the last bit. The plan and the branches each estimate the best rate. The run continues at the mean of
    both, weighted by their precision, by an edit of the author "plan" that states the losses. If the
    loss falls in proportion to the rate up to four times the rate, the new rate is at least that.
    `learnrate.train(task, plan="inside")` does the same with a task.

    Args:
        model: the model that is trained.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batches: a separate loader, or a list, of at least 9 batches; the first 30 are kept.
        peak: the planned peak, above 0.
        low: the lower end of its 80 % interval.
        high: the upper end.
        total_steps: length of the run in updates.
        share: the share of the run's gradients that all branches may take, above 0 and below
            1. A test of three branches takes at least 42 of them; without room for one, none is
            trained.
        clip_norm: the gradient norm that updates are clipped to; None for no clipping.
        extra_state: further objects with a state that training changes, such as a criterion.

    Raises:
        ArgumentError: a value is outside its rule, or as for `Probes`.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[[nn.Module, Any], torch.Tensor],
        batches: Iterable[Any],
        *,
        peak: float,
        low: float,
        high: float,
        total_steps: int,
        share: float = 0.05,
        clip_norm: float | None = None,
        extra_state: Iterable[Any] = (),
    ) -> None:
        check_finite("BranchProbes", "low", low, 0.0)
        if not 0 < low <= peak <= high < math.inf:
            refuse("BranchProbes", "peak", "from low to high, all above 0", (low, peak, high))
        check_whole("BranchProbes", "total_steps", total_steps, 1)
        check_share("BranchProbes", "share", share)
        updates = math.floor(share * total_steps)
        branches = len(_FACTORS) * _SHORTEST_BRANCH
        tests = updates // (branches + _JUDGING_COST)
        self._due = branch_points(total_steps, tests)
        steps = (updates // max(len(self._due), 1) - _JUDGING_COST) // len(_FACTORS)
        anneal = max(1, round(_ANNEAL * steps))
        super().__init__(
            model,
            loss_of,
            batches,
            only=[],
            options={
                "what_if": {
                    "factors": _FACTORS,
                    "steps": max(1, steps - anneal),
                    "anneal": anneal,
                }
            },
            clip_norm=clip_norm,
            extra_state=extra_state,
        )
        self._belief = RateBelief(peak, low, high)

    def __call__(self, step: int, optimizer: Optimizer) -> ProbeRecord | None:
        """Train branches if they are due; the answer has the factor that the rate should change by.

        Args:
            step: the update about to happen.
            optimizer: the optimizer that trains the model.
        """
        if not self._due or step < self._due[0]:
            return None
        self._due.pop(0)
        record = self.ask(step, optimizer)
        assert isinstance(record.result, WhatIf)  # noqa: S101 - for the type checker
        test = record.result
        losses = dict(zip(test.factors, test.annealed, strict=True))
        self._belief = self._belief.after(test.lr, losses, test.before)
        rate = self._belief.rate
        factor = float(f"{rate / test.lr:.3g}")
        if not is_worth_an_edit(factor):
            return record
        ends = ", ".join(
            f"{factor * test.lr:.3g}: {loss:.4g}"
            for factor, loss in zip(test.factors, test.annealed, strict=True)
        )
        reason = (
            f"branches of {test.steps + test.anneal} updates from this step, each cooled down, ended at {ends}; "
            f"together with the plan, they put the best rate at about {rate:.3g}"
        )
        return replace(record, scale=factor, reason=reason)

    def state_dict(self) -> dict[str, Any]:
        """Which branches are still due, and the bounds from earlier ones, for a checkpoint."""
        return {"due": list(self._due), "bound": self._belief.bound}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint, so that no branch is trained twice."""
        self._due = list(state["due"])
        self._belief = replace(self._belief, bound=state.get("bound", 0.0))
