"""The default rates of torch, on every training of a benchmark."""

from __future__ import annotations

from learnrate.claims._logged import every_cell_claim

CLAIM = every_cell_claim(
    statement="Whatever you train, the default learning rates of torch are good.",
    source="an overstatement of docs.pytorch.org/docs/stable/optim.html, which gives them",
    library="torch",
    defaults={
        "sgd": 1e-3,
        "plain": 1e-3,
        "adam": 1e-3,
        "adamw": 1e-3,
        "nadam": 2e-3,
        "radam": 1e-3,
        "rmsprop": 1e-2,
        "adagrad": 1e-2,
        "adadelta": 1.0,
        "muon": 1e-3,
    },
    remark="""
        The trainings are short, 150 to 3,000 updates, and short runs want higher rates. SGD has
        momentum 0.9 here, which the default does not. A case that has two seeds has a wide
        interval.
    """,
)
