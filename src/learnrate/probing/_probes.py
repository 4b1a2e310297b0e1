"""Probes: what puts questions to a live training, within a stated share of its time."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate._ranks import rank_and_size
from learnrate.probing._alpha import NormalisedStep, normalised_step
from learnrate.probing._fork import check_model, now
from learnrate.probing._noise import NoiseScale, noise_scale
from learnrate.probing._sharpness import Sharpness, sharpness
from learnrate.probing._verdict import Direction, WhatIf
from learnrate.probing._what_if import what_if
from learnrate.trials import kept_random_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._result import Result
    from learnrate.watch import Finding

__all__ = ["Probed", "Probes"]

_DRAWN = 30  # batches held for probes
_MEASURED = 8  # of them, for the noise scale and the normalised step
_MARGIN = 1.25  # a probe may take so much longer than it did before
_GUESSED = 2.0  # and so much longer than a guess
_PRODUCTS = 20  # that a measurement of the sharpness takes, as a guess
_SIGNS = {Direction.LOWER: -1.0, Direction.KEEP: 0.0, Direction.RAISE: 1.0}


@dataclass(frozen=True, kw_only=True)
class Probed:
    """One probe of a live training.

    Attributes:
        step: the update that was about to happen.
        result: what the probe gave.
        columns: what to record of it, by name.
        findings: what follows from it and from those before.
        seconds: it took, the drawing of batches included.
    """

    step: int
    result: Result
    columns: Mapping[str, float]
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def words(self) -> str:
        """What the probe gave, in words."""
        return self.result.words


class Probes:
    """Puts questions to a live training, in turn, within a stated share of its time.

        probes = Probes(model, loss_of, loader_of_its_own, share=0.02)
        run = learnrate.attach(optimizer, schedule, probes=probes)

    or in a loop without `attach`, `probes(step, optimizer)` after every update. A probe waits
    until its time, added to that of all before, is within the share of the run's time so far; what
    it will take is known from the last time, or guessed from what an update takes. So a short run
    may see only the cheap ones; `waiting` says what is waited for.

    A what-if verdict becomes a finding (LR106, LR203) when two in a row agree, once each. A probe
    that fails is given up with a warning, and training goes on.

    Args:
        model: what is trained.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batches: where batches for probes come from, of the size that is trained with: the first 30
            are drawn once, and held. Training may see them too. A loader of its own, or a list.
        share: of the run's time, above 0 and at most 1/2.
        only: names of the probes to run; by default `sharpness`, `noise_scale`,
            `normalised_step`, `what_if`.
        options: arguments of each probe by its name, such as `{"what_if": {"steps": 10},
            "sharpness": {"batch": large}}`.
        clip_norm: the gradient norm that updates are clipped to.
        also: further objects with a state that training changes, such as a criterion.

    Attributes:
        results: all so far.
        spent: seconds that probes have taken.

    Raises:
        ArgumentError: a value outside its rule, several processes, or a loader whose workers
            would be taken from the training.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(3, 1)
        >>> x = torch.randn(30, 16, 3)
        >>> def loss_of(model, batch):
        ...     return model(batch).square().mean()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> probes = Probes(model, loss_of, list(x), share=0.5, only=["sharpness"])
        >>> for step in range(2000):
        ...     optimizer.zero_grad()
        ...     loss_of(model, x[step % 30]).backward()
        ...     optimizer.step()
        ...     _ = probes(step + 1, optimizer)
        >>> probes.results[0].result.kind
        'sharpness'
    """

    def __init__(
        self,
        model: nn.Module,
        loss_of: Callable[[nn.Module, Any], torch.Tensor],
        batches: Iterable[Any],
        *,
        share: float = 0.02,
        only: Iterable[str] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        clip_norm: float | None = None,
        also: Iterable[Any] = (),
    ) -> None:
        self._model = check_model("Probes", model)
        if not 0 < share <= 0.5:
            raise ArgumentError(f"Probes(share=...) must be above 0 and at most 0.5; got {share}.")
        if rank_and_size()[1] > 1:
            raise ArgumentError(
                "Probes run in a training of one process; this one has several. Probe a "
                "checkpoint of it instead."
            )
        if getattr(batches, "persistent_workers", False):
            raise ArgumentError(
                "Probes(batches=...): a loader with persistent_workers=True starts anew for "
                "whoever iterates it last. Give a loader of its own without them."
            )
        self.share, self.spent = share, 0.0
        self.results: list[Probed] = []
        self._loss_of, self._source = loss_of, batches
        self._clip_norm, self._also = clip_norm, tuple(also)
        self._options = {name: dict(held) for name, held in (options or {}).items()}
        self._order = _names("only", _COSTS if only is None else only)
        _names("options", self._options)
        self._held: list[Any] = []
        self._known: dict[str, float] = {}
        self._direction: Sharpness | None = None
        self._last: Direction | None = None
        self._said: set[str] = set()
        self._began: float | None = None
        self._first = 0

    def __call__(self, step: int, optimizer: Optimizer) -> Probed | None:
        """An update was made: ask what is due, if there is time for it.

        Args:
            step: the update about to happen.
            optimizer: what trains the model.
        """
        if not self._order:
            return None
        clock = time.perf_counter()
        if self._began is None:
            self._began, self._first = clock, step
            return None
        elapsed = clock - self._began
        if self.spent + self._need(self._order[0], step, elapsed) > self.share * elapsed:
            return None
        name = self._order.pop(0)
        began = now()  # what the device still had to do is the training's time
        result = self._asked(name, optimizer)
        took = now() - began
        self.spent += took
        if result is None:
            return None
        self._known[name] = took
        self._order.append(name)
        return self._kept(step, result, took, self._findings(result, step))

    def ask(self, step: int, optimizer: Optimizer) -> Probed:
        """Ask the what-if probe now, whatever the share allows: somebody wants to know.

        A verdict for another rate becomes a finding at once, if it was not one before. With
        `only=[]` nothing else is ever asked.

        Args:
            step: the update about to happen.
            optimizer: what trains the model.

        Raises:
            ArgumentError: there are too few batches, or the rate is 0.
            TaskError: the loss is no number, or not finite.
        """
        began = now()
        self._draw()
        result = self._ask("what_if", optimizer)
        assert isinstance(result, WhatIf)  # noqa: S101 - what was asked
        took = now() - began
        self.spent += took
        self._last = result.verdict
        return self._kept(step, result, took, self._once(result.finding(step)))

    def _kept(
        self, step: int, result: Result, seconds: float, findings: tuple[Finding, ...]
    ) -> Probed:
        columns = _columns(result)
        found = Probed(
            step=step, result=result, columns=columns, findings=findings, seconds=seconds
        )
        self.results.append(found)
        return found

    @property
    def waiting(self) -> str:
        """What is waited for, and how long that takes."""
        if not self._order:
            return "No probe comes by itself: all were given up, or only=[] was said."
        name = self._order[0]
        if self._began is None or name not in self._known:
            return f"{name} comes next; what it takes is not known yet."
        after = (self.spent + _MARGIN * self._known[name]) / self.share
        return (
            f"{name} comes next, for about {self._known[name]:.2g} s; {self.share:.1%} of the run's "
            f"time allow that when it is {after:.3g} s old."
        )

    def _need(self, name: str, step: int, elapsed: float) -> float:
        if name in self._known:
            return _MARGIN * self._known[name]
        updates = step - self._first
        if updates < 1:
            return math.inf
        return _GUESSED * _COSTS[name](self._options.get(name, {})) * elapsed / updates

    def _asked(self, name: str, optimizer: Optimizer) -> Result | None:
        try:
            self._draw()
            return self._ask(name, optimizer)
        except Exception as error:  # noqa: BLE001 - a question must not stop the training
            warnings.warn(
                f"learnrate: the probe {name} is given up: {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=3,
            )
            return None

    def _draw(self) -> None:
        if not self._held:
            with kept_random_state():
                self._held = list(islice(self._source, _DRAWN))

    def _ask(self, name: str, optimizer: Optimizer) -> Result:
        options: dict[str, Any] = {"also": self._also, **self._options.get(name, {})}
        model, loss_of, held = self._model, self._loss_of, self._held
        if name == "sharpness":
            batch = options.pop("batch", held[0])
            found = sharpness(
                model, loss_of, batch, optimizer, **{"start": self._direction, **options}
            )
            self._direction = found
            return found
        if name == "noise_scale":
            return noise_scale(model, loss_of, held[:_MEASURED], **options)
        options = {"clip_norm": self._clip_norm, **options}
        if name == "normalised_step":
            return normalised_step(model, optimizer, loss_of, held[:_MEASURED], **options)
        return what_if(model, optimizer, loss_of, held, **options)

    def _findings(self, result: Result, step: int) -> tuple[Finding, ...]:
        if not isinstance(result, WhatIf):
            return ()
        agreed, self._last = result.verdict is self._last, result.verdict
        return self._once(result.finding(step) if agreed else None)

    def _once(self, found: Finding | None) -> tuple[Finding, ...]:
        if found is None or found.code in self._said:
            return ()
        self._said.add(found.code)
        return (found,)


def _columns(result: Result) -> dict[str, float]:
    if isinstance(result, Sharpness):
        name = "preconditioned_sharpness" if result.preconditioned else "sharpness"
        found = {name: result.eigenvalue, "edge_ratio": result.ratio}
    elif isinstance(result, NoiseScale):
        found = {"noise_scale": result.noise}
    elif isinstance(result, NormalisedStep):
        found = {"normalised_step": result.median}
    else:
        assert isinstance(result, WhatIf)  # noqa: S101 - there is no other probe
        found = {"what_if": _SIGNS.get(result.verdict)}
    return {name: value for name, value in found.items() if value is not None}


def _what_if_cost(options: Mapping[str, Any]) -> float:
    steps = options.get("steps", 20)
    return float(
        len(options.get("factors", (1, 2, 3))) * (steps + options.get("anneal", steps)) + 20
    )


_COSTS: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "sharpness": lambda options: 1.0 + 2.0 * min(options.get("products", 60), _PRODUCTS),
    "noise_scale": lambda _: float(_MEASURED),
    "normalised_step": lambda _: 2.0 * _MEASURED,
    "what_if": _what_if_cost,
}
"""Gradient evaluations that a probe takes, by its options."""


def _names(argument: str, given: Iterable[str]) -> list[str]:
    found = list(given)
    for one in found:
        if one not in _COSTS:
            raise ArgumentError(f"Probes({argument}=...) knows {', '.join(_COSTS)}; got {one!r}.")
    return found
