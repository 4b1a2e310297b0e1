"""Checks of the arguments of `attach`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from learnrate._checks import refuse
from learnrate._errors import ArgumentError
from learnrate._sharded import is_sharded
from learnrate.edits import Edit
from learnrate.run._guard import Guard
from learnrate.run._measure import Measure
from learnrate.run._update_hooks import ATTACHED
from learnrate.run._update_meter import parameters_of
from learnrate.store import Store

if TYPE_CHECKING:
    from torch.optim import Optimizer

__all__ = [
    "check_clipping",
    "check_probes",
    "check_types",
    "checked_edits",
    "checked_optimizers",
]

_NONE = type(None)
_RULES: dict[str, tuple[tuple[type, ...], str]] = {
    "groups": ((list, tuple, _NONE), "a list with a schedule or None for each parameter group"),
    "hyper": ((Mapping, _NONE), "a mapping from names to schedules, such as {'momentum': '0.9'}"),
    "model": ((torch.nn.Module, _NONE), "a torch.nn.Module, or None"),
    "criterion": ((torch.nn.Module, _NONE), "a loss module, or None"),
    "extra_state": (
        (Mapping, _NONE),
        "a mapping from names to objects with a state_dict, or None",
    ),
    "store": (
        (str, PathLike, Store, bool, _NONE),
        "a file, a URL, a Store, or False to record nothing",
    ),
    "name": ((str, _NONE), "text, or None for the name of the script"),
    "facts": ((Mapping, _NONE), "a mapping from names to JSON values, such as {'batch_size': 64}"),
    "measure": ((Measure,), "a learnrate.Measure"),
    "guard": ((bool, Guard, _NONE), "True, False or a learnrate.run.Guard"),
}


def check_types(schedule: object, controllers: object, **arguments: object) -> None:
    """Refuse a value whose type is wrong, before anything begins.

    Args:
        schedule: the argument of `attach`.
        controllers: the argument of `attach`.
        arguments: those of `attach` in `_RULES`, by name.

    Raises:
        ArgumentError: a value is of another type.
    """
    if isinstance(schedule, type) and issubclass(schedule, LRScheduler):
        rule = "a scheduler that was made for the optimizer, not its class"
        refuse("attach", "schedule", rule, schedule)
    if isinstance(controllers, str) or not isinstance(controllers, Iterable):
        rule = "a list of controllers, or a mapping from names to them, such as [Plateau()]"
        refuse("attach", "controllers", rule, controllers)
    for argument, value in arguments.items():
        types, rule = _RULES[argument]
        if not isinstance(value, types):
            refuse("attach", argument, rule, value)


def checked_optimizers(optimizer: object) -> list[Optimizer]:
    """The optimizers without wrappers; none of them may have a run."""
    wrapped = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]
    optimizers = [_unwrapped(wrapper) for wrapper in wrapped]
    if not optimizers or not all(isinstance(inner, torch.optim.Optimizer) for inner in optimizers):
        refuse("attach", "optimizer", "a torch.optim.Optimizer, or a list of them", optimizer)
    if len({id(inner) for inner in optimizers}) < len(optimizers):
        raise ArgumentError("attach(optimizer=...) has the same optimizer twice. Name each once.")
    for inner in optimizers:
        if hasattr(inner, ATTACHED):
            raise ArgumentError(
                "attach(optimizer=...): this optimizer has a run already, which sets its rates: "
                f"{getattr(inner, ATTACHED)!r}. Call run.finish() on that run first, or make a new "
                "optimizer. `with learnrate.attach(...) as run:` ends a run also after an error."
            )
    if any(parameter.is_meta for parameter in parameters_of(*optimizers)):
        raise ArgumentError(
            "attach(optimizer=...) must train weights that have values; some are on the meta device. "
            "Call model.to_empty(device=...), load or initialise the weights, and make the optimizer then."
        )
    return optimizers


def checked_edits(edits: object) -> list[Edit]:
    """The edits to repeat; each has the step that it takes effect at."""
    is_list = isinstance(edits, Iterable) and not isinstance(edits, str)
    checked: list[Any] = [*edits] if is_list else [edits]  # type: ignore[misc]  # an Iterable
    for edit in checked:
        if not isinstance(edit, Edit) or edit.step is None:
            way_out = "To edit a run that trains, call run.steer('scale 0.5')."
            rule = "a list of learnrate.edits.Edit with their steps, such as replayed(store, run).edits_to_repeat"
            refuse("attach", "edits", rule, edit if isinstance(edit, str) else edits, way_out)
    return checked


def _unwrapped(optimizer: Any) -> Any:
    """The optimizer that makes the updates of a wrapper."""
    inner = getattr(optimizer, "optimizer", None)  # accelerate wraps optimizers
    base = getattr(optimizer, "base_optimizer", None)  # SAM, which shares its groups with it
    if isinstance(inner, torch.optim.Optimizer):
        return _unwrapped(inner)
    if isinstance(base, torch.optim.Optimizer) and base.param_groups is optimizer.param_groups:
        return _unwrapped(base)
    return optimizer


def check_probes(probes: object, optimizers: list[Optimizer]) -> None:
    """Refuse what cannot be called, and probes of several optimizers."""
    if probes is not None and not callable(probes):
        refuse(
            "attach",
            "probes",
            "learnrate.probing.Probes, another function of a step and an optimizer, or None",
            probes,
        )
    if probes is not None and len(optimizers) > 1:
        refuse("attach", "probes", "None for several optimizers", probes)


def check_clipping(clip_norm: float | None, optimizers: list[Optimizer]) -> None:
    """Refuse to clip where the run cannot: several optimizers, or parameters that are split."""
    if clip_norm is None:
        return
    way_out = "Clip the gradient yourself, and call run.step(loss, gradient_norm=...)."
    if len(optimizers) > 1:
        refuse("Measure", "clip_norm", "None for several optimizers", clip_norm, way_out)
    if any(is_sharded(parameter) for parameter in parameters_of(*optimizers)):
        refuse("Measure", "clip_norm", "None if parameters are split", clip_norm, way_out)
