"""Schedules in Keras, and Keras's own schedules as schedules of learnrate."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate import ArgumentError, ScheduleError
from learnrate.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    FromFunction,
    InverseTime,
    Piecewise,
    Polynomial,
    Skip,
    Warmup,
    noam,
)
from needed import needed
from schedule_strategies import FLOORS, SHARES, STEPS

pytest.importorskip("torch")
keras = needed("keras")
integration = needed("learnrate.integrations.keras")

PEAK = 0.3
RUN = 3e-2 * Warmup(5).then(Cosine(15, floor=0.1))
few = settings(max_examples=15)


def number(tensor):
    return float(tensor)  # of the torch backend, which the tests set


# Schedules of learnrate in Keras.

TRAINING = """
import sys, keras, numpy as np
from learnrate.integrations.keras import to_keras
from learnrate.schedules import schedule

path, accumulate = sys.argv[1], int(sys.argv[2])
run = schedule("3e-2 * warmup(5) >> cosine(15, floor=0.1)")

class Rates(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))

def fit(model, batches):
    x, y = np.ones((batches, 3), "float32"), np.ones((batches, 1), "float32")
    model.fit(x, y, batch_size=1, verbose=0, shuffle=False, callbacks=[Rates()])

rates = []
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
rate = to_keras(run, accumulate=accumulate)
steps = None if accumulate == 1 else accumulate
model.compile(keras.optimizers.Adam(rate, gradient_accumulation_steps=steps), loss="mse")
fit(model, 12)
model.save(path)
model = keras.models.load_model(path)
fit(model, 12)
expected = [run(batch // accumulate) for batch in range(24)]
np.testing.assert_allclose(rates, expected, rtol=1e-6)
assert model.optimizer._learning_rate.schedule == run, model.optimizer._learning_rate
print(keras.backend.backend(), len(rates))
"""


@pytest.mark.filterwarnings("ignore")  # of Keras, about torch
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_model_of_keras_trains_at_the_rates_of_a_schedule_also_after_it_was_saved(
    accumulate, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path / "model.keras"), str(accumulate)])
    exec(TRAINING, {"__name__": "training"})
    assert capsys.readouterr().out.split() == ["torch", "24"]


def test_a_model_of_keras_on_jax_trains_at_the_rates_of_a_schedule_also_after_it_was_saved(
    tmp_path,
):
    pytest.importorskip("jax")
    shown = subprocess.run(
        [sys.executable, "-c", TRAINING, str(tmp_path / "model.keras"), "1"],
        env={**os.environ, "KERAS_BACKEND": "jax", "KERAS_HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr[-3000:]
    assert shown.stdout.split() == ["jax", "24"]


def test_a_keras_schedule_has_the_rates_of_its_schedule_and_keeps_the_last():
    schedule = integration.to_keras(RUN)
    steps = [*range(25), 10**6]
    rates = [number(schedule(keras.ops.array(step))) for step in steps]
    assert rates == pytest.approx([RUN(step) for step in steps], rel=1e-6)


def test_keras_brings_it_back_from_its_text():
    written = keras.saving.serialize_keras_object(integration.to_keras(RUN, accumulate=2))
    again = keras.saving.deserialize_keras_object(written)
    assert isinstance(again, integration.KerasSchedule)
    assert again.get_config() == {"schedule": str(RUN), "accumulate": 2}
    assert again.schedule == RUN


def test_a_function_cannot_be_saved_and_says_so():
    with pytest.raises(ScheduleError, match="no text form"):
        integration.to_keras(FromFunction(lambda s: 1 / (1 + s), 10)).get_config()


def test_one_without_an_end_asks_for_one():
    with pytest.raises(ArgumentError, match="Give total_steps="):
        integration.to_keras(noam(10))
    assert integration.to_keras(noam(10), total_steps=100).schedule.total_steps == 100


@pytest.mark.parametrize("accumulate", [0, 1.5, True])
def test_accumulation_must_be_a_number_of_micro_batches(accumulate):
    with pytest.raises(ArgumentError, match="at least 1; got"):
        integration.to_keras(RUN, accumulate=accumulate)


# Schedules of Keras as schedules of learnrate: at every step, and far past the end.


def rates(keras_schedule, steps):
    """Theirs in double precision."""
    keras.config.set_floatx("float64")
    try:
        return [number(keras_schedule(keras.ops.convert_to_tensor(step))) for step in steps]
    finally:
        keras.config.set_floatx("float32")


def same(keras_schedule, schedule, last):
    steps = [*range(last + 3), 10 * last, 10**6]
    assert rates(keras_schedule, steps) == pytest.approx(
        [schedule(s) for s in steps], rel=1e-12, abs=1e-17
    )


schedules = needed("keras.optimizers.schedules")


@few
@given(steps=STEPS, floor=FLOORS)
def test_cosine_is_that_of_keras_and_floor_is_its_alpha(steps, floor):
    same(schedules.CosineDecay(PEAK, steps, alpha=floor), PEAK * Cosine(steps, floor), steps)


@few
@given(warmup=STEPS, rest=STEPS, start=FLOORS, floor=FLOORS)
def test_warmup_and_cosine_is_that_of_keras_whose_decay_steps_exclude_the_warmup(
    warmup, rest, start, floor
):
    keras_schedule = schedules.CosineDecay(
        PEAK * start, rest, alpha=floor, warmup_target=PEAK, warmup_steps=warmup
    )
    same(keras_schedule, PEAK * Warmup(warmup, start).then(Cosine(rest, floor)), warmup + rest)


@few
@given(every=STEPS, factor=SHARES, staircase=st.booleans())
def test_exponential_is_that_of_keras(every, factor, staircase):
    keras_schedule = schedules.ExponentialDecay(PEAK, every, factor, staircase=staircase)
    schedule = PEAK * Exponential(factor=factor, every=every, staircase=staircase)
    same(keras_schedule, schedule, 4 * every)


@few
@given(every=STEPS, rate=st.floats(0, 5), staircase=st.booleans())
def test_inverse_time_is_that_of_keras(every, rate, staircase):
    keras_schedule = schedules.InverseTimeDecay(PEAK, every, rate, staircase=staircase)
    same(
        keras_schedule, PEAK * InverseTime(rate=rate, every=every, staircase=staircase), 4 * every
    )


@few
@given(steps=STEPS, floor=FLOORS, power=st.sampled_from([0.5, 1.0, 2.0, 3.7]))
def test_polynomial_is_that_of_keras(steps, floor, power):
    keras_schedule = schedules.PolynomialDecay(PEAK, steps, PEAK * floor, power)
    same(keras_schedule, PEAK * Polynomial(steps, power, floor), steps)


@few
@given(steps=st.integers(2, 30), power=st.sampled_from([0.5, 1.0, 2.0]))
def test_a_cycling_polynomial_of_keras_is_a_chain_of_ever_longer_polynomials(steps, power):
    keras_schedule = schedules.PolynomialDecay(PEAK, steps, 0.03, power, cycle=True)
    falls = [Polynomial(i * steps, power, 0.1) for i in (1, 2, 3)]
    schedule = PEAK * falls[0].head(steps + 1).then(
        Skip(falls[1], steps + 1).head(steps), Skip(falls[2], 2 * steps + 1)
    )
    steps = range(3 * steps + 1)
    assert rates(keras_schedule, steps) == pytest.approx(
        [schedule(step) for step in steps], rel=1e-12
    )


@few
@given(
    every=st.integers(3, 40),
    growth=st.sampled_from([1.0, 2.0, 1.5]),
    decay=st.sampled_from([1.0, 0.5, 0.9]),
    floor=FLOORS,
)
def test_cosine_restarts_are_those_of_keras(every, growth, decay, floor):
    keras_schedule = schedules.CosineDecayRestarts(PEAK, every, growth, decay, floor)
    schedule = PEAK * CosineRestarts(every=every, growth=growth, decay=decay, floor=floor)
    # Keras takes the cycle from a logarithm, which may miss a boundary by its last bit.
    steps = [step for step in range(8 * every) if not at_a_restart(step, every, growth)]
    expected = [schedule(step) for step in steps]
    assert rates(keras_schedule, steps) == pytest.approx(expected, rel=1e-11, abs=1e-16)


def at_a_restart(step, every, growth):
    boundary, length = 0.0, float(every)
    while boundary < step:
        boundary, length = boundary + length, length * growth
    return abs(boundary - step) < 1e-9 and step > 0 and growth != 1.0


@few
@given(
    boundaries=st.lists(STEPS, min_size=1, max_size=3, unique=True).map(sorted),
    values=st.lists(SHARES, min_size=4, max_size=4),
)
def test_pieces_of_keras_are_a_piecewise_schedule_with_inclusive_boundaries(boundaries, values):
    values = values[: len(boundaries) + 1]
    keras_schedule = schedules.PiecewiseConstantDecay(
        boundaries, [PEAK * value for value in values]
    )
    schedule = PEAK * Piecewise(boundaries=tuple(boundaries), values=tuple(values), inclusive=True)
    same(keras_schedule, schedule, boundaries[-1])
    assert number(keras_schedule(boundaries[0])) == pytest.approx(PEAK * values[0], rel=1e-6)
    exclusive = PEAK * Piecewise(boundaries=tuple(boundaries), values=tuple(values))
    assert exclusive(boundaries[0]) == PEAK * values[1]


def test_a_constant_table_is_one_number():
    schedule = integration.to_keras(0.1 * Constant(3))
    assert np.float32(0.1) == number(schedule(99))
