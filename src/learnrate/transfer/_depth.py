"""Which parameters are in residual blocks, and which of them write to the residual stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from learnrate._errors import ArgumentError
from learnrate.transfer._layers import own_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Depth", "depth_of"]

_STACKS = (nn.ModuleList, nn.Sequential)
_TOLERANCE = 1e-3  # of a change in single precision
_PERTURBATION = 1e-2  # by how much a product is changed, as a share of the block's input


@dataclass(frozen=True)
class Depth:
    """The stacks of blocks that are longer in the model than in the base model.

    Attributes:
        stacks: the growth of each stack, by its name with a dot at the end.
        writers: the parameters whose product is added to the residual stream.
        notes: sentences for the user.
    """

    stacks: dict[str, float] = field(default_factory=dict)
    writers: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def growth_of(self, name: str) -> float:
        """The growth of the stack that a parameter is in; 1 outside of them."""
        factors = [factor for stack, factor in self.stacks.items() if name.startswith(stack)]
        return factors[0] if factors else 1.0

    def is_writer(self, name: str) -> bool:
        """Whether a parameter's product is added to the residual stream."""
        return name in self.writers


def depth_of(
    model: nn.Module, base: nn.Module, forward: Callable[[nn.Module], Any] | None
) -> Depth:
    """Find the stacks that grow, and what in them writes to the residual stream.

    Args:
        model: the model.
        base: the base model.
        forward: runs a model on a batch.

    Raises:
        ArgumentError: a stack grows and `forward` is missing, or its blocks are not residual.
    """
    base_modules = dict(base.named_modules())
    stacks, writers, notes = {}, set[str](), []
    for name, stack in model.named_modules():
        shorter = base_modules.get(name)
        if type(stack) is not type(shorter) or not isinstance(stack, _STACKS):
            continue
        assert isinstance(shorter, _STACKS)  # noqa: S101 - it has the same type
        if len(stack) == len(shorter):
            continue
        if forward is None:
            raise ArgumentError(
                f"{name or 'the model'} has {len(stack)} parts and {len(shorter)} in the base "
                "model. To apply the rules for depth, give forward=lambda model: model(inputs)."
            )
        prefix = f"{name}." if name else ""
        stacks[prefix] = len(stack) / len(shorter)
        of_block = _writers_of(model, next(iter(stack)), f"{prefix}0", forward)
        writers |= {
            f"{prefix}{index}.{parameter}" for index in range(len(stack)) for parameter in of_block
        }
        notes.append(
            f"{name} has {stacks[prefix]:.4g} times as many blocks; what {_listed(of_block)} add to "
            f"the residual stream is {1 / stacks[prefix]:.4g} times as large at the start."
        )
    return Depth(stacks, frozenset(writers), tuple(notes))


def _listed(parameters: list[str]) -> str:
    layers = dict.fromkeys(parameter.rpartition(".")[0] for parameter in parameters)
    return " and ".join(layer or "the blocks" for layer in layers)


def _writers_of(
    model: nn.Module, block: nn.Module, name: str, forward: Callable[[nn.Module], Any]
) -> list[str]:
    """The parameters of a block whose product is added to the residual stream.

    With the products of a layer and of all later layers of the block set to zero, a change of the
    product of a layer that writes changes the block's output by a multiple of it. A change of any
    other product does not.
    """
    probe = _BlockProbe(model, block, forward)
    if not probe.is_identity_without_layers():
        raise ArgumentError(
            f"the model has more blocks than the base model, and {name} is not a residual block: if the "
            "outputs of its layers are 0, it does not return its input. The rules for depth cover only "
            "pre-norm residual blocks; give both models the same depth."
        )
    writers = [
        f"{layer}.{parameter}" if layer else parameter
        for index, (layer, module) in enumerate(probe.layers)
        if probe.is_added(index)
        for parameter in _parameters_of_product(module)
    ]
    if not writers:
        raise ArgumentError(
            f"the model has more blocks than the base model, and no layer of {name} adds its output to "
            "the output of the block. The rules for depth cover only pre-norm residual blocks; give both "
            "models the same depth."
        )
    return writers


def _parameters_of_product(module: nn.Module) -> list[str]:
    if isinstance(module, nn.MultiheadAttention):
        return [name for name, _ in module.named_parameters() if name.startswith("out_proj.")]
    return [name for name, _ in own_parameters(module)]


class _BlockProbe:
    """Runs a model with the products of one block's layers changed."""

    def __init__(
        self, model: nn.Module, block: nn.Module, forward: Callable[[nn.Module], Any]
    ) -> None:
        self._model = model
        self._block = block
        self._forward = forward
        self.layers: list[tuple[str, nn.Module]] = []
        names = {id(module): name for name, module in _leaves(block)}
        order: list[nn.Module] = []
        hooks = [
            module.register_forward_hook(lambda module, *_: order.append(module))
            for _, module in _leaves(block)
        ]
        self._run(hooks)
        self.layers = [(names[id(module)], module) for module in dict.fromkeys(order)]

    def is_identity_without_layers(self) -> bool:
        """Whether the block returns a multiple of its input if every product in it is zero."""
        inputs, output = self._outputs(zeroed=0)
        return _is_multiple(output, inputs)

    def is_added(self, index: int) -> bool:
        """Whether the product of a layer is added to the block's output."""
        inputs, output = self._outputs(zeroed=index)
        size = _PERTURBATION * float(inputs.double().pow(2).mean().sqrt())
        _, perturbed = self._outputs(zeroed=index, perturbed=index, size=size)
        change = perturbed - output
        expected = torch.full_like(change, size)  # positive, so that a last ReLU lets it through
        return _is_multiple(change, expected)

    def _outputs(
        self, zeroed: int, perturbed: int | None = None, size: float = 0.0
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The block's input and output, with the products of layers from number `zeroed` on zero."""
        passes: list[tuple[torch.Tensor, torch.Tensor]] = []
        hooks = [module.register_forward_hook(_times(0.0)) for _, module in self.layers[zeroed:]]
        if perturbed is not None:
            hooks.append(self.layers[perturbed][1].register_forward_hook(_plus(size)))
        hooks.append(
            self._block.register_forward_hook(
                lambda _, arguments, output: passes.append(
                    (arguments[0].detach(), _first(output).detach())
                )
            )
        )
        self._run(hooks)
        return passes[0]

    def _run(self, hooks: list[Any]) -> None:
        """Run the model once in evaluation mode, and remove the hooks."""
        modes = [(module, module.training) for module in self._model.modules()]
        self._model.eval()
        try:
            self._forward(self._model)
        finally:
            for hook in hooks:
                hook.remove()
            for module, mode in modes:
                module.training = mode


def _leaves(block: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers of a block that have parameters; attention counts as one."""
    inside = ""
    for name, module in block.named_modules():
        if inside and name.startswith(inside):
            continue
        if isinstance(module, nn.MultiheadAttention):
            inside = f"{name}."
            yield name, module
        elif own_parameters(module) and not list(module.children()):
            yield name, module


def _first(output: Any) -> torch.Tensor:
    first: torch.Tensor = output[0] if isinstance(output, tuple | list) else output
    return first


def _times(factor: float) -> Callable[..., Any]:
    return lambda _module, _arguments, output: _with_first(output, _first(output) * factor)


def _plus(amount: float) -> Callable[..., Any]:
    return lambda _module, _arguments, output: _with_first(output, _first(output) + amount)


def _with_first(output: Any, first: torch.Tensor) -> Any:
    return (first, *output[1:]) if isinstance(output, tuple | list) else first


def _is_multiple(value: torch.Tensor, reference: torch.Tensor) -> bool:
    """Whether a tensor is a multiple of another, above 0."""
    if value.shape != reference.shape:
        return False
    value, reference = value.double(), reference.double()
    factor = float((value * reference).sum() / reference.pow(2).sum().clamp_min(1e-300))
    distance = float((value - factor * reference).norm())
    return factor > _TOLERANCE and distance <= _TOLERANCE * factor * float(reference.norm())
