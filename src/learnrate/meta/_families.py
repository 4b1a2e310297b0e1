"""Families of regression tasks: any number of episodes from a formula."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from learnrate._errors import ArgumentError
from learnrate.meta._episodes import Episode

__all__ = ["MixedRegression", "Sinusoids"]


@dataclass(frozen=True, kw_only=True)
class Sinusoids:
    r"""Sine waves of random amplitude and phase, a few points of each.

    $y = A \sin(x - \varphi) + z$ with $A \sim U$(`amplitude`), $\varphi \sim U(0, \pi)$,
    $x \sim U(-5, 5)$, $z \sim N(0, \text{noise}^2)$.

    Args:
        shots: points in the support, at least 1.
        queries: points in the query, at least 1.
        amplitude: the lowest and the highest amplitude.
        noise: standard deviation of the label noise in the support, at least 0; the query has none.

    Examples:
        >>> x, y = Sinusoids(shots=10).draw(4, seed=0).support
        >>> x.shape, y.shape
        (torch.Size([4, 10, 1]), torch.Size([4, 10, 1]))

    Reference: Finn et al. 2017, arXiv:1703.03400, section 5.1.
    """

    shots: int = 10
    queries: int = 10
    amplitude: tuple[float, float] = (0.1, 5.0)
    noise: float = 0.0

    def __post_init__(self) -> None:
        _check_points(self, "shots", "queries")
        _check_spread(self, "noise")

    def draw(self, count: int, seed: int) -> Episode:
        """Draw `count` sine waves, each a task with its own amplitude and phase."""
        generator = torch.Generator().manual_seed(seed)
        low, high = self.amplitude
        scale = low + (high - low) * torch.rand(count, 1, 1, generator=generator)
        phase = math.pi * torch.rand(count, 1, 1, generator=generator)
        x = 10 * torch.rand(count, self.shots + self.queries, 1, generator=generator) - 5
        y = scale * torch.sin(x - phase)
        noise = self.noise * torch.randn(count, self.shots, 1, generator=generator)
        support, query = x[:, : self.shots], x[:, self.shots :]
        return Episode((support, y[:, : self.shots] + noise), (query, y[:, self.shots :]))


@dataclass(frozen=True, kw_only=True)
class MixedRegression:
    r"""Linear regression tasks whose weights scatter around a common centre.

    $y = x \cdot w_i + z$ with $w_i \sim N(w_0, (\nu^2/p) I)$, $x \sim N(0, I_p)$,
    $z \sim N(0, \sigma^2)$. It is the problem of `learnrate.meta.theory.Regression`, as episodes.

    Args:
        dim: the number p of weights, at least 1.
        shots: points in the support, at least 1.
        queries: points in the query, at least 1.
        sigma: standard deviation of the label noise, at least 0.
        nu: root mean square distance of a task's weights from the centre, at least 0.
        centre: the value of every coordinate of the centre.

    Examples:
        >>> x, y = MixedRegression(dim=60, shots=30, queries=2).draw(3, seed=0).query
        >>> x.shape, y.shape
        (torch.Size([3, 2, 60]), torch.Size([3, 2, 1]))
    """

    dim: int
    shots: int
    queries: int
    sigma: float = 1.0
    nu: float = 0.5
    centre: float = 0.0

    def __post_init__(self) -> None:
        _check_points(self, "dim", "shots", "queries")
        _check_spread(self, "sigma", "nu")

    def draw(self, count: int, seed: int) -> Episode:
        """Draw the weights and the examples of `count` tasks."""
        generator = torch.Generator().manual_seed(seed)
        points = self.shots + self.queries
        scatter = self.nu / math.sqrt(self.dim)
        weights = self.centre + scatter * torch.randn(count, self.dim, 1, generator=generator)
        x = torch.randn(count, points, self.dim, generator=generator)
        y = x @ weights + self.sigma * torch.randn(count, points, 1, generator=generator)
        support, query = slice(None, self.shots), slice(self.shots, None)
        return Episode((x[:, support], y[:, support]), (x[:, query], y[:, query]))


def _check_points(family: object, *names: str) -> None:
    for name in names:
        value = getattr(family, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ArgumentError(
                f"{type(family).__name__}({name}=...) must be a whole number, at least 1; "
                f"got {value!r}."
            )


def _check_spread(family: object, *names: str) -> None:
    for name in names:
        value = getattr(family, name)
        if not 0 <= value < math.inf:
            raise ArgumentError(
                f"{type(family).__name__}({name}=...) must be a finite number, at least 0; "
                f"got {value!r}."
            )
