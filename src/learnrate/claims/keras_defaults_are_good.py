"""The default rates of Keras."""

from __future__ import annotations

from functools import partial

from torch import optim

from learnrate.claims._defaults import Default, library_claim

_EPSILON = 1e-7  # of all optimizers of Keras

CLAIM = library_claim(
    statement="The default learning rates of Keras are good.",
    source="keras.io/api/optimizers",
    library="Keras",
    defaults=(
        Default("SGD", optim.SGD, 1e-2, quick=True),
        Default("Adam", partial(optim.Adam, eps=_EPSILON), 1e-3, quick=True),
        Default("RMSprop", partial(optim.RMSprop, alpha=0.9, eps=_EPSILON), 1e-3, quick=True),
        Default(
            "Adagrad",
            partial(optim.Adagrad, initial_accumulator_value=0.1, eps=_EPSILON),
            1e-3,
            quick=True,
        ),
        Default("Adamax", partial(optim.Adamax, eps=_EPSILON), 1e-3),
        Default("Nadam", partial(optim.NAdam, eps=_EPSILON), 1e-3),
        Default("Adadelta", partial(optim.Adadelta, rho=0.95, eps=_EPSILON), 1e-3),
    ),
    remark="""
        The optimizers are torch's with the settings of Keras, which differ in rho, the first
        accumulator and epsilon. Adadelta's rate was meant to be 1, as in its paper
        (arXiv:1212.5701).
    """,
)
