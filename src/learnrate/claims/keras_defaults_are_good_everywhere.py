"""The default rates of Keras, on every training of a benchmark."""

from __future__ import annotations

from learnrate.claims._logged import every_cell_claim

CLAIM = every_cell_claim(
    statement="Whatever you train, the default learning rates of Keras are good.",
    source="an overstatement of keras.io/api/optimizers, which gives them",
    library="Keras",
    defaults={
        "sgd": 1e-2,
        "plain": 1e-2,
        "adam": 1e-3,
        "adamw": 1e-3,
        "nadam": 1e-3,
        "rmsprop": 1e-3,
        "adagrad": 1e-3,
        "adadelta": 1e-3,
        "lion": 1e-3,
    },
    remark="""
        The trainings are short, 150 to 3,000 updates, and short runs want higher rates. The
        optimizers have torch's other settings: keras-defaults-are-good has those of Keras, on one
        data set. SGD has momentum 0.9 here, which the default does not. A case that has two seeds
        has a wide interval.
    """,
)
