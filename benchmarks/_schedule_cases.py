"""Schedules made by torch and transformers, the faults people make with them, and logs of both.

Nothing here uses the rules or learnrate's own shapes: the schedulers of the two libraries are the
oracle. A known schedule is the table of the healthy rates.
"""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
import transformers
from torch.optim import Optimizer
from torch.optim import lr_scheduler as torch_schedulers
from torch.optim.lr_scheduler import LRScheduler

from learnrate.schedules import Table
from learnrate.watch import Observations

if TYPE_CHECKING:
    from collections.abc import Iterator

PEAK = 3e-3
TOTALS = (1000, 2400)
SPACINGS = (1, 3, 10, 50)
EPOCH = 40  # updates of an epoch
RESUMES = (0.3, 0.47, 0.62, 0.81)  # shares of the run at which it is resumed
TUNED = ("cosine", "steps", "restarts")
LEFT_OUT = ("linear", "polynomial", "exponential", "inverse sqrt", "one cycle", "wsd", "cyclic")
FRESH = ("noam", "rex", "square root cooldown", "on plateaus", "decaying cycles")

Make = Callable[[Optimizer, int], LRScheduler]


def _warm(shape: Make, share: float) -> Make:
    """A shape after torch's linear warm-up from a thirtieth over a share of the run."""

    def make(optimizer: Optimizer, n: int) -> LRScheduler:
        warm = max(2, int(share * n))
        rise = torch_schedulers.LinearLR(optimizer, 1 / 30, total_iters=warm)
        after = shape(optimizer, n - warm)
        return torch_schedulers.SequentialLR(optimizer, [rise, after], milestones=[warm])

    return make


def _of_transformers(name: str, warm: float = 0.05, **options: Any) -> Make:
    def make(optimizer: Optimizer, n: int) -> LRScheduler:
        get = getattr(transformers, f"get_{name}")
        known = {} if "inverse" in name or "wsd" in name else {"num_training_steps": n}
        lengths = {
            key: int(value * n) if key.endswith("_steps") else value
            for key, value in options.items()
        }
        scheduler: LRScheduler = get(optimizer, num_warmup_steps=int(warm * n), **known, **lengths)
        return scheduler

    return make


def _cosine(floor: float = 0.0) -> Make:
    return lambda optimizer, n: torch_schedulers.CosineAnnealingLR(optimizer, n, floor * PEAK)


def _restarts(first: float, mult: int, floor: float = 0.0) -> Make:
    return lambda optimizer, n: torch_schedulers.CosineAnnealingWarmRestarts(
        optimizer, max(2, round(first * n)), mult, floor * PEAK
    )


def _cyclic(mode: Literal["triangular", "triangular2", "exp_range"], half: float) -> Make:
    return lambda optimizer, n: torch_schedulers.CyclicLR(
        optimizer, 0.1 * PEAK, PEAK, max(2, int(half * n)), mode=mode, cycle_momentum=False
    )


def _of_step(function: Callable[[int], float]) -> Make:
    """LambdaLR of torch of a function of the step."""
    return lambda optimizer, _: torch_schedulers.LambdaLR(optimizer, function)


def _of_share(function: Callable[[float], float]) -> Make:
    """LambdaLR of torch of a function of the share of the run that is over."""
    return lambda optimizer, n: torch_schedulers.LambdaLR(
        optimizer, lambda step: function(min(1.0, step / n))
    )


def _decaying_cycles(share: float) -> float:
    cycle, within = divmod(min(share, 0.99999) * 5.0, 1.0)
    return float(0.7**cycle) * (0.5 + 0.5 * math.cos(math.pi * within))


SHAPES: dict[str, tuple[Make, ...]] = {
    "cosine": (
        _cosine(),
        _cosine(0.1),
        _warm(_cosine(), 0.05),
        _warm(_cosine(0.05), 0.1),
        _of_transformers("cosine_schedule_with_warmup"),
        _of_transformers("cosine_with_min_lr_schedule_with_warmup", min_lr_rate=0.1),
    ),
    "steps": (
        lambda optimizer, n: torch_schedulers.StepLR(optimizer, n // 3),
        lambda optimizer, n: torch_schedulers.StepLR(optimizer, n // 5, gamma=0.5),
        lambda optimizer, n: torch_schedulers.MultiStepLR(optimizer, [n // 2, int(0.75 * n)]),
        _warm(lambda optimizer, n: torch_schedulers.StepLR(optimizer, n // 3), 0.05),
    ),
    "restarts": (
        _restarts(0.25, 1),
        _restarts(0.1, 2, 0.01),
        _restarts(0.2, 1, 0.1),
        _warm(_restarts(0.15, 2), 0.05),
        _of_transformers("cosine_with_hard_restarts_schedule_with_warmup", num_cycles=4),
    ),
    "linear": (
        _of_transformers("linear_schedule_with_warmup"),
        _of_transformers("linear_schedule_with_warmup", 0.0),
        lambda optimizer, n: torch_schedulers.LinearLR(optimizer, 1.0, 0.1, n),
        _warm(lambda optimizer, n: torch_schedulers.LinearLR(optimizer, 1.0, 0.01, n), 0.1),
    ),
    "polynomial": (
        lambda optimizer, n: torch_schedulers.PolynomialLR(optimizer, n, 2.0),
        lambda optimizer, n: torch_schedulers.PolynomialLR(optimizer, n, 0.9),
        _of_transformers("polynomial_decay_schedule_with_warmup", power=2.0),
    ),
    "exponential": (
        lambda optimizer, n: torch_schedulers.ExponentialLR(optimizer, 0.01 ** (1 / n)),
        _warm(
            lambda optimizer, n: torch_schedulers.ExponentialLR(optimizer, 0.1 ** (1 / n)), 0.05
        ),
    ),
    "inverse sqrt": (_of_transformers("inverse_sqrt_schedule"),),
    "one cycle": (
        lambda optimizer, n: torch_schedulers.OneCycleLR(optimizer, PEAK, n + 1),
        lambda optimizer, n: torch_schedulers.OneCycleLR(
            optimizer, PEAK, n + 1, anneal_strategy="linear", three_phase=True
        ),
    ),
    "wsd": (
        _of_transformers("wsd_schedule", num_stable_steps=0.65, num_decay_steps=0.3),
        _of_transformers(
            "wsd_schedule", num_stable_steps=0.7, num_decay_steps=0.25, decay_type="linear"
        ),
    ),
    "cyclic": (
        _cyclic("triangular", 0.1),
        _cyclic("triangular2", 0.125),
        _cyclic("exp_range", 0.1),
    ),
    "noam": (
        _of_step(lambda step: min((step + 1) / 80, (80 / (step + 1)) ** 0.5)),
        _of_step(lambda step: min((step + 1) / 200, (200 / (step + 1)) ** 0.5)),
    ),
    "rex": (
        _of_share(lambda share: (1 - share) / (1 - share / 2)),
        _warm(_of_share(lambda share: (1 - share) / (1 - share / 2)), 0.05),
    ),
    "square root cooldown": (
        _warm(_of_share(lambda share: 1 - max(0.0, (share - 0.7) / 0.3) ** 0.5), 0.05),
        _warm(_of_share(lambda share: 1 - max(0.0, (share - 0.8) / 0.2) ** 2), 0.02),
    ),
    "on plateaus": (
        _of_share(lambda share: 0.1 ** sum(share >= drop for drop in (0.37, 0.61, 0.74))),
        _of_share(lambda share: 0.5 ** sum(share >= drop for drop in (0.2, 0.5, 0.7, 0.9))),
    ),
    "decaying cycles": (
        _of_share(_decaying_cycles),
        _warm(_of_share(_decaying_cycles), 0.03),
    ),
}


@functools.cache
def rates(family: str, index: int, n: int, length: int) -> np.ndarray:
    """The rates of `n` updates under a shape that was given a length.

    Args:
        family: of the shape.
        index: of the shape in its family.
        n: updates, at least 1.
        length: of the shape in updates, at least 1.
    """
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = SHAPES[family][index](optimizer, length)
        series = np.empty(n)
        for step in range(n):
            series[step] = optimizer.param_groups[0]["lr"]
            optimizer.step()
            try:
                scheduler.step()
            except ValueError:  # OneCycleLR refuses to go on past its end
                series[step + 1 :] = series[step]
                break
    return series


@dataclass(frozen=True)
class Setting:
    """A run: the rates that were used, what the log holds, and what is true of it."""

    family: str
    fault: str
    applied: np.ndarray
    spacing: int
    right: frozenset[str]  # codes of which one must be found; empty if the run is healthy
    planned: np.ndarray | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    first_step: int = 0
    form: str = ""
    total_known: bool = False

    def observations(self) -> Observations:
        """The log of the run: every `spacing`-th update, as it was printed."""
        step = np.arange(0, self.applied.size, self.spacing)
        lr = self.applied[step]
        if self.form:
            lr = np.array([float(format(value, self.form)) for value in lr])
        loss = 0.5 + 1.5 * np.exp(-step / (0.1 * self.applied.size))
        noise = np.random.default_rng(step.size).standard_normal(step.size)
        known = self.planned is not None or self.total_known
        return Observations(
            run="setting",
            step=step + self.first_step,
            columns={"lr": lr, "loss": loss + 0.02 * noise},
            total_steps=self.applied.size if known else None,
            schedule=None if self.planned is None else Table(values=tuple(self.planned)),
            facts=self.facts,
        )


Variant = tuple[str, np.ndarray, frozenset[str], dict[str, Any]]


def _resumes(base: np.ndarray, resumed_at: int, decidable: bool) -> Iterator[Variant]:
    """Wrong rates from a resume on; some cannot be told from a step decay without its fact."""
    jumped = frozenset({"LR305"})
    head, tail = base[:resumed_at], base[resumed_at:]
    near = np.diff(base[resumed_at - base.size // 20 : resumed_at + base.size // 20])
    if (near > 0.05 * base.max()).any():  # a restart that the schedule intends is too near
        return
    changed = {
        "begins anew": base[: tail.size],
        "10 times": 10.0 * tail,
        "3 times": 3.0 * tail,
        "a third": 0.3 * tail,
        "a thousandth": 1e-3 * tail,
        "ahead": np.concatenate([tail[base.size // 6 :], np.full(base.size // 6, tail[-1])]),
    }
    for name, rate in changed.items():
        series = np.concatenate([head, rate[: tail.size]])
        ratio = series[resumed_at] / max(head[-1], 1e-12)
        is_down = name in {"a third", "a thousandth", "ahead"}
        if abs(series[resumed_at] - base[resumed_at]) < 0.1 * max(
            series[resumed_at], base[resumed_at]
        ) or (abs(ratio - 1) < 0.1 or (is_down and not decidable)):
            continue
        yield f"resume: {name}", series, jumped, {}
        yield f"resume: {name}", series, jumped, {"resumed_at": [resumed_at]}


def _clocks(family: str, index: int, n: int) -> Iterator[Variant]:
    """Schedules that are stepped on the wrong clock or were given a wrong length."""
    epochs = n // EPOCH
    if family == "cosine" and index in {0, 2}:
        for share in (0.55, 0.7, 0.85):
            yield "past its end", rates(family, index, n, int(share * n)), frozenset({"LR306"}), {}
    if family in {"cosine", "linear", "polynomial"} and epochs >= 12:
        series = rates(family, index, n, epochs)
        if series[-1] <= 0.015 * PEAK or (family == "cosine" and index < 4):
            yield "epochs, stepped per update", series, frozenset({"LR307"}), {}
        slow = np.repeat(rates(family, index, epochs, n), EPOCH)
        series = np.concatenate([slow, np.full(n - slow.size, slow[-1])])
        yield "updates, stepped per epoch", series, frozenset({"LR307"}), {}


@functools.cache
def _variants(family: str, index: int, n: int) -> tuple[Variant, ...]:
    """A shape and its faults that need no schedule to be seen."""
    base = rates(family, index, n, n)
    variants: list[Variant] = [("healthy", base, frozenset(), {})]
    late = rates(family, index, -(-n // EPOCH), -(-n // EPOCH))
    if family not in {"restarts", "cyclic", "decaying cycles", "noam"}:
        variants.append(("healthy, per epoch", np.repeat(late, EPOCH)[:n], frozenset(), {}))
    if family == "restarts":
        for first, mult in itertools.product((10, 20, 37, 50, 90, 200), (1, 2, 3)):
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
            scheduler = torch_schedulers.CosineAnnealingWarmRestarts(optimizer, first, mult)
            series = np.empty(n)
            for step in range(n):
                series[step] = optimizer.param_groups[0]["lr"]
                optimizer.step()
                scheduler.step()
            if index == 0:
                variants.append(("healthy", series, frozenset(), {}))
    undecidable = {"steps", "wsd", "square root cooldown", "on plateaus"}
    for share in RESUMES if family not in {"cyclic", "decaying cycles"} else ():
        variants.extend(_resumes(base, int(share * n), family not in undecidable))
    variants.extend(_clocks(family, index, n))
    return tuple(variants)


def _against_a_schedule(
    family: str, index: int, n: int, spacing: int
) -> Iterator[tuple[str, np.ndarray, Any]]:
    """Runs whose schedule is known: what was applied, and the codes that are right."""
    base = rates(family, index, n, n)
    wrong = frozenset({"LR308"})
    yield "schedule: right", base, frozenset()
    yield "schedule: right, off by one", np.concatenate([base[1:], base[-1:]]), frozenset()
    yield "schedule: right, from 0", np.concatenate([[0.0], base[:-1]]), frozenset()
    yield "schedule: never applied", np.full(n, PEAK), wrong
    yield "schedule: ten times", 10.0 * base, wrong
    longer = rates(family, index, n, 3 * n // 2)
    if family in {"cosine", "linear", "polynomial"}:
        yield "schedule: 1.5 times too long", longer, wrong
    if base[0] < 0.2 * base.max() and family in {"cosine", "linear", "polynomial", "wsd"}:
        top = int(np.argmax(base >= 0.99 * base.max()))
        if top < 3 * spacing:
            return
        slow = base.copy()
        slow[: 2 * top] = np.minimum(base[: 2 * top], np.linspace(base[0], base[top], 2 * top))
        yield "schedule: warm-up twice as long", slow, wrong
        flat = base.copy()
        flat[:top] = base[top]
        yield "schedule: no warm-up", flat, wrong
        half = base.copy()
        half[:top] *= 0.5
        yield "schedule: warm-up to half the height", half, wrong


def _codes_in_log(setting: Setting, n: int) -> frozenset[str] | None:
    """The codes that are right for a log, whose spacing may hide a fault; None if it hides all."""
    series, spacing = setting.applied, setting.spacing
    if "stepped" in setting.fault and np.ptp(series[::spacing]) == 0:
        return None  # every row is a crest
    if setting.fault == "updates, stepped per epoch":
        hides_stairs = 3 * spacing > EPOCH
        if hides_stairs and series[0] < 0.5 * series[-1]:
            return None  # without its stairs it is a range test
        return setting.right | ({"LR302"} if setting.form or hides_stairs else set())
    if setting.fault == "epochs, stepped per update" and spacing > n // EPOCH:
        return setting.right | {"LR306"}  # fewer than two rows in a half period
    return setting.right


def _logs(family: str, index: int, n: int, spacing: int) -> Iterator[Setting]:
    """The logs of a shape at a spacing, healthy and faulty, with and without its schedule."""
    forms = itertools.cycle(["", ".3g", "", ".4e"])
    for number, (fault, series, right, facts) in enumerate(_variants(family, index, n)):
        if "resume" in fault and (number + index + n // 200) % 3:
            continue  # a third of these is enough
        setting = Setting(
            family=family,
            fault=fault,
            applied=series,
            spacing=spacing,
            right=right,
            facts=facts,
            form=next(forms),
            total_known="stepped" in fault and number % 2 == 0,
        )
        codes = _codes_in_log(setting, n)
        if codes is not None:
            yield replace(setting, right=codes)
    planned = rates(family, index, n, n)
    for fault, series, right in _against_a_schedule(family, index, n, spacing):
        yield Setting(family, fault, series, spacing, right, planned, form=next(forms))
    epochs = rates(family, index, n // EPOCH, n // EPOCH)
    if spacing == 1 and epochs.size >= 20:
        fault = "schedule: right, epochs from 1"
        yield Setting(family, fault, epochs, 1, frozenset(), epochs, first_step=1)


def settings() -> list[Setting]:
    """All runs, at every spacing at which their logs have at least 20 rows."""
    return [
        setting
        for family, shapes in SHAPES.items()
        for index, n, spacing in itertools.product(range(len(shapes)), TOTALS, SPACINGS)
        if n >= 20 * spacing
        for setting in _logs(family, index, n, spacing)
    ]
