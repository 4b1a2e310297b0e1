"""The table of rules: against the literature, and against trainings that it must not change."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from learnrate.transfer import WIDTH_RULES, Family, Multipliers, Role, multipliers

FACTORS = st.floats(0.1, 10.0)

# Yang et al. 2022, table 8: rate by optimizer, in the fan-in and fan-out of a layer.
RATES_OF_TABLE_8 = {
    ("sgd", "input"): lambda _, fan_out: fan_out,
    ("sgd", "hidden"): lambda fan_in, fan_out: fan_out / fan_in,
    ("sgd", "readout"): lambda fan_in, _: fan_in,
    ("adam", "input"): lambda *_: 1.0,
    ("adam", "hidden"): lambda fan_in, _: 1 / fan_in,
    ("adam", "readout"): lambda *_: 1.0,
}


@pytest.mark.parametrize(("family", "role"), RATES_OF_TABLE_8)
def test_the_rates_are_those_of_table_8(family, role):
    factors = multipliers(Family(family), Role(role), fan_in=4.0, fan_out=8.0)
    assert factors.lr == pytest.approx(RATES_OF_TABLE_8[family, role](4.0, 8.0))
    assert factors.forward == pytest.approx(0.25 if role == "readout" else 1.0)
    assert factors.init == pytest.approx(0.5 if role == "hidden" else 1.0)


def test_a_readout_without_a_factor_has_the_rates_of_table_3():
    for family, lr in ((Family.SGD, 0.25), (Family.ADAM, 0.25)):
        plain = multipliers(family, Role.READOUT, fan_in=4.0).absorbed(family)
        assert plain == Multipliers(
            lr=lr, weight_decay=1 / lr, eps=pytest.approx(1.0), init=0.25, forward=1.0
        )


@given(role=st.sampled_from(Role), family=st.sampled_from(Family), growth=FACTORS)
def test_rate_times_decay_stays_the_same(role, family, growth):
    factors = multipliers(family, role, fan_in=growth, fan_out=growth)
    assert factors.lr * factors.weight_decay == pytest.approx(1.0)
    plain = factors.absorbed(family)
    assert plain.lr * plain.weight_decay == pytest.approx(1.0)


@given(role=st.sampled_from(Role), family=st.sampled_from(Family))
def test_nothing_changes_at_the_base_width(role, family):
    assert multipliers(family, role) == Multipliers()


def test_every_role_has_a_rule_for_every_family():
    assert set(WIDTH_RULES) == set(itertools.product(Family, Role))


def test_the_rules_of_depth_are_those_of_completep():
    inside = multipliers(Family.ADAM, Role.HIDDEN, fan_in=4.0, fan_out=4.0, depth=8.0)
    assert (inside.lr, inside.eps) == pytest.approx((1 / 4, 1 / 32))
    writes = multipliers(Family.ADAM, Role.HIDDEN, depth=8.0, writes_residual=True)
    assert writes.forward == pytest.approx(1 / 8)
    assert multipliers(Family.SGD, Role.HIDDEN, depth=8.0).lr == pytest.approx(8.0)


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}, False),
    "adam": (torch.optim.Adam, {"weight_decay": 0.1, "eps": 1e-3}, True),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1, "eps": 1e-3}, False),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_absorbing_a_factor_does_not_change_the_training(name):
    """Lemma J.1: a factor of the forward pass, an initial scale and a rate can be exchanged."""
    kind, settings, coupled = OPTIMIZERS[name]
    family = Family.SGD if name == "sgd" else Family.ADAM
    factored = Multipliers(forward=0.25)
    plain = factored.absorbed(family, coupled=coupled)
    outputs = [_trained(kind, settings, factors) for factors in (factored, plain)]
    torch.testing.assert_close(*outputs, rtol=1e-9, atol=0.0)


def _trained(kind, settings, factors):
    """The output of a weight after a few updates."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((8, 5), generator=generator, dtype=torch.float64)
    weight = torch.randn((5, 3), generator=generator, dtype=torch.float64) * factors.init
    weight.requires_grad_()
    scaled = {
        key: value * getattr(factors, key, 1.0) if key in ("weight_decay", "eps") else value
        for key, value in settings.items()
    }
    optimizer = kind([weight], lr=0.05 * factors.lr, **scaled)
    for _ in range(4):
        optimizer.zero_grad()
        (factors.forward * x @ weight - 1).pow(2).mean().backward()
        optimizer.step()
    return factors.forward * x @ weight.detach()
