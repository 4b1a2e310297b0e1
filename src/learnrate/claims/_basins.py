"""Two minima with a barrier between them, and gradient descent with noise on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["SHARP", "WIDE", "TwoBasins"]

SHARP, WIDE = 0.0, 3.0
"""The places of the two minima, both with a loss of about 0."""


@dataclass(frozen=True)
class TwoBasins:
    """The loss -ln(exp(-x^2 / 2 s^2) + exp(-(x - 3)^2 / 2 w^2)): minima of width s and w.

    Attributes:
        sharp: width s of the minimum at 0; its curvature is 1 / s^2.
        wide: width w of the minimum at 3.
    """

    sharp: float = 0.3
    wide: float = 1.0

    @property
    def curvature(self) -> float:
        """The second derivative of the loss at the sharp minimum, 1 / sharp^2."""
        return self.sharp**-2

    @property
    def barrier(self) -> float:
        """The place where both terms are equal, between the minima."""
        return WIDE * self.sharp / (self.sharp + self.wide)

    def loss(self, x: np.ndarray) -> np.ndarray:
        """The loss at each place, the negative log of the sum of two Gaussian wells."""
        return np.asarray(-np.logaddexp(*self._exponents(x)))

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """The derivative of the loss at each place."""
        first, second = self._exponents(x)
        of_sharp = 1.0 / (1.0 + np.exp(np.clip(second - first, -700.0, 700.0)))
        pulls = x / self.sharp**2, (x - WIDE) / self.wide**2
        return np.asarray(of_sharp * pulls[0] + (1.0 - of_sharp) * pulls[1])

    def _exponents(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return -0.5 * (x / self.sharp) ** 2, -0.5 * ((x - WIDE) / self.wide) ** 2

    def descend(
        self, start: np.ndarray, rates: np.ndarray, noise: float, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Descend from each place with Gaussian noise on the gradient.

        Args:
            start: places.
            rates: one for each update.
            noise: standard deviation of a gradient's noise.
            seed: the seed of the noise, the same for the same number of places and updates.

        Returns:
            The places after the last update, and how many updates each needed to pass the barrier;
            all of them and one more for those that never passed.
        """
        rng = np.random.default_rng(seed)
        x = start.astype(float).copy()
        passed = np.full(len(x), len(rates) + 1)
        for step, lr in enumerate(rates, 1):
            x -= lr * (self.gradient(x) + noise * rng.standard_normal(len(x)))
            passed[(x > self.barrier) & (passed > step)] = step
        return x, passed
