"""Mixed linear regression: closed forms of MAML's average test loss and of its optima."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import Polynomial

from learnrate._errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["FIGURE_2", "FIGURE_3", "OVER", "UNDER", "Regression"]

OVER = "over-parameterised"
UNDER = "under-parameterised"
_LARGEST = 1e100  # its square is still a number


@dataclass(frozen=True, kw_only=True)
class Regression:
    r"""Linear regression tasks whose weights scatter around a common centre.

    Task $i$ has weights $w_i \sim N(w_0, (\nu^2/p) I)$, inputs $x \sim N(0, I)$ and labels
    $y = x \cdot w_i + z$, $z \sim N(0, \sigma^2)$; a loss is half the mean squared error. MAML
    takes one inner step at rate $a$ (`inner_lr`) on `n_train` points from common weights $\omega$
    and is scored on `n_val` others. $\omega$ minimises the score over all tasks; if there are several
    solutions, it is the one closest to the initial weights. At test time, $\omega$ is adapted to a new
    task in one step at rate $b$ (`adapt_lr`) on `n_adapt` points.

    Args:
        n_train: points of the inner step, at least 1.
        n_val: points of the outer loss of each task, at least 1.
        n_adapt: points of the adaptation to a new task, at least 1.
        tasks: the number of tasks in meta-training, at least 1.
        dim: the number p of weights, at least 1. It must differ from `n_val * tasks`, for which the
            average loss is not finite.
        sigma: standard deviation of the label noise, at least 0.
        nu: root mean square distance of a task's weights from the centre, at least 0.
        start: distance of the initial weights from the centre, at least 0.

    Raises:
        ArgumentError: a value is outside its rule.

    Examples:
        >>> round(FIGURE_2.best_inner_lr, 3), round(FIGURE_2.worst_inner_lr, 3)
        (-1.011, 0.494)
        >>> round(FIGURE_2.best_adapt_lr(inner_lr=0.2), 2)
        0.09

    The effect of `adapt_lr` and `n_adapt` is exact for any size. The effect of `inner_lr` on the
    trained weights is the leading order for large problems: `dim` and `n_train` grow together
    (over-parameterised), or `tasks` grows (under-parameterised). At the size of the paper's figure 2
    the formula is 0.003 to 0.011 below the exact loss; `simulate` has no such gap.

    Reference: Bernacchia 2021, arXiv:2102.00940. The formulas here were derived independently and
    checked against simulation.
    """

    n_train: int
    n_val: int
    n_adapt: int
    tasks: int
    dim: int
    sigma: float
    nu: float
    start: float = 0.0

    def __post_init__(self) -> None:
        for name in ("n_train", "n_val", "n_adapt", "tasks", "dim"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArgumentError(f"{name} must be a whole number, at least 1; got {value!r}.")
        for name in ("sigma", "nu", "start"):
            value = getattr(self, name)
            if not 0 <= value <= _LARGEST:
                raise ArgumentError(f"{name} must be a number from 0 to 1e100; got {value!r}.")
        if self.dim == self.n_val * self.tasks:
            raise ArgumentError(
                f"dim must differ from n_val * tasks, which is {self.dim} here: with as many weights as "
                "outer points, the average loss is not finite. Change one of the three."
            )

    @property
    def regime(self) -> str:
        """`"over-parameterised"` if there are more weights than outer points, else `"under-..."`."""
        return OVER if self.dim > self.n_val * self.tasks else UNDER

    def spread(self, inner_lr: ArrayLike) -> np.ndarray:
        r"""$E|\omega - w|^2$: squared distance from the trained weights to those of a new task.

        Over-parameterised, with $q$ = `n_val * tasks / dim` and $h$ as in `loss`:

        $\nu^2 (1 + q) + (1 - q) s^2 + \sigma^2 q (1 + a^2 p / n) / h(a, n)$
        """
        rate = np.asarray(inner_lr, dtype=float)
        noise = self._noise_over if self.regime == OVER else self._distance_under
        return np.asarray(self._spread_of_tasks + noise(rate))

    def loss(self, inner_lr: ArrayLike, adapt_lr: ArrayLike) -> np.ndarray:
        r"""The average test loss after adaptation. The arguments are broadcast together.

        $\frac{\sigma^2}{2}(1 + b^2 p / n_{adapt}) + \frac{h(b, n_{adapt})}{2} E|\omega - w|^2$ with
        $h(b, n) = (1 - b)^2 + b^2 (p + 1) / n$.
        """
        return self.loss_at(self.spread(inner_lr), adapt_lr)

    def loss_at(self, spread: ArrayLike, adapt_lr: ArrayLike) -> np.ndarray:
        """The average test loss for a given `spread`, which may be simulated. Exact."""
        rate = np.asarray(adapt_lr, dtype=float)
        noise = self.sigma**2 / 2 * (1 + rate**2 * self.dim / self.n_adapt)
        return np.asarray(
            noise + self._contraction(self.n_adapt)(rate) / 2 * np.asarray(spread, dtype=float)
        )

    @property
    def best_inner_lr(self) -> float | None:
        """The inner rate with the lowest loss; None if the loss does not depend on it.

        Over-parameterised it is the negative root of p a^2 + (n + 1) a - n = 0, n = `n_train`.
        """
        return self._stationary(lowest=True)

    @property
    def worst_inner_lr(self) -> float | None:
        """The inner rate with the highest loss, which is positive; None as for `best_inner_lr`."""
        return self._stationary(lowest=False)

    def best_adapt_lr(self, inner_lr: float) -> float:
        """The adaptation rate with the lowest loss for weights meta-trained at `inner_lr`, at least 0.

        C / (C (1 + (p + 1)/n) + sigma^2 p/n) with C = `spread(inner_lr)` and n = `n_adapt`; 0 if sigma
        and C are 0, because there is nothing to adapt to.
        """
        return self.best_adapt_lr_at(float(self.spread(inner_lr)))

    def best_adapt_lr_at(self, spread: float) -> float:
        """The adaptation rate with the lowest loss for a given `spread`. Exact."""
        growth = 1 + (self.dim + 1) / self.n_adapt
        below = spread * growth + self.sigma**2 * self.dim / self.n_adapt
        return spread / below if below > 0 else 0.0

    @property
    def _spread_of_tasks(self) -> float:
        """The part of `spread` that does not depend on the inner rate."""
        if self.regime == UNDER:
            return self.nu**2
        share = self.n_val * self.tasks / self.dim
        return self.nu**2 * (1 + share) + (1 - share) * self.start**2

    def _contraction(self, points: int) -> Polynomial:
        """h(a): the mean square of I - a S, with S the covariance of `points` inputs."""
        return Polynomial([1.0, -2.0, 1 + (self.dim + 1) / points])

    @property
    def _train_noise(self) -> Polynomial:
        return Polynomial([1.0, 0.0, self.dim / self.n_train])

    def _noise_over(self, rate: np.ndarray) -> np.ndarray:
        share = self.n_val * self.tasks / self.dim
        ratio = self._train_noise(rate) / self._contraction(self.n_train)(rate)
        return np.asarray(self.sigma**2 * share * ratio)

    def _distance_under(self, rate: np.ndarray) -> np.ndarray:
        ratio = self._scatter_under(rate) / self._contraction(self.n_train)(rate) ** 2
        return np.asarray(self.dim / (self.tasks * self.n_val) * ratio)

    @property
    def _scatter_under(self) -> Polynomial:
        """The scatter of the outer points as a polynomial of the inner rate, by Wishart moments."""
        p, n, n_val = self.dim, self.n_train, self.n_val
        s2 = 1 + (p + 1) / n
        s3 = 1 + 3 * (p + 1) / n + (p**2 + 3 * p + 4) / n**2
        s4 = (
            1
            + 6 * (p + 1) / n
            + (6 * p**2 + 17 * p + 21) / n**2
            + (p**3 + 6 * p**2 + 21 * p + 20) / n**3
        )
        t1, t2 = p + 2 / n, s2 * (p + 4 / n)
        square = (n * p * (n + p + 1)) ** 2
        cross = 4 * n * p * (2 * n**2 + 2 * p**2 + 5 * n * p + 5 * n + 5 * p + 5)
        k = (square + cross) / (n**4 * p)
        fourth = Polynomial([1, -4, 6 * s2, -4 * s3, s4])
        traced = Polynomial([p, -4 * p, 2 * p * s2 + 4 * t1, -4 * t2, k])
        inner = Polynomial([1, -2 * s2, s3])
        inner_traced = Polynomial([p, -2 * t1, t2])
        step = Polynomial([0, 0, 1 / n])
        tasks = self.nu**2 / p * ((n_val + 1) * fourth + traced)
        noise = self._contraction(n) + step * ((n_val + 1) * inner + inner_traced)
        scatter: Polynomial = tasks + self.sigma**2 * noise
        return scatter

    def _stationary(self, *, lowest: bool) -> float | None:
        below = self._contraction(self.n_train)
        if self.regime == OVER:
            above, power = self._train_noise, 1
            flat = self.sigma == 0
        else:
            above, power = self._scatter_under, 2
            flat = self.sigma == 0 and self.nu == 0
        if flat:
            return None
        slope = above.deriv() * below - power * above * below.deriv()
        roots = slope.roots()
        real = np.sort(roots[np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots))].real)
        values = above(real) / below(real) ** power
        return float(real[np.argmin(values) if lowest else np.argmax(values)])


FIGURE_2 = Regression(n_train=30, n_val=2, n_adapt=20, tasks=3, dim=60, sigma=1.0, nu=0.5)
FIGURE_3 = Regression(n_train=5, n_val=25, n_adapt=10, tasks=40, dim=30, sigma=1.0, nu=1.0)
