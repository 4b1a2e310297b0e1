"""REINFORCE: a policy that keeps a point near 0, one update after each episode."""

import torch
from torch import nn
from torch.distributions import Categorical


def episode(policy):
    place, log_probabilities, rewards = torch.randn(1), [], []
    for _ in range(8):
        action = Categorical(logits=policy(place))
        push = action.sample()
        log_probabilities.append(action.log_prob(push))
        place = place + (0.5 if push == 1 else -0.5) + 0.1 * torch.randn(1)
        rewards.append(-place.abs().item())
    return torch.stack(log_probabilities), rewards


def train(session):
    policy = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
    run = session.attach(optimizer, model=policy, objective="policy_gradient")
    parts = {"policy": policy, "optimizer": optimizer, "run": run}
    for step in range(session.load(**parts), session.updates):
        log_probabilities, rewards = episode(policy)
        returns, total = [], 0.0
        for reward in reversed(rewards):
            total = reward + 0.99 * total
            returns.insert(0, total)
        returns = torch.tensor(returns)
        returns = (returns - returns.mean()) / (returns.std() + 1e-6)
        optimizer.zero_grad()
        loss = -(log_probabilities * returns).sum()
        loss.backward()
        optimizer.step()
        run.step(loss)
        session.keep(step, loss, **parts)
    run.finish()
