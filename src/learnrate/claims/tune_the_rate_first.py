"""Which hyper-parameter matters most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from learnrate.claims._claim import Claim, ClaimAxes
from learnrate.claims._factorial import NetworkStack, final_losses, main_effects, tuning_gains
from learnrate.claims._measurement import Case, ClaimLine, ClaimMeasurement, factor, share

if TYPE_CHECKING:
    from learnrate.claims._trials import ClaimTrials

_RATES = (1e-3, 1e-2, 0.1, 1.0)
_BATCHES = (16, 64, 256)
_WIDTHS = (16, 32, 128)
_DECAYS = (0.0, 1e-4, 1e-2)
_MOMENTA = (0.5, 0.9, 0.99)
_AXES = ("batch size", "width", "rate", "weight decay", "momentum")


def _measure(trials: ClaimTrials) -> ClaimMeasurement:
    """Shares of the variance of ln loss over the grid, for each seed."""
    sizes = (False, True) if trials.full else (False,)
    return ClaimMeasurement.joined(_measured(trials, large=large) for large in sizes)


def _measured(trials: ClaimTrials, *, large: bool) -> ClaimMeasurement:
    """The shares of one size of network."""
    stacks = [
        NetworkStack(batch, width, _RATES, _DECAYS, _MOMENTA, 4, seed, large)
        for seed in trials.seeds
        for batch in _BATCHES
        for width in _WIDTHS
    ]
    logs = np.log(np.array(trials.parallel_map(final_losses, stacks)))
    logs = logs.reshape(len(trials.seeds), len(_BATCHES), len(_WIDTHS), *logs.shape[1:])
    shares = np.array([main_effects(grid) for grid in logs])
    gains = np.exp(-np.array([tuning_gains(grid) for grid in logs]))
    rate = _AXES.index("rate")
    others = np.delete(shares, rate, axis=1).max(axis=1)
    name = "Fashion-MNIST" if large else "digits"
    columns = {
        ("lead", name): shares[:, rate] - others,
        **{("share", f"{name}, {axis}"): shares[:, index] for index, axis in enumerate(_AXES)},
        ("share", f"{name}, interactions"): 1.0 - shares.sum(axis=1),
        **{
            ("tuned alone", f"{name}, {axis}"): gains[:, index] for index, axis in enumerate(_AXES)
        },
    }
    cases = [Case(figure, where, column.tolist()) for (figure, where), column in columns.items()]
    mean = np.exp(logs.mean(axis=(0, 1, 2, 4)))
    lines = [
        ClaimLine.of(f"{name}, momentum {momentum:g}", _RATES, column)
        for momentum, column in zip(_MOMENTA, mean.T, strict=True)
    ]
    return ClaimMeasurement(cases, lines)


CLAIM = Claim(
    topic="defaults",
    statement="If you tune one hyper-parameter, tune the learning rate.",
    source="""
        Bengio, 2012, arXiv:1206.5533; Goodfellow, Bengio & Courville, Deep learning, 2016,
        section 11.4.1
    """,
    design="""
        A network with one hidden layer trains with SGD for 4 passes over the data, with a rate that
        decays linearly to 0, for every combination of four rates (1e-3 to 1), three batch sizes (16
        to 256), three widths (16 to 128), three weight decays (0 to 1e-2) and three momenta (0.5 to
        0.99). The share of a hyper-parameter is the variance between the means of ln validation
        loss at its values, divided by the total variance.
    """,
    figures=(
        share("lead", "share of the rate minus the largest other share", low=0.0),
        share("share", "share of the variance explained by itself"),
        factor(
            "tuned alone",
            "loss at its best level divided by the mean loss, other settings drawn at random",
        ),
    ),
    measure=_measure,
    seeds=(3, 6),
    axes=ClaimAxes(log="xy"),
    remark="""
        The shares depend on the ranges: a rate that is known to a factor of 2 explains little. Most
        of the variance comes from interactions, above all between rate and momentum, because the
        effective rate of SGD is lr / (1 - momentum).
    """,
)
