"""The default rates of torch."""

from __future__ import annotations

from torch import optim

from learnrate.claims._defaults import Default, library_claim

CLAIM = library_claim(
    statement="The default learning rates of torch are good.",
    source="docs.pytorch.org/docs/stable/optim.html",
    library="torch",
    defaults=(
        Default("SGD", optim.SGD, 1e-3, quick=True),
        Default("Adam", optim.Adam, 1e-3, quick=True),
        Default("RMSprop", optim.RMSprop, 1e-2, quick=True),
        Default("Adagrad", optim.Adagrad, 1e-2, quick=True),
        Default("NAdam", optim.NAdam, 2e-3),
        Default("RAdam", optim.RAdam, 1e-3),
        Default("Adamax", optim.Adamax, 2e-3),
        Default("Adadelta", optim.Adadelta, 1.0),
    ),
    remark="""
        The runs are short, and short runs need higher rates. torch-defaults-are-good-everywhere
        tests other kinds of training, including longer runs.
    """,
)
