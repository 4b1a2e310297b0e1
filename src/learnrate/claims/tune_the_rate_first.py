"""Which hyper-parameter matters most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Case, Claim, Figure, Line, Measured
from learnrate.claims._factorial import Cell, main_effects, trained, tuned_alone

if TYPE_CHECKING:
    from learnrate.claims._bench import Bench

_RATES = (1e-3, 1e-2, 0.1, 1.0)
_BATCHES = (16, 64, 256)
_WIDTHS = (16, 32, 128)
_DECAYS = (0.0, 1e-4, 1e-2)
_MOMENTA = (0.5, 0.9, 0.99)
_AXES = ("batch size", "width", "rate", "weight decay", "momentum")


def _measure(bench: Bench) -> Measured:
    """Shares of the variance of ln loss over the grid, for each seed."""
    cases, lines = [], []
    for large in (False, True) if bench.full else (False,):
        cells = [
            Cell(batch, width, _RATES, _DECAYS, _MOMENTA, 4, seed, large)
            for seed in bench.seeds
            for batch in _BATCHES
            for width in _WIDTHS
        ]
        logs = np.log(np.array(bench.each(trained, cells)))
        logs = logs.reshape(len(bench.seeds), len(_BATCHES), len(_WIDTHS), *logs.shape[1:])
        shares = np.array([main_effects(one) for one in logs])
        rate = _AXES.index("rate")
        others = np.delete(shares, rate, axis=1).max(axis=1)
        name = "Fashion-MNIST" if large else "digits"
        cases.append(Case("lead", name, (shares[:, rate] - others).tolist()))
        cases += [
            Case("share", f"{name}, {axis}", column.tolist())
            for axis, column in zip(_AXES, shares.T, strict=True)
        ]
        cases.append(Case("share", f"{name}, interactions", (1.0 - shares.sum(axis=1)).tolist()))
        gains = np.exp(-np.array([tuned_alone(one) for one in logs]))
        cases += [
            Case("tuned alone", f"{name}, {axis}", column.tolist())
            for axis, column in zip(_AXES, gains.T, strict=True)
        ]
        mean = np.exp(logs.mean(axis=(0, 1, 2, 4)))
        lines += [
            Line(f"{name}, momentum {momentum:g}", _RATES, column.tolist())
            for momentum, column in zip(_MOMENTA, mean.T, strict=True)
        ]
    return Measured(cases, lines)


CLAIM = Claim(
    name="tune-the-rate-first",
    topic="defaults",
    statement="If you tune one hyper-parameter, tune the learning rate.",
    source=(
        "Bengio, 2012, arXiv:1206.5533; Goodfellow, Bengio & Courville, Deep learning, 2016, "
        "section 11.4.1"
    ),
    design=(
        "Every combination of four rates (1e-3 to 1), three batch sizes (16 to 256), three "
        "widths (16 to 128), three weight decays (0 to 1e-2) and three momenta (0.5 to 0.99) "
        "trains a hidden layer with SGD for 4 passes over the data, the rate linear to 0. A "
        "hyper-parameter's share is the variance of ln validation loss between the means at its "
        "levels, of the variance over all."
    ),
    figures=(
        Figure(
            name="lead",
            says="share of the rate less the largest other share",
            low=0.0,
            unit="%",
        ),
        Figure(name="share", says="share of the variance explained by itself", unit="%"),
        Figure(
            name="tuned alone",
            says="loss with the best level of it over the mean loss, the others drawn at random",
            unit="x",
        ),
    ),
    measure=_measure,
    seeds=3,
    full_seeds=6,
    log="xy",
    remark=(
        "The shares are those of the ranges: a rate known to a factor of 2 explains little. "
        "Most of the variance is interaction, of rate and momentum above all: what SGD feels is "
        "lr / (1 - momentum)."
    ),
)
