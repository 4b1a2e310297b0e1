"""The rate times curvature up to which an optimizer is stable on a quadratic loss."""

from __future__ import annotations

__all__ = ["adam_limit", "rmsprop_limit", "sgd_limit"]


def sgd_limit(momentum: float = 0.0, *, dampening: float = 0.0, nesterov: bool = False) -> float:
    """The limit of gradient descent, with heavy-ball or Nesterov momentum.

        2                         without momentum
        (2 + 2 b) / (1 - d)       heavy ball b, dampening d
        (2 + 2 b) / (1 + 2 b)     Nesterov

    Args:
        momentum: b, from 0 to below 1.
        dampening: d; without momentum it has no effect.
        nesterov: whether the momentum is Nesterov's.

    Examples:
        >>> sgd_limit(), sgd_limit(0.9), round(sgd_limit(0.9, nesterov=True), 3)
        (2.0, 3.8, 1.357)
    """
    if nesterov:
        return (2 + 2 * momentum) / (1 + 2 * momentum)
    return (2 + 2 * momentum) / (1 - dampening if momentum else 1.0)


def adam_limit(beta: float = 0.9) -> float:
    """The limit of Adam on the curvature P^-1 H: (2 + 2 b) / (1 - b) with b its first beta.

    Ref: Cohen et al. 2022, arXiv:2207.14484.

    Examples:
        >>> round(adam_limit(), 6), round(adam_limit(0.8), 6)
        (38.0, 18.0)
    """
    return (2 + 2 * beta) / (1 - beta)


def rmsprop_limit(momentum: float = 0.0) -> float:
    """The limit of RMSprop on the curvature P^-1 H: 2, or 2 + 2 b with momentum b.

    Examples:
        >>> rmsprop_limit(), rmsprop_limit(0.5)
        (2.0, 3.0)
    """
    return 2 + 2 * momentum
