"""Probes: measurements of a live training, within a given share of its time."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from learnrate._errors import ArgumentError
from learnrate._ranks import rank_and_size
from learnrate.probing._fork import check_model, now
from learnrate.probing._noise import NoiseScale, noise_scale
from learnrate.probing._normalised_step import NormalisedStep, normalised_step
from learnrate.probing._sharpness import Sharpness, sharpness
from learnrate.probing._verdict import Direction, WhatIf
from learnrate.probing._what_if import what_if
from learnrate.trials import kept_random_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from learnrate.probing._result import ProbeResult
    from learnrate.watch import Finding

__all__ = ["ProbeRecord", "Probes"]

_MAX_BATCHES = 30  # batches kept for all probes
_MAX_MEASURED = 8  # batches for the noise scale and the normalised step
_KNOWN_MARGIN = 1.25  # a probe may take longer than last time by this factor
_GUESS_MARGIN = 2.0  # a probe may take longer than a guess by this factor
_USUAL_PRODUCTS = 20  # Hessian-vector products of a usual measurement of the sharpness
_COLUMN_VALUES = {Direction.LOWER: -1.0, Direction.KEEP: 0.0, Direction.RAISE: 1.0}


@dataclass(frozen=True, kw_only=True)
class ProbeRecord:
    """One probe of a live training.

    Attributes:
        step: the update that was about to happen.
        result: what the probe returned.
        columns: the numbers to record, by name.
        findings: what follows from this result and the earlier ones.
        seconds: how long the probe took, including the time to draw batches.
        scale: the factor that an attached run changes its rate by; None to leave it.
        reason: the reason of that change, for its edit.
    """

    step: int
    result: ProbeResult
    columns: Mapping[str, float]
    findings: tuple[Finding, ...]
    seconds: float
    scale: float | None = None
    reason: str = ""

    @property
    def words(self) -> str:
        """The meaning of the probe's numbers, in words."""
        return self.result.words


class Probes:
    """Runs probes of a live training, in turn, within a given share of its time.

        probes = Probes(model, loss_of, separate_loader, share=0.02)
        run = learnrate.attach(optimizer, schedule, probes=probes)

    In a loop without `attach`, call `probes(step, optimizer)` after every update. A probe waits
    until the time of all probes, itself included, is within the share of the run's time so far. Its
    duration is known from the last time, or guessed from the duration of an update. A short run may
    therefore see only the cheap probes; `waiting` says which probe is next.

    When two what-if verdicts in a row agree, they become a finding (LR106 or LR203), each once per run.
    A probe that fails gives a warning and does not run again; training continues.

    Args:
        model: the model that is trained.
        loss_of: `loss_of(model, batch) -> scalar tensor`.
        batches: a separate loader, or a list, with batches of the size that is trained with. The
            first 30 are drawn once and held. Training may see them too.
        share: the share of the run's time, above 0 and at most 0.5.
        only: names of the probes to run; by default `sharpness`, `noise_scale`,
            `normalised_step`, `what_if`.
        options: arguments of each probe by its name, such as `{"what_if": {"steps": 10},
            "sharpness": {"batch": large}}`.
        clip_norm: the gradient norm that updates are clipped to; None for no clipping.
        extra_state: further objects with a state that training changes, such as a criterion.

    Attributes:
        results: every record so far.
        spent: seconds that probes have taken.

    Raises:
        ArgumentError: a value is outside its rule, there are several processes, or a loader keeps
            its workers between iterations.

    Examples:
        >>> import torch
        >>> model = torch.nn.Linear(3, 1)
        >>> inputs = torch.randn(30, 16, 3)
        >>> def loss_of(model, batch):
        ...     return model(batch).square().mean()
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> probes = Probes(model, loss_of, list(inputs), share=0.5, only=["sharpness"])
        >>> for step in range(2000):
        ...     optimizer.zero_grad()
        ...     loss_of(model, inputs[step % 30]).backward()
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
        extra_state: Iterable[Any] = (),
    ) -> None:
        self._model = check_model("Probes", model)
        if not 0 < share <= 0.5:
            raise ArgumentError(f"Probes(share=...) must be above 0 and at most 0.5; got {share}.")
        if rank_and_size()[1] > 1:
            raise ArgumentError(
                "Probes need a training of one process; this one has several. Probe a checkpoint of "
                "it instead."
            )
        if getattr(batches, "persistent_workers", False):
            raise ArgumentError(
                "Probes(batches=...) must not have persistent_workers=True, because drawing from it "
                "would restart the training's own iteration. Give a separate loader without them."
            )
        self.share, self.spent = share, 0.0
        self.results: list[ProbeRecord] = []
        self._loss_of, self._source = loss_of, batches
        self._clip_norm, self._extra_state = clip_norm, tuple(extra_state)
        self._options = {name: dict(arguments) for name, arguments in (options or {}).items()}
        self._order = _checked_names("only", _COSTS if only is None else only)
        _checked_names("options", self._options)
        self._batches: list[Any] = []
        self._durations: dict[str, float] = {}
        self._last_sharpness: Sharpness | None = None
        self._last_verdict: Direction | None = None
        self._codes_reported: set[str] = set()
        self._began: float | None = None
        self._first_step = 0

    def __call__(self, step: int, optimizer: Optimizer) -> ProbeRecord | None:
        """Run the probe that is next, if there is time for it. Call it after every update.

        Args:
            step: the update about to happen.
            optimizer: the optimizer that trains the model.
        """
        if not self._order:
            return None
        clock = time.perf_counter()
        if self._began is None:
            self._began, self._first_step = clock, step
            return None
        elapsed = clock - self._began
        if (
            self.spent + self._expected_seconds(self._order[0], step, elapsed)
            > self.share * elapsed
        ):
            return None
        name = self._order.pop(0)
        began = now()  # pending work of the device counts as time of the training
        result = self._run_or_give_up(name, optimizer)
        seconds = now() - began
        self.spent += seconds
        if result is None:
            return None
        self._durations[name] = seconds
        self._order.append(name)
        return self._record(step, result, seconds, self._findings(result, step))

    def ask(self, step: int, optimizer: Optimizer) -> ProbeRecord:
        """Run the what-if probe now, regardless of the share.

        A verdict for another rate becomes a finding immediately, unless it was one before. With
        `only=[]` there are no other probes.

        Args:
            step: the update about to happen.
            optimizer: the optimizer that trains the model.

        Raises:
            ArgumentError: there are too few batches, or the rate is 0.
            TaskError: the loss is not a tensor of one finite number.
        """
        began = now()
        self._draw()
        result = self._run("what_if", optimizer)
        assert isinstance(result, WhatIf)  # noqa: S101 - for the type checker
        seconds = now() - began
        self.spent += seconds
        self._last_verdict = result.verdict
        return self._record(step, result, seconds, self._first_of_code(result.finding(step)))

    def _record(
        self, step: int, result: ProbeResult, seconds: float, findings: tuple[Finding, ...]
    ) -> ProbeRecord:
        record = ProbeRecord(
            step=step,
            result=result,
            columns=_columns(result),
            findings=findings,
            seconds=seconds,
        )
        self.results.append(record)
        return record

    @property
    def waiting(self) -> str:
        """Which probe is next, and when."""
        if not self._order:
            return "No probe is scheduled: all have failed, or only=[] was given."
        name = self._order[0]
        if self._began is None or name not in self._durations:
            return f"{name} comes next; how long it takes is not known yet."
        duration = self._durations[name]
        after = (self.spent + _KNOWN_MARGIN * duration) / self.share
        return (
            f"{name} comes next and takes about {duration:.2g} s; with share={self.share:g} it runs "
            f"once the run has lasted {after:.3g} s."
        )

    def _expected_seconds(self, name: str, step: int, elapsed: float) -> float:
        if name in self._durations:
            return _KNOWN_MARGIN * self._durations[name]
        updates = step - self._first_step
        if updates < 1:
            return math.inf
        gradients = _COSTS[name](self._options.get(name, {}))
        return _GUESS_MARGIN * gradients * elapsed / updates

    def _run_or_give_up(self, name: str, optimizer: Optimizer) -> ProbeResult | None:
        try:
            self._draw()
            return self._run(name, optimizer)
        except Exception as error:  # noqa: BLE001 - a probe must not stop the training
            warnings.warn(
                f"learnrate: the probe {name} failed and does not run again: {type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=3,
            )
            return None

    def _draw(self) -> None:
        if not self._batches:
            with kept_random_state():
                self._batches = list(islice(self._source, _MAX_BATCHES))

    def _run(self, name: str, optimizer: Optimizer) -> ProbeResult:
        options: dict[str, Any] = {"extra_state": self._extra_state, **self._options.get(name, {})}
        model, loss_of, batches = self._model, self._loss_of, self._batches
        if name == "sharpness":
            batch = options.pop("batch", batches[0])
            options = {"start": self._last_sharpness, **options}
            self._last_sharpness = sharpness(model, loss_of, batch, optimizer, **options)
            return self._last_sharpness
        if name == "noise_scale":
            return noise_scale(model, loss_of, batches[:_MAX_MEASURED], **options)
        options = {"clip_norm": self._clip_norm, **options}
        if name == "normalised_step":
            return normalised_step(model, optimizer, loss_of, batches[:_MAX_MEASURED], **options)
        return what_if(model, optimizer, loss_of, batches, **options)

    def _findings(self, result: ProbeResult, step: int) -> tuple[Finding, ...]:
        if not isinstance(result, WhatIf):
            return ()
        agree = result.verdict is self._last_verdict
        self._last_verdict = result.verdict
        return self._first_of_code(result.finding(step) if agree else None)

    def _first_of_code(self, finding: Finding | None) -> tuple[Finding, ...]:
        """The finding, unless one of its code was reported before."""
        if finding is None or finding.code in self._codes_reported:
            return ()
        self._codes_reported.add(finding.code)
        return (finding,)


def _columns(result: ProbeResult) -> dict[str, float]:
    columns: dict[str, float | None]
    if isinstance(result, Sharpness):
        name = "preconditioned_sharpness" if result.preconditioned else "sharpness"
        columns = {name: result.eigenvalue, "edge_ratio": result.ratio}
    elif isinstance(result, NoiseScale):
        columns = {"noise_scale": result.noise}
    elif isinstance(result, NormalisedStep):
        columns = {"normalised_step": result.median}
    else:
        assert isinstance(result, WhatIf)  # noqa: S101 - there is no other probe
        columns = {"what_if": _COLUMN_VALUES.get(result.verdict)}
    return {name: value for name, value in columns.items() if value is not None}


def _what_if_cost(options: Mapping[str, Any]) -> float:
    steps = options.get("steps", 20)
    updates = steps + options.get("anneal", steps)
    return float(len(options.get("factors", (1, 2, 3))) * updates + 20)


_COSTS: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "sharpness": lambda options: 1.0 + 2.0 * min(options.get("products", 60), _USUAL_PRODUCTS),
    "noise_scale": lambda _: float(_MAX_MEASURED),
    "normalised_step": lambda _: 2.0 * _MAX_MEASURED,
    "what_if": _what_if_cost,
}
"""About how many gradient evaluations a probe takes, given its options."""


def _checked_names(argument: str, names: Iterable[str]) -> list[str]:
    checked = list(names)
    for name in checked:
        if name not in _COSTS:
            raise ArgumentError(
                f"Probes({argument}=...) must name probes of {', '.join(_COSTS)}; got {name!r}."
            )
    return checked
