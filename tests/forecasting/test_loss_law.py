"""The loss of a schedule that was not tried: the law, what it refuses, and real trainings."""

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

import learnrate
from learnrate import ArgumentError
from learnrate.forecasting import LossCurve, fit_loss_law, loss_curve_of
from learnrate.schedules import schedule
from learnrate.watch import Observations
from needed import needed

datasets = needed("sklearn.datasets")
LENGTH = 2000
COSINE = "0.1 * warmup(50) >> cosine()"
CONSTANT = "0.1 * warmup(50) >> constant()"
OTHERS = [
    "0.1 * warmup(50) >> linear()",
    "0.1 * warmup(50) >> constant() >> linear(20%)",
    "0.1 * warmup(50) >> cosine(floor=0.3)",
]


def loss_by_the_law(lr, step):
    """The law, summed step by step: an oracle for what is read at a few knots."""
    rates = lr / 0.1
    sums = np.concatenate([[0.0], np.cumsum(rates**0.8)]) / len(lr)
    losses = []
    for now in step:
        loss = 0.3 + 0.2 * sums[now] ** -0.5
        for k in range(1, now + 1):
            after = rates[min(k, len(lr) - 1)]
            change = rates[k - 1] - after
            if change:
                since = sums[now] - sums[k]
                loss -= 0.5 * change * (1 - (1 + 30 * max(after, 1e-6) ** -0.4 * since) ** -0.5)
        losses.append(loss)
    return np.array(losses)


def curve_under(text, *, length=LENGTH, noise=0.0, name="run"):
    lr = schedule(text).over(length).table()
    step = np.linspace(60, length, 80).astype(int)
    errors = noise * np.random.default_rng(0).standard_normal(len(step))
    return LossCurve(name=name, lr=lr, step=step, loss=loss_by_the_law(lr, step) + errors)


@functools.cache
def law_of(*texts, noise=0.0):
    """The law fitted to curves, once for all tests."""
    return fit_loss_law([curve_under(text, noise=noise) for text in texts])


@pytest.mark.parametrize("text", OTHERS)
def test_runs_that_obey_the_law_predict_others_within_the_interval(text):
    law = law_of(COSINE, CONSTANT, noise=0.002)
    predicted = law.predict(text, LENGTH)
    expected = loss_by_the_law(schedule(text).over(LENGTH).table(), [LENGTH])[-1]
    fall = law.fall
    assert abs(predicted.loss[-1] - expected) < 0.03 * fall
    assert predicted.low[-1] <= expected <= predicted.high[-1]
    assert predicted.step[-1] == LENGTH


@settings(max_examples=3)
@given(factor=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_scale_and_offset_of_the_loss_make_no_difference(factor, shift):
    curve = curve_under(COSINE)
    moved = LossCurve(name="run", lr=curve.lr, step=curve.step, loss=factor * curve.loss + shift)
    before = law_of(COSINE).predict(OTHERS[0], LENGTH)
    after = fit_loss_law([moved]).predict(OTHERS[0], LENGTH)
    for end in ("loss", "low", "high"):
        expected = factor * getattr(before, end) + shift
        np.testing.assert_allclose(getattr(after, end), expected, atol=1e-3 * factor)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "at least one curve"),
        ([CONSTANT], "the effect of a decay is not known"),
        ([COSINE, "0.3 * linear()"], "within a factor of 2; got 0.1 to 0.3"),
    ],
)
def test_runs_that_cannot_tell_are_refused(texts, message):
    with pytest.raises(ArgumentError, match=message):
        fit_loss_law([curve_under(text) for text in texts])


def test_a_run_that_diverged_is_refused():
    curve = curve_under(COSINE)
    loss = np.where(curve.step > 1500, 50.0, curve.loss)
    with pytest.raises(ArgumentError, match="the loss of run rises above its start, to 50"):
        fit_loss_law([LossCurve(name="run", lr=curve.lr, step=curve.step, loss=loss)])


def test_losses_that_are_noise_are_refused():
    step = np.arange(100, LENGTH, 10)
    loss = np.random.default_rng(0).standard_normal(len(step))
    with pytest.raises(ArgumentError, match="do not fall beyond their noise"):
        fit_loss_law([LossCurve(name="a", lr=np.linspace(1, 0, LENGTH), step=step, loss=loss)])


@pytest.mark.parametrize(
    ("text", "total_steps", "message"),
    [
        ("0.5 * linear()", LENGTH, "peak must lie between 0.05 and 0.2"),
        ("0.1 * linear()", 5 * LENGTH, "at most 4 times the 2,000 updates"),
        ("0.1 * linear()", None, "has no fixed length"),
        ("-0.1 * linear()", LENGTH, "at least 0"),
    ],
)
def test_schedules_beyond_the_runs_are_refused(text, total_steps, message):
    law = law_of(COSINE)
    with pytest.raises(ArgumentError, match=message):
        law.predict(text, total_steps)


@pytest.mark.parametrize(
    ("lr", "loss", "message"),
    [
        (np.full(LENGTH, np.nan), np.ones(100), "must be finite numbers of at least 0"),
        (np.zeros(LENGTH), np.ones(100), "are all 0"),
        (np.ones(LENGTH), np.full(100, np.inf), "at least 20 finite losses after step 400"),
    ],
)
def test_curves_that_say_nothing_are_refused(lr, loss, message):
    with pytest.raises(ArgumentError, match=message):
        LossCurve(name="a", lr=lr, step=np.linspace(0, LENGTH, 100), loss=loss)


def test_a_recorded_run_gives_its_validation_loss_or_else_that_of_its_batches():
    step, lr = np.arange(0, 400), np.linspace(0.1, 0.0, 400)
    loss, validation = 1 + lr, np.where(step % 10 == 9, 2 + lr, np.nan)
    columns = {"lr": lr, "loss": loss}
    plain = loss_curve_of(Observations(run="a", step=step, columns=columns))
    np.testing.assert_allclose(plain.loss, 1 + lr[plain.step.astype(int)])
    validated = loss_curve_of(
        Observations(run="a", step=step, columns={**columns, "validation": validation})
    )
    np.testing.assert_allclose(validated.loss, 2 + lr[validated.step.astype(int) - 1])
    with pytest.raises(ArgumentError, match="the run a has no recorded lr"):
        loss_curve_of(Observations(run="a", step=step, columns={"loss": loss}))


def trained(text, store):
    """A real training on images of digits, with the loss of held-out images every ten updates."""
    torch.manual_seed(0)
    digits = datasets.load_digits()
    images = torch.tensor(digits.data / 16, dtype=torch.float32)
    classes = torch.tensor(digits.target)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = learnrate.attach(optimizer, text, total_steps=600, store=store, name=text)
    for step in range(600):
        batch = torch.randint(1400, (32,))
        loss = cross_entropy(model(images[batch]), classes[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.step(loss)
        if step % 10 == 9:
            with torch.no_grad():
                run.validation(float(cross_entropy(model(images[1400:]), classes[1400:])))
    run.finish()
    return run.id


def test_a_real_training_ends_within_the_interval(tmp_path):
    store = learnrate.Store(tmp_path / "runs.db")
    texts = ["0.1 * cosine()", "0.1 * constant() >> linear(30%)", "0.1 * linear()"]
    *tried, new = [store.observations(trained(text, store)) for text in texts]
    predicted = fit_loss_law([loss_curve_of(run) for run in tried]).predict(texts[-1], 600)
    measured = new.column("validation")[-1]
    assert predicted.low[-1] <= measured <= predicted.high[-1]
    assert predicted.high[-1] - predicted.low[-1] < 0.6 * measured


def test_a_curve_that_is_in_no_list_is_refused():
    curve = LossCurve(
        name="a",
        lr=np.linspace(0.1, 0.0, 100),
        step=np.arange(1, 101),
        loss=1.0 / np.arange(1, 101),
    )
    for curves in (curve, ["last"]):
        with pytest.raises(ArgumentError, match="must be a list of LossCurve"):
            fit_loss_law(curves)
