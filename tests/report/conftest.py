import dataclasses

import numpy as np
import pytest

from learnrate.planning import Plan, PlanVerdict, Rung, RungTrial
from learnrate.range_test import RangeTest
from learnrate.schedules import schedule


def make_rung(steps, best):
    rates = [best / 4, best, best * 4, best * 16]
    losses = [0.6, 0.4, 0.7, None]
    trials = tuple(
        RungTrial(
            lr=lr,
            seed=7,
            loss=loss,
            status="diverged" if loss is None else "finished",
            updates=5 if loss is None else steps,
        )
        for lr, loss in zip(rates, losses, strict=True)
    )
    drawn = np.geomspace(rates[0] / 2, rates[-1] * 2, 41)
    fit = 0.4 * np.exp(0.2 * np.log(drawn / best) ** 2)
    return Rung(
        steps=steps,
        best=best,
        low=best / 1.5,
        high=best * 1.5,
        bracketed=True,
        trials=trials,
        fit_lr=tuple(drawn.tolist()),
        fit_loss=tuple(fit.tolist()),
    )


def make_range_test(losses=None, mode="exponential"):
    space = np.linspace if mode == "linear" else np.geomspace
    lr = space(1e-6, 10.0, 80)
    if losses is None:
        fall = 2.0 - 1.5 / (1 + np.exp(-3 * np.log(lr / 0.02)))
        noise = 0.01 * np.random.default_rng(0).normal(size=(3, 80))
        losses = fall + np.where(lr > 1.0, lr, 0.0) + noise
        losses[:, 75:] = np.nan
    return RangeTest(lr=lr, loss=np.array(losses), mode=mode, seed=0, memory=0.9)


@pytest.fixture(scope="session")
def range_test():
    return make_range_test()


@pytest.fixture
def flat_test():
    noise = 0.01 * np.random.default_rng(0).normal(size=(2, 80))
    return make_range_test(2.3 + noise)


@pytest.fixture(scope="session")
def plan(range_test):
    return Plan(
        peak=0.0123,
        low=0.0071,
        high=0.031,
        schedule=schedule("0.0123 * warmup(50) >> linear(950)"),
        total_steps=1000,
        cost=0.5,
        budget=0.6,
        verdict=PlanVerdict.OK,
        reason="The best rate was 0.04 at 20 updates and 0.03 at 80.",
        rungs=(make_rung(20, 0.04), make_rung(80, 0.03)),
        drift=-0.21,
        expected_regret=0.08,
        range_test=range_test.to_dict(),
        task="a tiny task",
        seed=3,
        version="9.9.9",
    )


@pytest.fixture
def hostile_plan(plan):
    return dataclasses.replace(
        plan,
        task="<script>alert(1)</script>",
        reason="</script><img src=x onerror=alert(2)> & \u2028 \U0001f600",
        verdict=PlanVerdict.WEAK,
    )
