"""A lower bound on the time of an update of stacked trials: the time of its matrix products alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from learnrate.trials import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from learnrate import Task

aten = torch.ops.aten
MATRIX = (aten.mm, aten.addmm, aten.bmm, aten.baddbmm)
CONVOLUTION = (aten.convolution, aten.convolution_backward)
ATTENTION = (
    aten._scaled_dot_product_flash_attention_for_cpu,  # noqa: SLF001 - torch's name
    aten._scaled_dot_product_flash_attention_for_cpu_backward,  # noqa: SLF001 - torch's name
)


@dataclass
class Product:
    """A call that multiplies matrices, and how often one update of a trial makes it."""

    function: Any
    arguments: tuple[Any, ...]
    settings: Mapping[str, Any]
    count: int = 0


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: dict[str, Product] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        settings = kwargs or {}
        if func.overloadpacket in MATRIX + CONVOLUTION + ATTENTION:
            shapes = [part.shape if torch.is_tensor(part) else part for part in args]
            detached = tuple(part.detach() if torch.is_tensor(part) else part for part in args)
            product = Product(func, detached, settings)
            self.products.setdefault(f"{func} {shapes}", product).count += 1
        return func(*args, **settings)


def products_of(task: Task) -> list[Product]:
    """The products of one update of a trial."""
    training = Training(task, 0)
    training.update(1e-4)
    with _Recorder() as recorder:
        training.update(1e-4)
    return list(recorder.products.values())


def seconds_of_products(products: Sequence[Product], width: int) -> float:
    """The time of the products of one update of `width` trials, each in its fastest form."""
    with torch.no_grad():
        return sum(
            min(fastest(form, 3) for form in _forms(product, width)) for product in products
        )


def fastest(run: Callable[[], object], count: int = 4) -> float:
    """Seconds of the fastest of `count` runs after the first two."""
    run()
    run()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def _forms(product: Product, width: int) -> list[Callable[[], object]]:
    """The ways to make all calls of a product for `width` trials."""
    kind, arguments = product.function.overloadpacket, product.arguments
    forms = [_calls(product, [_copied(arguments) for _ in range(width)])]
    if kind in MATRIX:
        left, right = (_stacked(part, width) for part in arguments[-2:])
        forms.append(lambda: [torch.bmm(left, right) for _ in range(product.count)])
        if product.count > 1:  # a sum over time steps can be one product
            wide, tall = left.repeat(1, 1, product.count), right.repeat(1, product.count, 1)
            forms.append(lambda: torch.bmm(wide, tall))
    elif kind in CONVOLUTION:
        grouped = _grouped(product, width)
        forms.append(_calls(product, [grouped]))
        forms.append(_calls(product, [_copied(arguments, channels_last=True)] * width))
        forms.append(_calls(product, [_copied(grouped, channels_last=True)]))
    else:
        merged = tuple(
            part.repeat_interleave(width, 0) if torch.is_tensor(part) else part
            for part in arguments
        )
        forms.append(_calls(product, [merged]))
    return forms


def _calls(product: Product, of_trials: list[tuple[Any, ...]]) -> Callable[[], object]:
    def run() -> None:
        for arguments in of_trials:
            for _ in range(product.count):
                product.function(*arguments, **product.settings)

    return run


def _copied(arguments: tuple[Any, ...], *, channels_last: bool = False) -> tuple[Any, ...]:
    def copied(part: Any) -> Any:
        if not torch.is_tensor(part):
            return part
        is_image = channels_last and part.dim() == 4
        return part.clone(memory_format=torch.channels_last if is_image else torch.preserve_format)

    return tuple(copied(part) for part in arguments)


def _stacked(matrix: torch.Tensor, width: int) -> torch.Tensor:
    return matrix.expand(width, *matrix.shape).flatten(0, -3).contiguous()


def _grouped(product: Product, width: int) -> tuple[Any, ...]:
    """The arguments of one convolution whose groups are the trials."""
    backward = product.function.overloadpacket is aten.convolution_backward
    weight = 2 if backward else 1
    grouped = list(product.arguments)
    for place, part in enumerate(product.arguments):
        if torch.is_tensor(part):
            is_image = place != weight and part.dim() > 1
            grouped[place] = torch.cat([part] * width, dim=1 if is_image else 0)
    if backward and grouped[3] is not None:
        grouped[3] = [width * size for size in grouped[3]]
    grouped[9 if backward else 8] *= width
    return tuple(grouped)
