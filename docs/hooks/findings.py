"""Draws a run, or a probe, for every finding's page while the site is built; it must be found there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib import pyplot as plt

from _themes import add_picture
from learnrate import schedules
from learnrate._axes import CHOSEN, DIVERGED, MEASURED, log_axis, style
from learnrate.probing import WhatIf, what_if
from learnrate.watch import RULES, Finding, Observations, diagnose

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

N = 600
STEPS = np.arange(N)
NOISE = np.random.default_rng(0).standard_normal(N)
LOSS = 0.2 + 2.1 * np.exp(-STEPS / 50) + 0.03 * NOISE
MEANT = (0.1 * schedules.schedule("warmup(10%) >> cosine()")).over(N)
RATE = MEANT.table()


def _cosine(half: int) -> np.ndarray:
    return 0.05 * (1.0 + np.cos(np.pi * STEPS / half))


def _added(first: int, last: int, height: float) -> np.ndarray:
    return LOSS + np.where((first <= STEPS) & (last > STEPS), height, 0.0)


def _spikes() -> np.ndarray:
    return LOSS + sum(1.2 * np.exp(-(STEPS - at) / 6) * (at <= STEPS) for at in (180, 300, 430))


def _validation() -> np.ndarray:
    held = np.full(N, np.nan)
    held[19::20] = 0.6 + 1.7 * np.exp(-STEPS[19::20] / 60) + 0.0012 * STEPS[19::20]
    return held


RUNS: dict[str, dict[str, Any]] = {
    "LR101": {"loss": np.where(STEPS < 350, LOSS, 2.6 + 0.1 * NOISE), "lr": RATE},
    "LR102": {"loss": _spikes(), "lr": RATE},
    "LR103": {"loss": _added(220, 330, 0.9), "lr": RATE},
    "LR104": {
        "loss": _added(220, 330, 0.9),
        "lr": RATE,
        "facts": {"optimizer": "sgd", "sharpness": [[at, 24.0] for at in range(0, N, 40)]},
    },
    "LR105": {
        "loss": LOSS,
        "lr": RATE,
        "gradient_norm": 2.0 + 0.4 * NOISE,
        "facts": {"clip_norm": 1.0},
    },
    "LR201": {"loss": 2.3 - 0.4 * np.cumsum(RATE) / RATE.sum() + 0.02 * NOISE, "lr": RATE},
    "LR202": {"loss": 2.3 + 0.03 * NOISE, "lr": 0.0 * RATE},
    "LR301": {"loss": 0.6 + 1.7 * np.exp(-STEPS / 20) + 0.03 * NOISE, "lr": 0.1 + 0.0 * RATE}
    | {"total_steps": 1000},
    "LR302": {"loss": LOSS, "lr": np.minimum(0.1, 0.1 * (STEPS + 1) / 60)},
    "LR303": {"loss": LOSS, "lr": _cosine(400) * (STEPS < 400)},
    "LR304": {"loss": _added(3, 20, 2.0), "lr": _cosine(N)},
    "LR305": {"loss": LOSS, "lr": np.where(STEPS < 300, 1.0, 3.0) * _cosine(N)},
    "LR306": {"loss": LOSS, "lr": _cosine(420)},
    "LR307": {"loss": LOSS, "lr": MEANT(STEPS // 20), "schedule": MEANT, "total_steps": N},
    "LR308": {"loss": LOSS, "lr": 0.1 + 0.0 * RATE, "schedule": MEANT, "total_steps": N},
    "LR401": {"loss": LOSS - 0.0003 * STEPS, "lr": RATE, "validation": _validation()},
    "LR402": {"loss": 2.303 + 0.02 * NOISE, "lr": RATE, "facts": {"classes": 10}},
}


PROBED = {"LR106": 0.205, "LR203": 0.002}  # rates at which a probe finds that


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pictures of the findings' pages."""
    for rule in RULES:
        seen, found = _found(rule.code)
        draw = partial(_curve, seen=seen, found=found, shows=rule.shows)
        add_picture(files, config, f"findings/{rule.code}", partial(_picture, draw))
    for code, lr in PROBED.items():
        tried = _tried(lr)
        said = tried.finding(0)
        if said is None or said.code != code:
            raise ValueError(f"the probe drawn for {code} found {said}")
        draw = partial(_trial, tried=tried)
        add_picture(files, config, f"findings/{code}", partial(_picture, draw))
    return files


def _found(code: str) -> tuple[Observations, Finding]:
    """The run drawn for a rule, and what it finds there."""
    known = dict(RUNS[code])
    facts = known.pop("facts", {})
    about = {name: known.pop(name, None) for name in ("total_steps", "schedule")}
    seen = Observations(run=code, step=STEPS, facts=facts, columns=known, **about)
    found = diagnose(seen).findings
    if [one.code for one in found] != [code]:
        raise ValueError(f"the run drawn for {code} has the findings {found}")
    return seen, found[0]


def _tried(lr: float) -> WhatIf:
    """A what-if probe on a noisy bowl, which is stable up to a rate of 0.2."""
    curvatures = torch.logspace(-2, 1, 8)
    place = torch.nn.Module()
    place.at = torch.nn.Parameter(torch.ones(8))
    drawn = torch.Generator().manual_seed(0)
    batches = [0.1 * torch.randn(8, generator=drawn) for _ in range(90)]
    optimizer = torch.optim.SGD(place.parameters(), lr=lr)

    def loss_of(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        return 0.5 * (curvatures * (model.at - batch).square()).sum()

    return what_if(place, optimizer, loss_of, batches)


def _picture(draw: Callable[[Axes], None]) -> Figure:
    axes = plt.figure(figsize=(7, 2.6)).add_subplot()
    draw(axes)
    return axes.figure


def _curve(axes: Axes, seen: Observations, found: Finding, shows: tuple[str, ...]) -> None:
    drawn = [name for name in shows if seen.has(name)]
    for name, colour in zip(drawn, (MEASURED, CHOSEN), strict=False):
        held = seen.column(name)
        there = ~np.isnan(held)
        axes.plot(seen.step[there], held[there], color=colour, linewidth=1.4, label=name)
    style(axes, "", x="step", y=" and ".join(drawn))
    if found.step is not None:
        axes.axvline(found.step, color=DIVERGED, linestyle=":", linewidth=1.8)
    if len(drawn) > 1:
        axes.legend(frameon=False)


def _trial(axes: Axes, tried: WhatIf) -> None:
    places = np.arange(len(tried.factors))
    kinds = (
        ("at that rate", tried.held, MEASURED),
        ("after an anneal to 0", tried.annealed, CHOSEN),
    )
    for (label, losses, colour), marker in zip(kinds, "os", strict=True):
        axes.plot(places, losses, marker=marker, color=colour, linewidth=1.4, label=label)
    axes.set_xticks(places, [f"{factor:g}x" for factor in tried.factors])
    losses = [*tried.held, *tried.annealed]
    log_axis(axes.yaxis, 0.8 * min(losses), 1.2 * max(losses))
    style(axes, "", x="the present rate, times", y="loss")
    axes.legend(frameon=False)
