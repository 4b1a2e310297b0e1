"""The rules of width and depth, as data. Pure arithmetic.

A weight has three quantities that may depend on the width: the factor of its product in the forward
pass, the scale of its initial values, and its rate. The table below gives them as powers of the
growth of the fan-in and the fan-out, in the form of the package `mup`: a readout has a factor in the
forward pass. `Multipliers.absorbed` moves such a factor into the initial scale and the rate.

References:
    SGD and Adam: Yang et al. 2022, Tensor Programs V, arXiv:2203.03466, table 8; the exchange of the
    three quantities is lemma J.1. Muon: Yang, Simon and Bernstein 2023, A spectral condition for
    feature learning, arXiv:2310.17813: an update's spectral norm grows as sqrt(fan-out / fan-in).
    Weight decay: rate times decay stays, Wang and Aitchison 2024, arXiv:2405.13698. Depth and
    epsilon: Dey et al. 2025, CompleteP, arXiv:2505.01618, table 1, with alpha = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

__all__ = ["WIDTH_RULES", "Family", "Multipliers", "Role", "WidthRule", "multipliers"]


class Role(StrEnum):
    """The axes of a parameter that grow with the width."""

    INPUT = "input"
    HIDDEN = "hidden"
    READOUT = "readout"
    FIXED = "fixed"


class Family(StrEnum):
    """Optimizers whose updates depend in the same way on the size of a gradient."""

    SGD = "sgd"
    ADAM = "adam"
    MUON = "muon"


Powers = tuple[float, float]
"""The powers of the growth of the fan-in and of the fan-out."""


@dataclass(frozen=True)
class WidthRule:
    """How the quantities of a parameter depend on the width, as powers.

    Attributes:
        lr: the power of the rate.
        init: the power of the scale of the initial values.
        forward: the power of the factor in the forward pass.
        gradient: the power of the size of an entry's gradient, which Adam's epsilon follows.
    """

    lr: Powers = (0.0, 0.0)
    init: Powers = (0.0, 0.0)
    forward: Powers = (0.0, 0.0)
    gradient: Powers = (0.0, 0.0)


_IN, _OUT, _BY_FAN_IN = (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)
_READOUT = WidthRule(forward=_BY_FAN_IN, gradient=_BY_FAN_IN)
_INPUT = WidthRule(gradient=(0.0, -1.0))
_HIDDEN = WidthRule(init=(-0.5, 0.0), gradient=(0.0, -1.0))

WIDTH_RULES = MappingProxyType(
    {
        (Family.SGD, Role.INPUT): replace(_INPUT, lr=_OUT),
        (Family.SGD, Role.HIDDEN): replace(_HIDDEN, lr=(-1.0, 1.0)),
        (Family.SGD, Role.READOUT): replace(_READOUT, lr=_IN),
        (Family.ADAM, Role.INPUT): _INPUT,
        (Family.ADAM, Role.HIDDEN): replace(_HIDDEN, lr=_BY_FAN_IN),
        (Family.ADAM, Role.READOUT): _READOUT,
        # Before torch's own adjustment of the rate to the shape is divided out.
        (Family.MUON, Role.INPUT): replace(_INPUT, lr=(0.0, 0.5)),
        (Family.MUON, Role.HIDDEN): replace(_HIDDEN, lr=(-0.5, 0.5)),
        (Family.MUON, Role.READOUT): replace(_READOUT, lr=(0.5, 0.0)),
    }
    | {(family, Role.FIXED): WidthRule() for family in Family}
)


@dataclass(frozen=True)
class Multipliers:
    """The factors that turn a parameter's settings at the base width into those at another width.

    Attributes:
        lr: its rate.
        weight_decay: its weight decay, as torch's optimizers use it.
        eps: Adam's epsilon.
        init: the scale of its initial values.
        forward: its product in the forward pass.
    """

    lr: float = 1.0
    weight_decay: float = 1.0
    eps: float = 1.0
    init: float = 1.0
    forward: float = 1.0

    def absorbed(self, family: Family, *, coupled: bool = False) -> Multipliers:
        """The same training with a factor of 1 in the forward pass.

        A weight that is f times as large has a gradient 1 / f times as large, so that its rate is
        multiplied by f, and by f^2 for SGD.

        Args:
            family: the family of the optimizer.
            coupled: whether the weight decay is part of the gradient, as in `torch.optim.Adam`.

        Examples:
            >>> readout = multipliers(Family.ADAM, Role.READOUT, fan_in=4.0)
            >>> readout.forward, readout.lr
            (0.25, 1.0)
            >>> plain = readout.absorbed(Family.ADAM)
            >>> plain.forward, plain.lr, plain.init
            (1.0, 0.25, 0.25)
        """
        factor = self.forward
        rate = factor**2 if family is Family.SGD else factor
        decay = factor**2 if coupled and family is Family.ADAM else rate
        return Multipliers(
            lr=self.lr * rate,
            weight_decay=self.weight_decay / decay,
            eps=self.eps / factor,
            init=self.init * factor,
        )


def multipliers(
    family: Family,
    role: Role,
    *,
    fan_in: float = 1.0,
    fan_out: float = 1.0,
    depth: float = 1.0,
    writes_residual: bool = False,
    adjustment: float = 1.0,
) -> Multipliers:
    """The multipliers of a parameter.

    Args:
        family: the family of its optimizer.
        role: what grows in it.
        fan_in: the growth of its fan-in, above 0.
        fan_out: the growth of its fan-out, above 0.
        depth: the growth of the number of residual blocks, if it is in one of them.
        writes_residual: whether its product is added to the residual stream.
        adjustment: the growth of the factor that Muon itself gives the rate of this shape.

    Examples:
        >>> multipliers(Family.ADAM, Role.HIDDEN, fan_in=4.0, fan_out=4.0).lr
        0.25
        >>> multipliers(Family.SGD, Role.INPUT, fan_out=4.0).lr
        4.0
    """
    rule = WIDTH_RULES[family, role]

    def power(powers: Powers) -> float:
        return math.pow(fan_in, powers[0]) * math.pow(fan_out, powers[1])

    # Each of n blocks adds 1 / n of its output, so its gradient is 1 / n of what it was.
    lr = power(rule.lr) / adjustment * (depth if family is Family.SGD else 1.0)
    return Multipliers(
        lr=lr,
        weight_decay=1.0 / lr,
        eps=power(rule.gradient) / depth,
        init=power(rule.init),
        forward=power(rule.forward) / (depth if writes_residual else 1.0),
    )
