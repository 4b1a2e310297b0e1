"""Policies: groups of samples compared by reward, clipped surrogates in a simulator, values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from watch_families.work import Batch, Task, Work, dense

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FAMILIES"]

_GROUP = 8  # samples for each question
_TOKENS, _ACTIONS = 4, 6  # tokens of an answer, and kinds of tokens


def _answers(*, baseline: bool) -> Callable[[int, bool], Work]:
    """GRPO: the reward is the share of tokens that are right; the loss is about 0 throughout.

    With a baseline it is REINFORCE with the running mean of the rewards.
    """

    def make(seed: int, shuffled: bool) -> Work:
        fixed = torch.Generator().manual_seed(11)
        weight = torch.randn(10, _TOKENS, _ACTIONS, generator=fixed)
        questions = torch.randn(300, 10, generator=fixed)
        model = dense(10, 48, _TOKENS * _ACTIONS)
        noise = torch.Generator().manual_seed(seed)
        reference = dense(10, 48, _TOKENS * _ACTIONS)
        reference.load_state_dict(model.state_dict())
        mean_reward = [0.0]

        def right(x: torch.Tensor) -> torch.Tensor:
            return torch.einsum("bi,itk->btk", x, weight).argmax(-1)

        def log_shares(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = network(x).unflatten(1, (_TOKENS, _ACTIONS)).log_softmax(-1)
            return result

        def batch(number: int) -> Batch:
            generator = torch.Generator().manual_seed(100_000 * seed + number)
            return (torch.randn(16, 10, generator=generator),)

        def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
            x = batch[0]
            logs = log_shares(model, x)
            shares = logs.detach().exp().flatten(0, 1)
            if not bool(shares.isfinite().all()):  # as sampling refuses: the training has diverged
                return logs.sum(), logs.sum()
            answers = torch.multinomial(shares, _GROUP, replacement=True, generator=noise)
            answers = answers.unflatten(0, (len(x), _TOKENS))
            reward = (answers == right(x)[:, :, None]).float().mean(1)
            if baseline:
                advantage = reward - mean_reward[0]
                mean_reward[0] += 0.05 * (reward.mean().item() - mean_reward[0])
            else:
                spread = reward.std(1, keepdim=True) + 1e-4
                advantage = (reward - reward.mean(1, keepdim=True)) / spread
            picked = logs.gather(2, answers)
            if baseline:
                value = -(picked.sum(1) * advantage).mean()
                return value, value
            ratio = (picked - picked.detach()).exp()
            with torch.no_grad():
                before = log_shares(reference, x).gather(2, answers)
            drift = (before - picked).exp() - (before - picked) - 1
            value = -(ratio * advantage[:, None]).mean() + 0.01 * drift.mean()
            return value, value

        def metric() -> float:
            shares = log_shares(model, questions).exp()
            return -shares.gather(2, right(questions)[:, :, None]).mean().item()

        return Work(model=model, batch=batch, loss=loss, metric=metric, zero=False)

    return make


class _ActorCritic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = dense(4, 32, 2), dense(4, 32, 1)
        self.log_std = nn.Parameter(torch.full((2,), -0.5))


def _advance(state: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A cart in the plane: place and speed; the reward is for being near the middle."""
    push = action.clamp(-2, 2)
    speed = 0.9 * state[:, 2:] + 0.2 * push
    place = (state[:, :2] + 0.3 * speed).clamp(-3, 3)
    reward = -place.square().sum(1) - 0.05 * push.square().sum(1)
    return torch.cat([place, speed], 1), reward


def _first_states(count: int, generator: torch.Generator) -> torch.Tensor:
    return torch.cat([2 * torch.rand(count, 2, generator=generator), torch.zeros(count, 2)], 1)


def _log_density(action: torch.Tensor, mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    return (-0.5 * ((action - mean) * (-log_std).exp()).square() - log_std).sum(-1)


def _surrogate(seed: int, shuffled: bool) -> Work:
    """PPO: four updates on each roll-out of 24 carts over 12 steps."""
    model = _ActorCritic()
    rollout: list[Batch] = []

    @torch.no_grad()
    def drive(number: int) -> Batch:
        generator = torch.Generator().manual_seed(100_000 * seed + number)
        state = _first_states(24, generator)
        states, actions, rewards = [], [], []
        for _ in range(12):
            mean = model.actor(state)
            action = mean + model.log_std.exp() * torch.randn(mean.shape, generator=generator)
            states.append(state)
            actions.append(action)
            state, reward = _advance(state, action)
            rewards.append(reward)
        returns = torch.stack(rewards)
        for k in range(10, -1, -1):
            returns[k] += 0.9 * returns[k + 1]
        inputs, drawn = (
            torch.stack(states).flatten(0, 1),
            torch.stack(actions).flatten(0, 1),
        )
        goals = returns.flatten() / 5
        density = _log_density(drawn, model.actor(inputs), model.log_std)
        advantage = goals - model.critic(inputs)[:, 0]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
        return inputs, goals, drawn, density, advantage

    def batch(number: int) -> Batch:
        if number % 4 == 0 or not rollout:
            rollout[:] = [drive(number)]
        return rollout[0]

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, goals, drawn, density, advantage = batch
        ratio = (_log_density(drawn, model.actor(inputs), model.log_std) - density).exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        error = functional.mse_loss(model.critic(inputs)[:, 0], goals)
        value = -gain + 0.5 * error - 0.005 * model.log_std.sum()
        return value, value

    def metric() -> float:
        state = _first_states(100, torch.Generator().manual_seed(1))
        total = torch.zeros(())
        for _ in range(12):
            state, reward = _advance(state, model.actor(state))
            total = total + reward.mean()
        return -total.item()

    return Work(model=model, batch=batch, loss=loss, metric=metric, zero=False)


def _values(seed: int, shuffled: bool) -> Work:
    """Temporal differences: the value of a fixed policy, with a slowly moving target."""
    model, target = dense(4, 32, 32, 1), dense(4, 32, 32, 1)
    target.load_state_dict(model.state_dict())
    state = _first_states(300, torch.Generator().manual_seed(1))
    start, goals = state, torch.zeros(300)
    for k in range(60):
        state, reward = _advance(state, -0.8 * state[:, :2] - 0.5 * state[:, 2:])
        goals = goals + 0.9**k * reward / 5

    def batch(number: int) -> Batch:
        generator = torch.Generator().manual_seed(100_000 * seed + number)
        state = _first_states(48, generator) - 0.5
        return state + 0.2 * torch.randn(48, 4, generator=generator), torch.empty(0)

    def loss(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        state = batch[0]
        after, reward = _advance(state, -0.8 * state[:, :2] - 0.5 * state[:, 2:])
        with torch.no_grad():
            goal = reward[:, None] / 5 + 0.9 * target(after)
            for slow, fast in zip(target.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 0.05)
        value = functional.mse_loss(model(state), goal)
        return value, value

    def metric() -> float:
        return functional.mse_loss(model(start)[:, 0], goals).item()

    return Work(model=model, batch=batch, loss=loss, metric=metric, others=(target,))


_DRAWN = frozenset({"shuffled_labels", "unshuffled", "unnormalised"})
_SIMULATED = _DRAWN | {"zero_inputs"}

FAMILIES = {
    "policy": (
        Task(
            name="groups",
            make=_answers(baseline=False),
            optimizers=("adamw", "momentum"),
            steps=180,
            objective="policy gradient",
            blanks=_DRAWN,
        ),
        Task(
            name="reinforce",
            make=_answers(baseline=True),
            optimizers=("adam",),
            steps=180,
            objective="policy gradient",
            blanks=_DRAWN,
        ),
    ),
    "control": (
        Task(
            name="carts",
            make=_surrogate,
            optimizers=("adam",),
            steps=200,
            objective="policy gradient",
            blanks=_SIMULATED,
        ),
        Task(
            name="values",
            make=_values,
            optimizers=("rmsprop",),
            steps=200,
            objective="moving target",
            blanks=_SIMULATED,
        ),
    ),
}
