"""Simulated control: values of states, behaviour of a controller, and the next state."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from torch import nn

from regret import data, models
from regret.workload import Workload

from .tables import split

__all__ = ["WORKLOADS"]

_DISCOUNT = 0.97


def _pendulum(state: np.ndarray, torque: np.ndarray) -> np.ndarray:
    """The next angles and speeds of pendulums, 0.05 s later."""
    angle, speed = state.T
    speed = np.clip(speed + 0.05 * (15 * np.sin(angle) + 3 * torque), -8, 8)
    return np.stack([angle + 0.05 * speed, speed], axis=1)


def _swing(state: np.ndarray) -> np.ndarray:
    """A controller: it adds energy below, and balances near the top."""
    angle, speed = state.T
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    balance = -12 * angle - 3 * speed
    energy = speed**2 / 2 + 15 * (np.cos(angle) - 1)
    pump = -np.sign(speed) * np.sign(energy) * 2
    return np.clip(np.where(abs(angle) < 0.5, balance, pump), -2, 2)


@lru_cache
def _pendulum_values() -> data.Examples:
    """States, and the discounted cost of a controller from each, with random torques added."""
    random = np.random.default_rng(0)
    start = random.uniform([-np.pi, -6], [np.pi, 6], size=(3000, 2))
    state, value = start, np.zeros(len(start))
    for step in range(100):
        torque = _swing(state) + random.normal(size=len(state))
        angle = (state[:, 0] + np.pi) % (2 * np.pi) - np.pi
        cost = angle**2 + 0.1 * state[:, 1] ** 2 + 0.001 * torque**2
        value += _DISCOUNT**step * cost
        state = _pendulum(state, torque)
    return split(_seen(start), (value / 20).astype(np.float32)[:, None], 600)


@lru_cache
def _pendulum_moves() -> data.Examples:
    """States with a torque, and how the angle's sine and cosine and the speed change."""
    random = np.random.default_rng(1)
    state = random.uniform([-np.pi, -6], [np.pi, 6], size=(3000, 2))
    torque = random.uniform(-2, 2, size=3000)
    change = _seen(_pendulum(state, torque)) - _seen(state)
    target = (change / change.std(0)).astype(np.float32)
    return split(np.column_stack([_seen(state), torque]), target, 600)


def _seen(state: np.ndarray) -> np.ndarray:
    angle, speed = state.T
    return np.stack([np.cos(angle), np.sin(angle), speed], axis=1)


def _cart(state: np.ndarray, push: np.ndarray) -> np.ndarray:
    """The next states of carts with poles, 0.02 s later (Barto, Sutton and Anderson, 1983)."""
    speed, angle, turn = state.T[1:]
    sine, cosine = np.sin(angle), np.cos(angle)
    force = (push + 0.05 * turn**2 * sine) / 1.1
    twist = (9.8 * sine - cosine * force) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
    drive = force - 0.05 * twist * cosine / 1.1
    change = np.stack([speed, drive, turn, twist], axis=1)
    return state + 0.02 * change


def _carts(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First states, the pushes of a controller there, and how long it keeps the pole up."""
    random = np.random.default_rng(seed)
    state = random.uniform(-1, 1, size=(count, 4)) * [2, 1.5, 0.2, 1.5]
    first, up, alive = state, np.zeros(count), np.ones(count, dtype=bool)
    right = _pushes_right(state)
    for _ in range(150):
        push = 10 * (2 * _pushes_right(state + 0.05 * random.normal(size=state.shape)) - 1)
        state = _cart(state, push)
        alive &= (abs(state[:, 2]) < 0.21) & (abs(state[:, 0]) < 2.4)
        up += alive
        state = np.where(alive[:, None], state, 0.0)
    return first, right, up


def _pushes_right(state: np.ndarray) -> np.ndarray:
    return (state @ np.array([0.1, 0.25, 4.0, 0.8]) > 0).astype(np.int64)


@lru_cache
def _cart_values() -> data.Examples:
    """States, and how long the pole stays up."""
    first, _, up = _carts(3000, 0)
    return split(first, (up / 50).astype(np.float32)[:, None], 600)


@lru_cache
def _cart_pushes() -> data.Examples:
    """States, and the controller's push in them, of which a twentieth is wrong."""
    first, right, _ = _carts(2000, 1)
    wrong = np.random.default_rng(2).random(len(right)) < 0.05
    return split(first, np.where(wrong, 1 - right, right), 100)


def _tanh(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, outputs),
    )


_CONTROL = "simulated control"

WORKLOADS = {
    "pendulum-value": Workload(_CONTROL, lambda: _tanh(3, 32, 1), _pendulum_values, nn.MSELoss()),
    "pendulum-model": Workload(
        _CONTROL, lambda: models.mlp(4, 32, 3), _pendulum_moves, nn.MSELoss()
    ),
    "cart-value": Workload(
        _CONTROL, lambda: models.mlp(4, 32, 1), _cart_values, nn.SmoothL1Loss()
    ),
    "cart-clone": Workload(_CONTROL, lambda: _tanh(4, 16, 2), _cart_pushes, seeds=3),
}
