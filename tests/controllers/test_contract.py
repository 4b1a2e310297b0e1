"""What every controller promises."""

import dataclasses
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learnrate import ArgumentError
from learnrate.controllers import (
    Bounded,
    Controller,
    ControllerState,
    Decision,
    HyperGradient,
    LossSlope,
    Observation,
    Plateau,
    PolyakStep,
    SasaPlus,
    replay,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Scripted(Controller[ControllerState]):
    """Multiplies by given factors, an observation a factor."""

    factors: tuple[float, ...] = ()

    def start(self):
        return ControllerState()

    def decide(self, state, observation):
        index = observation.step + 1
        times = self.factors[index] if index < len(self.factors) else 1.0
        after = state.factor * times
        reason = f"times {times}" if after != state.factor else ""
        return ControllerState(factor=after), Decision(after, reason)


CONTROLLERS = {
    "plateau": Plateau(window=20, factor=0.5),
    "raising plateau": Plateau(window=20, factor=2.0, cooldown=5, warmup=7),
    "both ways": Plateau(window=20, factor=0.5, factor_on_progress=1.5),
    "sasa": SasaPlus(min_samples=40, test_every=8, factor=0.5),
    "slope": LossSlope(min_samples=40, test_every=8, factor=0.5),
    "hyper-gradient": HyperGradient(beta=0.3),
    "additive hyper-gradient": HyperGradient(beta=1e-3, rule="additive", resolution=0.0),
    "polyak": PolyakStep(),
    "bounded": Bounded(Plateau(window=20, factor=0.5), lowest=0.3),
}

every_controller = pytest.mark.parametrize(
    "controller", CONTROLLERS.values(), ids=CONTROLLERS.keys()
)


def full_run(n=400, seed=0):
    """Losses that fall, then stay, with signals that swing about 0."""
    rng = np.random.default_rng(seed)
    run = []
    for step in range(n):
        loss = 2.0 - min(step, 80) / 80 + 0.05 * rng.standard_normal()
        signals = {"inner": rng.standard_normal() + 0.01, "squared": 0.0, "lr": 0.1}
        alignment = float(rng.uniform(-0.5, 1.0))
        signals |= {"alignment": alignment, "hypergradient": -alignment, "descent": 20 * loss}
        run.append(Observation(step=step, loss=loss, signals=signals))
    return run


@every_controller
def test_the_same_inputs_give_the_same_decisions(controller, decisions):
    first, second = decisions(controller, full_run()), decisions(controller, full_run())
    assert first == second
    assert any(decision.changed for decision in first)


@every_controller
def test_a_state_is_frozen_and_deciding_leaves_it_alone(controller):
    state = controller.start()
    before = state.to_dict()
    controller.decide(state, full_run()[0])
    assert state.to_dict() == before
    with pytest.raises(dataclasses.FrozenInstanceError):
        state.factor = 2.0


@every_controller
@pytest.mark.parametrize("saved_step", [0, 1, 33, 90, 157, 250])
def test_a_state_through_json_has_the_same_future(controller, saved_step):
    run, state = full_run(), controller.start()
    for observation in run[:saved_step]:
        state, _ = controller.decide(state, observation)
    read = controller.read(json.loads(json.dumps(state.to_dict(), allow_nan=False)))
    assert read == state
    for observation in run[saved_step:]:
        state, decision = controller.decide(state, observation)
        read, again = controller.decide(read, observation)
        assert (read, again) == (state, decision)


@every_controller
def test_the_factor_changes_exactly_where_a_reason_is_given(controller, decisions):
    before = 1.0
    for decision in decisions(controller, full_run()):
        assert (decision.factor != before) == decision.changed
        before = decision.factor


@every_controller
def test_controllers_and_states_are_values(controller):
    assert pickle.loads(pickle.dumps(controller)) == controller
    assert hash(controller) == hash(pickle.loads(pickle.dumps(controller)))
    state, _ = controller.decide(controller.start(), full_run()[10])
    assert pickle.loads(pickle.dumps(state)) == state


@every_controller
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_changes_the_rate(controller, value, decisions):
    signals = {"inner": value, "squared": value, "lr": 0.1}
    run = [Observation(step=step, loss=value, signals=signals) for step in range(300)]
    assert not any(decision.changed for decision in decisions(controller, run))


@pytest.mark.parametrize("name", sorted(CONTROLLERS.keys() - {"raising plateau"}))  # it waits
def test_interspersed_nan_is_not_evidence(name, decisions):
    # Every second update is NaN: the decisions about the others are those without them.
    controller = CONTROLLERS[name]
    run = full_run()
    broken = {"inner": math.nan, "squared": 0.0, "lr": 0.1}
    doubled = []
    for observation in run:
        step = 2 * observation.step
        doubled.append(dataclasses.replace(observation, step=step))
        doubled.append(Observation(step=step + 1, loss=math.nan, signals=broken))
    plain = [decision.factor for decision in decisions(controller, run)]
    assert [decision.factor for decision in decisions(controller, doubled)][::2] == plain


@every_controller
def test_without_numbers_nothing_happens(controller, decisions):
    run = [Observation(step=step) for step in range(300)]
    assert not any(decision.changed for decision in decisions(controller, run))


@every_controller
def test_a_state_with_a_key_too_many_or_too_few_is_refused(controller):
    document = controller.start().to_dict()
    with pytest.raises(ArgumentError, match="has no key 'colour'"):
        controller.read({**document, "colour": 1})
    del document["factor"]
    with pytest.raises(ArgumentError, match="needs the key 'factor'"):
        controller.read(document)


@every_controller
@pytest.mark.parametrize("factor", [math.nan, "1", True, None])
def test_a_state_with_a_value_of_another_kind_is_refused(controller, factor):
    with pytest.raises(ArgumentError, match=r"factor must be a finite number"):
        controller.read({**controller.start().to_dict(), "factor": factor})


@every_controller
@pytest.mark.parametrize("factor", [-0.5, -1e-9])
def test_a_state_that_would_turn_the_sign_of_the_rate_is_refused(controller, factor):
    with pytest.raises(ArgumentError, match=r"factor=...\) must be a finite number of at least 0"):
        controller.read({**controller.start().to_dict(), "factor": factor})


def test_a_raise_without_end_is_stopped_with_the_way_out(observed):
    with pytest.raises(ArgumentError, match=r"within Bounded\(...\)"):
        replay(Plateau(window=10, factor=1e200), observed([1.0] * 30))


@given(
    factors=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30),
    lowest=st.floats(0.0, 1.0),
    highest=st.floats(1.0, 100.0),
)
def test_bounded_stays_bounded(factors, lowest, highest):
    controller = Bounded(Scripted(tuple(factors)), lowest=lowest, highest=highest)
    state = controller.start()
    for step in range(len(factors)):
        before = state.factor
        state, decision = controller.decide(state, Observation(step=step - 1))
        assert lowest <= decision.factor <= highest
        assert decision.factor == state.factor
        assert decision.changed or decision.factor == before


def test_after_refused_cuts_a_raise_still_raises():
    controller = Bounded(Scripted((0.1,) * 10 + (2.0,)), lowest=0.05)
    changes = replay(controller, [Observation(step=step - 1) for step in range(11)])
    assert [(change.step, change.after) for change in changes] == [(0, 0.1), (1, 0.05), (10, 0.1)]
    assert changes[1].reason.endswith("(bounded at lowest=0.05)")


def test_a_concrete_controller_is_final():
    with pytest.raises(TypeError, match="final; wrap it instead"):

        class Other(Plateau):
            pass


def test_a_controller_without_its_rules_cannot_be_made():
    class Half(Controller):
        def start(self):
            return None

    with pytest.raises(TypeError, match="abstract"):
        Half()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 1.5}, r"Bounded\(lowest=...\) must be at most 1"),
        ({"lowest": -1.0}, r"Bounded\(lowest=...\) must be a finite number of at least 0"),
        ({"highest": 0.5}, r"Bounded\(highest=...\) must be a finite number of at least 1"),
        ({"highest": math.nan}, r"got nan. It is a share of the schedule, not a rate."),
    ],
)
def test_bounds_that_exclude_the_start_are_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        Bounded(Plateau(), **options)


def test_only_a_controller_can_be_bounded():
    with pytest.raises(ArgumentError, match="must be a controller; got 3"):
        Bounded(3)


@pytest.mark.parametrize("step", [-2, 1.0, True, "3"])
def test_an_observation_needs_a_step(step):
    with pytest.raises(ArgumentError, match=r"Observation\(step=...\)"):
        Observation(step=step)


def test_an_observation_takes_whatever_becomes_a_number():
    import torch

    observation = Observation(step=0, loss=torch.tensor(0.5), signals={"lr": np.float32(0.25)})
    assert (observation.loss, dict(observation.signals)) == (0.5, {"lr": 0.25})
    assert pickle.loads(pickle.dumps(observation)) == observation
    with pytest.raises(ArgumentError, match=r"Observation\(loss=...\) must be a number"):
        Observation(step=0, loss=[1.0, 2.0])


def test_replayed_steps_must_rise(observed):
    with pytest.raises(ArgumentError, match="must have increasing steps; got 3 after 3"):
        replay(Plateau(), [*observed([1.0] * 4), Observation(step=3)])


@settings(max_examples=25, deadline=None)
@given(exponent=st.integers(-40, 40), seed=st.integers(0, 5))
@pytest.mark.parametrize("name", ["plateau", "both ways", "slope"])
def test_the_scale_of_the_loss_does_not_matter(name, exponent, seed):
    # A power of two scales without rounding, so the decisions agree to the bit.
    run = full_run(250, seed)
    scaled = [dataclasses.replace(row, loss=row.loss * 2.0**exponent) for row in run]
    expected = [(change.step, change.after) for change in replay(CONTROLLERS[name], run)]
    changes = replay(CONTROLLERS[name], scaled)
    assert [(change.step, change.after) for change in changes] == expected


@settings(max_examples=25, deadline=None)
@given(shift=st.integers(-1000, 1000), seed=st.integers(0, 5))
def test_a_constant_added_to_the_loss_does_not_matter_to_the_slope(shift, seed):
    # Losses in 1/1024 make the sum exact, so that only the test's own arithmetic rounds.
    run = [
        Observation(step=row.step, loss=round(row.loss * 1024) / 1024)
        for row in full_run(250, seed)
    ]
    shifted = [dataclasses.replace(row, loss=row.loss + shift) for row in run]
    steps = [change.step for change in replay(CONTROLLERS["slope"], run)]
    assert [change.step for change in replay(CONTROLLERS["slope"], shifted)] == steps


def test_importing_controllers_and_edits_loads_no_torch():
    import subprocess
    import sys

    code = "import sys, learnrate.controllers, learnrate.edits; print({'torch', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
