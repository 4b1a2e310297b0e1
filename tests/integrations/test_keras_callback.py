"""What KerasCallback counts as a step and records as a rate; its edits, and runs it continues."""

import itertools
import os
import sys

import numpy as np
import pytest

import learnrate
from learnrate import ArgumentError
from needed import needed
from processes import finished

pytest.importorskip("torch")
keras = needed("keras")
integration = needed("learnrate.integrations.attach_keras")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
SCHEDULE = "3e-2 * warmup(25%) >> cosine(floor=0.1)"
X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def make_model(rate=0.5, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate, **options), "mse")
    return model


def fit(model, callback, epochs=3, others=(), **options):
    model.fit(
        X,
        Y,
        batch_size=8,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[callback, *others],
        **options,
    )
    return model


def at_batch(number, function):
    """A callback that calls a function after a batch of all epochs."""
    batches = itertools.count(1)

    def call(batch, logs):
        if next(batches) == number:
            function()

    return keras.callbacks.LambdaCallback(on_train_batch_end=call)


def recorded(place, callback):
    store = learnrate.Store(place)
    return store.run(callback.recorder.run), store.observations(callback.recorder.run)


def rates(total):
    return learnrate.schedule(SCHEDULE).over(total).table()


def test_a_run_of_twelve_updates_has_twelve_steps(tmp_path):
    callback = integration.KerasCallback(SCHEDULE, store=tmp_path / "a.db")
    fit(make_model(), callback)
    run, observations = recorded(tmp_path / "a.db", callback)
    assert (run.step, run.total_steps, str(run.status)) == (12, 12, "finished")
    assert observations.step.tolist() == list(range(12))
    assert np.flatnonzero(np.isfinite(observations.column("validation"))).tolist() == [3, 7, 11]


def test_a_second_fit_begins_its_schedule_anew(tmp_path):
    model = make_model()
    weights = []
    for _ in range(2):
        callback = integration.KerasCallback(SCHEDULE, store=tmp_path / "a.db")
        model.layers[0].set_weights([np.zeros((3, 1)), np.zeros(1)])
        fit(model, callback)
        weights.append(model.get_weights()[0])
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-6)
    _, observations = recorded(tmp_path / "a.db", callback)
    np.testing.assert_allclose(observations.column("lr"), rates(12))


def test_an_update_of_several_batches_is_one_step(tmp_path):
    callback = integration.KerasCallback(SCHEDULE, store=tmp_path / "a.db")
    fit(make_model(gradient_accumulation_steps=2), callback)
    run, observations = recorded(tmp_path / "a.db", callback)
    assert (run.step, run.total_steps) == (6, 6)
    np.testing.assert_allclose(observations.column("lr"), rates(6))


def test_the_rate_of_keras_s_own_schedule_is_that_of_the_update(tmp_path):
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    callback = integration.KerasCallback(None, store=tmp_path / "a.db")
    fit(make_model(rate), callback)
    _, observations = recorded(tmp_path / "a.db", callback)
    np.testing.assert_allclose(observations.column("lr"), 0.1 * 0.5 ** np.arange(12), rtol=1e-5)


def test_edits_change_the_rates_and_are_answered(tmp_path):
    callback = integration.KerasCallback(SCHEDULE, store=tmp_path / "a.db")
    at_five = at_batch(5, lambda: callback.steer("scale 0.5", author="ann"))
    at_seven = at_batch(7, lambda: callback.steer("undo", author="ann"))
    at_nine = at_batch(9, lambda: [callback.steer("snapshot"), callback.steer("stop")])
    others = [at_five, at_seven, at_nine]
    steered = fit(make_model(), callback, others=others).get_weights()[0]
    run, observations = recorded(tmp_path / "a.db", callback)
    expected = rates(12)[:9] * np.where(np.isin(np.arange(9), [5, 6]), 0.5, 1.0)
    np.testing.assert_allclose(observations.column("lr"), expected)
    assert (str(run.status), run.step) == ("stopped", 9)
    edits = learnrate.Store(tmp_path / "a.db").edits(run.id)
    assert [(edit.kind, str(edit.status)) for edit in edits] == [
        ("scale", "applied"),
        ("undo", "applied"),
        ("snapshot", "refused"),
        ("stop", "applied"),
    ]
    assert "as if 'scale 0.5 at step 5 by ann' had not been made" in edits[1].answer
    with pytest.raises(ArgumentError, match="training run"):
        callback.steer("scale 0.5")
    model = make_model()  # the oracle: the same rates, a batch at a time
    for step, rate in enumerate(expected):
        rows = slice(8 * (step % 4), 8 * (step % 4) + 8)
        model.optimizer.learning_rate = rate
        model.train_on_batch(X[rows], Y[rows])
    np.testing.assert_allclose(steered, model.get_weights()[0], rtol=1e-5)


ON_JAX = """
import sys, keras, numpy as np, learnrate
from learnrate.integrations.attach_keras import KerasCallback

x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
y = x.sum(1, keepdims=True)

def make_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5, momentum=0.9), "mse")
    return model

class Steerer(keras.callbacks.Callback):
    updates = 0
    def on_train_batch_end(self, batch, logs=None):
        self.updates += 1
        if self.updates == 5:
            callback.steer("scale 0.5")

steered = make_model()
callback = KerasCallback("3e-2 * warmup(25%) >> cosine(floor=0.1)", store=sys.argv[1])
steered.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0, callbacks=[callback, Steerer()])
rates = learnrate.Store(sys.argv[1]).observations(callback.recorder.run).column("lr")
planned = learnrate.schedule("3e-2 * warmup(25%) >> cosine(floor=0.1)").over(12).table()
np.testing.assert_allclose(rates, planned * np.where(np.arange(12) >= 5, 0.5, 1.0))
model = make_model()
for step, rate in enumerate(rates):
    rows = slice(8 * (step % 4), 8 * (step % 4) + 8)
    model.optimizer.learning_rate = float(rate)
    model.train_on_batch(x[rows], y[rows])
np.testing.assert_allclose(steered.get_weights()[0], model.get_weights()[0], rtol=1e-5)
"""


def test_a_step_that_jax_has_compiled_takes_an_edit(tmp_path):
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path)}
    shown = finished([sys.executable, "-c", ON_JAX, str(tmp_path / "a.db")], env=environment)
    assert shown.returncode == 0, shown.stderr[-3000:]


def test_rates_that_keras_sets_are_not_edited_and_the_refusal_says_so(tmp_path):
    callback = integration.KerasCallback(None, store=tmp_path / "a.db")
    fit(make_model(), callback, others=[at_batch(5, lambda: callback.steer("hold"))])
    run, _ = recorded(tmp_path / "a.db", callback)
    (edit,) = learnrate.Store(tmp_path / "a.db").edits(run.id)
    assert str(edit.status) == "refused"
    assert "Give its callback a schedule" in edit.answer


def test_a_longer_training_continues_in_its_run_if_the_change_is_meant(tmp_path):
    options = {"store": tmp_path / "a.db", "name": "b", "resume": True}
    model = fit(make_model(), first := integration.KerasCallback(SCHEDULE, **options))
    with pytest.raises(ArgumentError, match="change_schedule=True"):
        fit(model, integration.KerasCallback(SCHEDULE, **options), 5, initial_epoch=3)
    callback = integration.KerasCallback(SCHEDULE, change_schedule=True, **options)
    fit(model, callback, 5, initial_epoch=3)
    assert callback.recorder.run == first.recorder.run
    run, observations = recorded(tmp_path / "a.db", callback)
    assert (run.step, run.total_steps) == (20, 20)
    np.testing.assert_allclose(observations.column("lr"), [*rates(12), *rates(20)[12:]])
    assert len(learnrate.Store(tmp_path / "a.db").runs()) == 1
