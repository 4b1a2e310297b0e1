"""A GRU of several trials at once, with few operations for each time step.

torch's own decomposition makes a weight gradient and a sum for every step. Here the backward pass
keeps the gradients of the gates, and makes one product of all steps for each weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["gru"]


def gru(  # noqa: PLR0917 - torch's arguments
    inputs: torch.Tensor,
    states: torch.Tensor,
    weights: Sequence[torch.Tensor],
    has_biases: bool,
    layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`torch.gru` on tensors whose first axis are the trials.

    Args:
        inputs: (trials, time, batch, features), or batch before time if `batch_first`.
        states: the first states, (trials, layers x directions, batch, hidden).
        weights: of every layer and direction, in torch's order.
        has_biases: whether two biases follow each two weights.
        layers: number of layers.
        dropout: the probability between layers.
        training: whether the dropout is applied.
        bidirectional: whether each layer also runs backwards in time.
        batch_first: the order of the axes of inputs and outputs.
    """
    values = inputs.transpose(1, 2) if batch_first else inputs
    directions = 2 if bidirectional else 1
    size = 4 if has_biases else 2
    of_direction = [weights[first : first + size] for first in range(0, len(weights), size)]
    last = []
    for layer in range(layers):
        outputs = []
        for direction in range(directions):
            place = layer * directions + direction
            ordered = values.flip(1) if direction else values
            states_of_steps = _one_direction(ordered, states[:, place], of_direction[place])
            last.append(states_of_steps[:, -1])
            outputs.append(states_of_steps.flip(1) if direction else states_of_steps)
        values = torch.cat(outputs, dim=-1) if bidirectional else outputs[0]
        if dropout and training and layer + 1 < layers:
            values = nn.functional.dropout(values, dropout)
    return values.transpose(1, 2) if batch_first else values, torch.stack(last, dim=1)


def _one_direction(
    values: torch.Tensor, state: torch.Tensor, weights: Sequence[torch.Tensor]
) -> torch.Tensor:
    """The states after each step, (trials, time, batch, hidden)."""
    of_input, of_state, *biases = weights
    rows = values.flatten(1, 2)
    if biases:
        gates = torch.baddbmm(biases[0][:, None], rows, of_input.mT)
        bias = biases[1]
    else:
        gates = torch.bmm(rows, of_input.mT)
        bias = of_state.new_zeros(of_state.shape[:2])
    gates = gates.view(*values.shape[:3], -1)
    states: torch.Tensor = _Recurrence.apply(gates, state, of_state, bias)  # type: ignore[no-untyped-call]
    return states


class _Recurrence(torch.autograd.Function):
    """All steps of a GRU, from what the inputs add to its gates: reset, update, new."""

    @staticmethod
    def forward(
        ctx: Any,
        gates: torch.Tensor,
        state: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
    ) -> torch.Tensor:
        trials, steps, batch, hidden = *gates.shape[:3], state.shape[-1]
        states = gates.new_empty(trials, steps + 1, batch, hidden)
        states[:, 0] = state
        shared = gates.new_empty(trials, steps, batch, 2 * hidden)  # reset and update gates
        new = gates.new_empty(trials, steps, batch, hidden)
        recurrent = gates.new_empty(trials, steps, batch, hidden)  # the state's part of `new`
        shared_width = 2 * hidden
        for step in range(steps):
            of_input, before = gates[:, step], states[:, step]
            of_state = torch.baddbmm(bias[:, None], before, weight.mT)
            opening = shared[:, step]
            torch.add(of_input[..., :shared_width], of_state[..., :shared_width], out=opening)
            reset, update = opening.sigmoid_()[..., :hidden], opening[..., hidden:]
            part = of_state[..., shared_width:]
            candidate = new[:, step]
            torch.addcmul(of_input[..., shared_width:], reset, part, out=candidate).tanh_()
            torch.lerp(candidate, before, update, out=states[:, step + 1])
            recurrent[:, step] = part
        ctx.save_for_backward(states, shared, new, recurrent, weight)
        return states[:, 1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        states, shared, new, recurrent, weight = ctx.saved_tensors
        hidden = weight.shape[-1]
        before = states[:, :-1]
        reset, update = shared[..., :hidden], shared[..., hidden:]
        # What a change of each gate's sum changes in the next state.
        of_new = (1 - update) * (1 - new * new)
        of_gates = new.new_empty(*new.shape[:3], 3, hidden)
        of_reset, of_update, of_recurrent = of_gates.unbind(3)
        torch.mul(of_new, reset, out=of_recurrent)
        torch.mul(of_recurrent * recurrent, 1 - reset, out=of_reset)
        torch.mul((before - new) * update, 1 - update, out=of_update)
        slope = slopes[:, -1]
        for step in reversed(range(slopes.shape[1])):
            gate = of_gates[:, step]
            new_slope = of_new[:, step]
            new_slope *= slope
            gate *= slope[:, :, None]
            slope = torch.baddbmm(slope * update[:, step], gate.flatten(2), weight)
            if step:
                slope = slope + slopes[:, step - 1]
        rows = of_gates.flatten(3).flatten(1, 2)
        weight_slope = torch.bmm(rows.mT, before.flatten(1, 2))
        bias_slope = rows.sum(1)
        of_recurrent.copy_(of_new)  # now the slopes of what the inputs add
        return of_gates.flatten(3), slope, weight_slope, bias_slope
