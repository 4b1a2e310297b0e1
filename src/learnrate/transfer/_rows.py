"""The effect of muP on every parameter, as a table of rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from learnrate.transfer._groups import factors_by_parameter
from learnrate.transfer._parametrize import parametrization_of
from learnrate.trials import kept_random_state, seed_everything

if TYPE_CHECKING:
    from learnrate.transfer._family import WidthTask

__all__ = ["ParameterRow", "parameter_rows"]


@dataclass(frozen=True)
class ParameterRow:
    """The factors of a parameter's rate, weight decay and initial scale, relative to the base width.

    Attributes:
        name: the name of the parameter.
        role: what grows in it: input, hidden, readout or fixed.
        lr: its rate.
        weight_decay: its weight decay.
        eps: Adam's epsilon; 1 with other optimizers.
        init: the scale of its initial values, relative to what the code makes at this width.
    """

    name: str
    role: str
    lr: float
    weight_decay: float
    eps: float
    init: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as JSON values."""
        return asdict(self)


def parameter_rows(wide: WidthTask) -> list[ParameterRow]:
    """The rows of a task that `at_width` gave muP, in the order of the parameters.

    Args:
        wide: the task at its width.

    Raises:
        ArgumentError: the task is as its code makes it.
    """
    with kept_random_state():
        seed_everything(0)
        model = wide.task.model()
        optimizers = wide.plain.optimizers_of(model)
    rules = parametrization_of(model).rules
    factors = factors_by_parameter(optimizers, model)
    return [
        ParameterRow(
            name=name,
            role=str(rules[name].role),
            lr=factor.lr,
            weight_decay=factor.weight_decay,
            eps=factor.eps,
            init=rules[name].init,
        )
        for name, factor in factors.items()
    ]
