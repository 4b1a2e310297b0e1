"""Updates that are not `step()` of the attached optimizer are noticed, and usual loops are not."""

import warnings

import pytest
import torch

import learnrate
from learnrate import Store

X = torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
SCHEDULE = "0.1 * linear(20)"


class TwoSteps(torch.optim.Optimizer):
    """Sharpness-aware minimization as it is usually written, around a base optimizer."""

    def __init__(self, parameters, base, rho=0.05, *, shares_groups=True, **options):
        super().__init__(parameters, {"rho": rho, **options})
        self.base_optimizer = base(self.param_groups, **options)
        if shares_groups:
            self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight]["shift"] = group["rho"] * weight.grad.sign()
                weight.add_(self.state[weight]["shift"])
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(self.state[weight]["shift"])
        self.base_optimizer.step()
        self.zero_grad()

    def step(self, closure=None):
        closure = torch.enable_grad()(closure)
        self.first_step()
        closure()
        self.second_step()


def make_model():
    torch.manual_seed(0)
    return torch.nn.Linear(5, 1)


def backward(model):
    loss = (model(X) - X.sum(1, keepdim=True)).square().mean()
    loss.backward()
    return loss


def trained(update, optimizer, schedule=SCHEDULE, steps=12, store=False, **options):
    """The run after some updates, with the messages of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with learnrate.attach(optimizer, schedule, store=store, **options) as run:
            for step in range(steps):
                run.step(update(step))
    return run, [str(warning.message) for warning in caught]


def updates_in_two_steps(model, optimizer, with_closure):
    def update(_):
        optimizer.zero_grad()
        loss = backward(model)
        if with_closure:
            optimizer.step(lambda: backward(model))
        else:
            optimizer.first_step()
            backward(model)
            optimizer.second_step()
        return loss

    return update


@pytest.mark.parametrize("with_closure", [False, True])
@pytest.mark.parametrize("schedule", [SCHEDULE, None])
def test_a_wrapper_that_shares_its_groups_is_run_at_the_rates_of_its_base(
    with_closure, schedule, tmp_path
):
    model, place = make_model(), tmp_path / "runs.db"
    optimizer = TwoSteps(model.parameters(), torch.optim.SGD, lr=0.1)
    update = updates_in_two_steps(model, optimizer, with_closure)
    run, messages = trained(update, optimizer, schedule, store=place)
    expected = [0.1] * 12 if schedule is None else learnrate.schedule(schedule).table()[:12]
    assert Store(place).points(run.id).columns["lr"].tolist() == list(expected)
    assert run.next_step == 12
    assert messages == []


def own_rule(model, optimizer):
    """An update that neither calls `step()` nor raises the version of the weights."""

    def update(_):
        optimizer.zero_grad()
        loss = backward(model)
        for weight in model.parameters():
            weight.data -= optimizer.param_groups[0]["lr"] * weight.grad
        return loss

    return update


def replaced_optimizer(model, optimizer):
    """The optimizer is made anew after three updates, as when layers are unfrozen."""
    optimizers = [optimizer]

    def update(step):
        if step == 3:
            optimizers.append(torch.optim.SGD(model.parameters(), lr=0.01))
        optimizers[-1].zero_grad()
        loss = backward(model)
        optimizers[-1].step()
        return loss

    return update


def wrapper_with_own_groups(model, optimizer):
    wrapper = TwoSteps(model.parameters(), torch.optim.SGD, lr=0.1, shares_groups=False)
    return updates_in_two_steps(model, wrapper, with_closure=False)


UNSEEN = [own_rule, replaced_optimizer, wrapper_with_own_groups]


@pytest.mark.parametrize("loop", UNSEEN)
@pytest.mark.parametrize("schedule", [SCHEDULE, None])
def test_updates_that_are_not_steps_of_the_optimizer_are_a_warning_and_a_finding_once(
    loop, schedule, tmp_path
):
    model, place = make_model(), tmp_path / "runs.db"
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run, messages = trained(loop(model, optimizer), optimizer, schedule, store=place)
    (message,) = messages
    assert "step() of the attached SGD was not called" in message
    assert "updated=True" in message
    assert "base optimizer" in message
    (finding,) = [finding for finding in Store(place).findings(run.id) if finding.code == "LR310"]
    assert finding.evidence["changes_of_weights"] == 3
    assert finding.step == (3 if loop is replaced_optimizer else 0)


def test_a_loop_that_trains_other_weights_is_warned_that_nothing_is_trained():
    model, other = make_model(), make_model()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1)
    update = replaced_optimizer(model, torch.optim.SGD(model.parameters(), lr=0.1))
    _, messages = trained(update, optimizer, steps=40)
    (message,) = messages
    assert "neither the weights nor the gradients of the attached SGD changed" in message


@pytest.mark.parametrize("schedule", [SCHEDULE, None])
def test_an_update_that_the_loop_declares_is_recorded_with_its_rate(schedule, tmp_path):
    model, place = make_model(), tmp_path / "runs.db"
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    update = own_rule(model, optimizer)
    with learnrate.attach(optimizer, schedule, store=place) as run:
        for step in range(12):
            run.step(update(step), updated=True)
    expected = [0.1] * 12 if schedule is None else learnrate.schedule(schedule).table()[:12]
    assert Store(place).points(run.id).columns["lr"].tolist() == list(expected)


def accumulating(model, optimizer):
    def update(step):
        loss = backward(model)
        if step % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()
        return loss

    return update


def every_fifth(model, optimizer):
    """A generator's optimizer; the critic is updated between."""
    critic = make_model()
    of_critic = torch.optim.SGD(critic.parameters(), lr=0.1)

    def update(step):
        network, chosen = (model, optimizer) if step % 5 == 4 else (critic, of_critic)
        chosen.zero_grad()
        loss = backward(network)
        chosen.step()
        return loss

    return update


def with_skipped_updates(model, optimizer):
    """A GradScaler's overflows, 17 in a row."""
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)

    def update(step):
        optimizer.zero_grad()
        loss = (model(X) - 1).square().mean() * (float("inf") if 3 < step < 21 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return 1.0

    return update


@pytest.mark.parametrize("loop", [accumulating, every_fifth, with_skipped_updates])
def test_usual_loops_are_not_warned_of(loop):
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    run, messages = trained(loop(model, optimizer), optimizer, "0.01", steps=60, total_steps=60)
    assert messages == []
    assert run.findings == []
