"""A Keras model on any of its backends: a range test, then fit() with a callback.

    pip install 'learnrate[examples,keras]'
    python keras_model.py                  # scikit-learn's digits; half a minute on one core
    KERAS_BACKEND=jax python keras_model.py   # with jax installed

The range test (`learnrate.find`) needs only a function that makes one update at a given rate. The
results are written to --out: find.json, and runs.db with the runs.
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import learnrate
from learnrate.integrations.attach_keras import KerasCallback
from learnrate.watch import diagnose

BATCH = 32
DEFAULT_RATE = 1e-3  # the default of keras.optimizers.Adam


def main() -> None:
    """Find a rate, train at it and at the default, print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--epochs", type=int, default=10, help="epochs of training, 42 updates each"
    )
    parser.add_argument("--iters", type=int, default=100, help="rates in the range test")
    parser.add_argument("--out", type=Path, default=Path("build/keras_model"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    store = arguments.out / "runs.db"
    x, y = load_digits(return_X_y=True)
    images = x.reshape(-1, 8, 8, 1).astype("float32") / 16
    x_train, x_test, y_train, y_test = train_test_split(images, y, train_size=1344, random_state=0)

    model = make_model()
    range_test = learnrate.find(
        step=update_of(model, x_train, y_train),
        state=[ModelState(model)],
        low=1e-6,
        iters=arguments.iters,
    )
    (arguments.out / "find.json").write_text(json.dumps(range_test.to_dict()), encoding="utf-8")
    print(f"{range_test}\n")
    if range_test.suggestion is None:
        raise SystemExit(1)  # the printed text says why

    for name, peak in (("found", range_test.suggestion), ("default", DEFAULT_RATE)):
        model = make_model()
        before, _ = model.evaluate(x_test, y_test, verbose=0)
        callback = KerasCallback(f"{peak} * warmup(5%) >> linear()", name=name, store=store)
        model.fit(
            x_train,
            y_train,
            batch_size=BATCH,
            epochs=arguments.epochs,
            validation_data=(x_test, y_test),
            callbacks=[callback],
            verbose=0,
        )
        after, right = model.evaluate(x_test, y_test, verbose=0)
        print(f"{name} peak {peak:.2g}: test loss {before:.3f} -> {after:.3f}, {right:.1%} right")
        if callback.recorder is not None:
            observations = learnrate.Store(store).observations(callback.recorder.run)
            for finding in diagnose(observations).findings:
                print(f"  {finding.code}: {finding.message} {finding.remedy}")

    print(f"\nrange test  {arguments.out / 'find.json'}")
    print(f"dashboard   learnrate dashboard --store {store} --plans {arguments.out}")


def make_model() -> Any:
    """A small convolutional network, compiled; the same initial weights each time."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(DEFAULT_RATE), loss, metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def update_of(model: Any, x: np.ndarray, y: np.ndarray) -> Callable[[float], float]:
    """A function that makes one update at a rate and returns the loss before it."""

    def update(lr: float) -> float:
        rows = np.random.randint(len(x), size=BATCH)  # noqa: NPY002 - find() seeds this generator
        model.optimizer.learning_rate = lr
        model.reset_metrics()  # or Keras returns the mean since the last reset
        return float(model.train_on_batch(x[rows], y[rows])[0])

    return update


class ModelState:
    """The state that the range test restores after each run: weights and optimizer state."""

    def __init__(self, model: Any) -> None:
        self.variables = [*model.variables, *model.optimizer.variables]

    def state_dict(self) -> dict[str, Any]:
        """Copies of all variables."""
        arrays = [keras.ops.convert_to_numpy(variable).copy() for variable in self.variables]
        return {str(index): array for index, array in enumerate(arrays)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore all variables."""
        for variable, value in zip(self.variables, state.values(), strict=True):
            variable.assign(value)


if __name__ == "__main__":
    main()
