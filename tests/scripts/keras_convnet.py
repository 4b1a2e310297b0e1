"""Keras: a convolutional network under `fit`, restored by BackupAndRestore."""

import os

import numpy as np
from sklearn.datasets import load_digits

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras

from learnrate.integrations.attach_keras import KerasCallback

EPOCH = 3  # batches


class LossLog(keras.callbacks.Callback):
    """Logs the loss of every batch, from the running mean that Keras shows."""

    def __init__(self, session, attached):
        super().__init__()
        self.session, self.attached, self.step = session, attached, None

    def on_epoch_begin(self, epoch, logs=None):
        self.step = EPOCH * epoch

    def on_train_batch_end(self, batch, logs=None):
        self.session.log(self.step, logs["loss"])
        self.step += 1
        for callback in self.attached:
            flush = callback.recorder.flush
            self.session.after_update(self.step, callback.steer, flush)


def train(session):
    keras.utils.set_random_seed(0)
    digits = load_digits()
    images = np.asarray(digits.images[:48, ..., None], "float32") / 16
    model = keras.Sequential(
        [
            keras.layers.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 100)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    options = {"resume": session.mode in {"resumed", "longer"}}
    if session.mode in {"killed", "resumed"}:  # the same rates as a schedule, which can be steered
        options["schedule"] = f"1e-2 * cut(cosine(100), steps={session.updates})"
    attached = session.callbacks(KerasCallback, **options)
    restore = keras.callbacks.BackupAndRestore(session.checkpoints, delete_checkpoint=False)
    model.fit(
        images,
        digits.target[:48],
        batch_size=16,
        epochs=session.updates // EPOCH,
        shuffle=False,
        verbose=0,
        callbacks=[*attached, LossLog(session, attached), restore],
    )
