"""Up to which rate times curvature an update is stable on a quadratic."""

from __future__ import annotations

__all__ = ["adam_limit", "rmsprop_limit", "sgd_limit"]


def sgd_limit(momentum: float = 0.0, *, dampening: float = 0.0, nesterov: bool = False) -> float:
    """Gradient descent, with heavy-ball or Nesterov's momentum.

        2                         without momentum
        (2 + 2 b) / (1 - d)       heavy ball b, dampening d
        (2 + 2 b) / (1 + 2 b)     Nesterov

    Examples:
        >>> sgd_limit(), sgd_limit(0.9), round(sgd_limit(0.9, nesterov=True), 3)
        (2.0, 3.8, 1.357)
    """
    if nesterov:
        return (2 + 2 * momentum) / (1 + 2 * momentum)
    return (2 + 2 * momentum) / (1 - dampening if momentum else 1.0)


def adam_limit(beta: float = 0.9) -> float:
    """Adam, of the curvature P^-1 H: (2 + 2 b) / (1 - b) with b its first beta.

    Ref: Cohen et al. 2022, arXiv:2207.14484.

    Examples:
        >>> round(adam_limit(), 6), round(adam_limit(0.8), 6)
        (38.0, 18.0)
    """
    return (2 + 2 * beta) / (1 - beta)


def rmsprop_limit(momentum: float = 0.0) -> float:
    """RMSprop, of the curvature P^-1 H: 2, or 2 + 2 b with momentum b.

    Examples:
        >>> rmsprop_limit(), rmsprop_limit(0.5)
        (2.0, 3.0)
    """
    return 2 + 2 * momentum
