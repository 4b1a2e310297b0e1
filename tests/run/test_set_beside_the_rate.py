"""What a torch scheduler sets beside the rate, under attach: as in a loop without learnrate, to the bit."""

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import learnrate  # noqa: E402 - after the skip
from learnrate.watch._inspection import known_momenta  # noqa: E402

lr = torch.optim.lr_scheduler
TOTAL, HALFWAY, EVERY = 40, 17, 5
INPUTS = torch.linspace(-2, 2, 96).reshape(24, 4)
TARGETS = INPUTS.sin().sum(1, keepdim=True)

OPTIMIZERS = {
    "SGD": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9),
    "Adam": lambda groups: torch.optim.Adam(groups, lr=0.05),
}


class DecayOfWeights(lr.LambdaLR):
    """A scheduler of the user's own: it halves the weight decay every ten steps, from 0.1."""

    def step(self, epoch=None):
        super().step(epoch)
        for group in self.optimizer.param_groups:
            group["weight_decay"] = 0.1 * 0.5 ** (self.last_epoch // 10)


def cyclic(optimizer, **options):
    return lr.CyclicLR(optimizer, 0.01, 0.1, 7, 5, **options)


CYCLES = {
    "one cycle": lambda o: lr.OneCycleLR(o, 0.1, total_steps=TOTAL),
    "one cycle in three phases": lambda o: lr.OneCycleLR(
        o, 0.1, total_steps=TOTAL, three_phase=True, anneal_strategy="linear"
    ),
    "one cycle of two peaks": lambda o: lr.OneCycleLR(
        o, [0.1, 0.05], total_steps=TOTAL, base_momentum=[0.7, 0.8]
    ),
    "cyclic": cyclic,
    "cyclic, halved": lambda o: cyclic(o, mode="triangular2"),
    "cyclic, falling": lambda o: cyclic(o, mode="exp_range", gamma=0.98),
    "cyclic after a warm-up": lambda o: lr.SequentialLR(
        o, [lr.LinearLR(o, 0.1, 1.0, 8), cyclic(o)], [8]
    ),
    "one cycle after a constant": lambda o: lr.SequentialLR(
        o, [lr.ConstantLR(o, 0.1, 8), lr.OneCycleLR(o, 0.1, total_steps=TOTAL - 8)], [8]
    ),
    "cyclic times exponential": lambda o: lr.ChainedScheduler(
        [cyclic(o), lr.ExponentialLR(o, 0.99)]
    ),
    "a user's own": lambda o: DecayOfWeights(o, lambda step: 1 / (1 + step)),
}
PLAIN = {
    "one cycle of the rate alone": lambda o: lr.OneCycleLR(
        o, 0.1, total_steps=TOTAL, cycle_momentum=False
    ),
    "lambda": lambda o: lr.LambdaLR(o, lambda step: 1 / (1 + step)),
    "multiplicative": lambda o: lr.MultiplicativeLR(o, lambda _: 0.95),
    "cosine": lambda o: lr.CosineAnnealingLR(o, TOTAL),
    "averaging": lambda o: torch.optim.swa_utils.SWALR(o, swa_lr=0.01, anneal_epochs=9),
}
SCHEDULERS = {**CYCLES, **PLAIN}

# SequentialLR calls its parts as torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")
every_scheduler = pytest.mark.parametrize("name", SCHEDULERS)
every_cycle = pytest.mark.parametrize("name", CYCLES)
every_optimizer = pytest.mark.parametrize("kind", OPTIMIZERS)


class Loop:
    """A training of a small network under a scheduler of torch, alone or attached."""

    def __init__(self, kind, name, **options):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)
        )
        groups = [{"params": list(self.model[i].parameters())} for i in (0, 2)]
        self.optimizer = OPTIMIZERS[kind](groups)
        self.scheduler = SCHEDULERS[name](self.optimizer)
        self.run = None
        self.options = options
        self.set = []  # at each update, all numbers of the groups but the rate

    def attach(self, **options):
        self.run = learnrate.attach(
            self.optimizer,
            self.scheduler,
            **{"total_steps": TOTAL, "store": False, **self.options, **options},
        )
        return self

    def update(self):
        self.optimizer.zero_grad()
        loss = (self.model(INPUTS) - TARGETS).square().mean()
        loss.backward()
        self.set.append(
            [
                {key: group[key] for key in ("momentum", "betas", "weight_decay") if key in group}
                for group in self.optimizer.param_groups
            ]
        )
        self.optimizer.step()
        return loss

    def train(self, updates, every=1):
        for update in range(updates):
            loss = self.update()
            if self.run is not None:
                self.run.step(loss)
            elif (update + 1) % every == 0:
                self.scheduler.step()
        return self

    @property
    def weights(self):
        return torch.cat([weight.detach().flatten() for weight in self.model.parameters()])


def plain(kind, name, updates=TOTAL - 1, every=1):
    return Loop(kind, name).train(updates, every)


@every_optimizer
@every_scheduler
@pytest.mark.parametrize("recorded", [False, True])
def test_weights_are_those_of_torchs_own_loop_to_the_last_bit(kind, name, recorded, tmp_path):
    expected = plain(kind, name)
    measure = learnrate.Measure(watch=recorded)
    store = f"{tmp_path}/runs.db" if recorded else False
    attached = Loop(kind, name).attach(store=store, measure=measure).train(TOTAL - 1)
    attached.run.finish()
    assert attached.set == expected.set
    assert torch.equal(attached.weights, expected.weights)


@every_optimizer
@every_scheduler
def test_only_a_scheduler_that_sets_more_than_the_rate_changes_more(kind, name):
    values = plain(kind, name).set
    assert (values.count(values[0]) < len(values)) is (name in CYCLES)


@every_optimizer
@every_cycle
def test_an_edit_of_the_rate_leaves_the_rest_as_the_scheduler_sets_it(kind, name):
    expected = plain(kind, name)
    attached = Loop(kind, name).attach().train(HALFWAY)
    for words in ("scale 0.5", "hold", "release", "follow 0.01 * constant()"):
        attached.run.steer(words, author="ann")
        attached.train(5)
    attached.train(TOTAL - 1 - len(attached.set))
    assert attached.set == expected.set
    assert not torch.equal(attached.weights, expected.weights)


@every_optimizer
@every_cycle
@pytest.mark.parametrize("with_scheduler", [False, True])
def test_a_resumed_run_continues_as_torchs_own_loop_to_the_last_bit(kind, name, with_scheduler):
    expected = plain(kind, name)
    first = Loop(kind, name).attach().train(HALFWAY)
    saved = first.run.state_dict(), first.model.state_dict(), first.optimizer.state_dict()
    second = Loop(kind, name).attach()
    if with_scheduler:  # as a loop that was changed as little as possible
        for _ in range(HALFWAY):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                second.scheduler.step()
    second.model.load_state_dict(saved[1])
    second.optimizer.load_state_dict(saved[2])
    second.run.load_state_dict(saved[0])
    second.train(TOTAL - 1 - HALFWAY)
    assert first.set + second.set == expected.set
    assert torch.equal(second.weights, expected.weights)


@every_optimizer
@every_cycle
def test_a_scheduler_is_continued_from_its_present_step(kind, name):
    expected = plain(kind, name)
    attached = plain(kind, name, HALFWAY).attach()
    assert attached.run.next_step == HALFWAY
    attached.train(TOTAL - 1 - HALFWAY)
    assert attached.set == expected.set
    assert torch.equal(attached.weights, expected.weights)


@every_cycle
@pytest.mark.filterwarnings("ignore:something else keeps writing:UserWarning")
def test_a_scheduler_that_the_loop_still_steps_changes_nothing(name):
    expected = plain("SGD", name)
    attached = Loop("SGD", name).attach()
    for _ in range(TOTAL - 1):
        loss = attached.update()
        attached.run.step(loss)
        attached.scheduler.step()
    assert torch.equal(attached.weights, expected.weights)


@every_optimizer
@pytest.mark.parametrize("name", ["cyclic", "one cycle", "a user's own"])
def test_a_scheduler_of_epochs_sets_all_at_their_ends(kind, name):
    updates = EVERY * 8
    expected = plain(kind, name, updates, EVERY)
    attached = Loop(kind, name).attach(total_steps=updates, every=EVERY).train(updates)
    assert attached.set == expected.set
    assert torch.equal(attached.weights, expected.weights)


@every_optimizer
@pytest.mark.parametrize("name", ["cyclic", "cyclic, falling"])
def test_a_scheduler_without_an_end_continues_to_set_all_of_it(kind, name):
    updates = 1100  # more than are simulated at once
    expected = plain(kind, name, updates)
    attached = Loop(kind, name).attach(total_steps=None).train(updates)
    assert attached.set == expected.set


def test_a_rollback_restores_everything_that_the_scheduler_sets(tmp_path):
    expected = plain("Adam", "one cycle")
    attached = Loop("Adam", "one cycle").attach(store=f"{tmp_path}/runs.db").train(10)
    attached.run.steer("snapshot", author="ann")
    attached.train(8)
    attached.run.steer("rollback 10", author="ann")
    assert attached.run.next_step == 10
    attached.set = attached.set[:10]
    attached.train(TOTAL - 11)
    attached.run.finish()
    assert attached.set == expected.set
    assert torch.equal(attached.weights, expected.weights)


def test_a_schedule_of_the_momentum_replaces_that_of_the_scheduler():
    attached = Loop("SGD", "one cycle").attach(hyper={"momentum": [None, "0.5 * linear()"]})
    attached.train(TOTAL - 1)
    expected = plain("SGD", "one cycle").set
    falling = learnrate.schedule("0.5 * linear()").over(TOTAL)
    assert [groups[0] for groups in attached.set] == [groups[0] for groups in expected]
    assert [groups[1]["momentum"] for groups in attached.set] == [
        falling(step) for step in range(TOTAL - 1)
    ]


def test_of_several_optimizers_only_that_of_the_scheduler_is_set():
    attached = Loop("Adam", "one cycle")
    other = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.3)
    run = learnrate.attach([other, attached.optimizer], attached.scheduler, store=False)
    expected = plain("Adam", "one cycle").set
    for step in range(TOTAL - 1):
        assert [g["betas"] for g in attached.optimizer.param_groups] == [
            groups["betas"] for groups in expected[step]
        ]
        other.step()
        run.step(attached.update())
    assert other.param_groups[0]["momentum"] == 0.3


def test_the_scheduler_of_another_optimizer_is_refused_if_it_sets_more_than_the_rate():
    scheduler = Loop("SGD", "one cycle").scheduler
    other = Loop("SGD", "cosine").optimizer
    with pytest.raises(
        learnrate.ArgumentError, match=r"OneCycleLR that sets momentum too was made"
    ):
        learnrate.attach(other, scheduler, store=False)
    learnrate.attach(other, learnrate.from_torch(scheduler, name="lr"), store=False).finish()


def test_what_a_scheduler_sets_is_in_the_record_of_the_run(tmp_path):
    store = f"{tmp_path}/runs.db"
    attached = Loop("Adam", "one cycle").attach(store=store).train(3)
    attached.run.finish()
    facts = learnrate.Store(store).run(attached.run.id).facts
    assert facts["hyper"] == {"betas[0]": "as OneCycleLR sets it"}


def test_the_result_of_to_torch_brings_its_groups_and_hyper_parameters():
    def begin():
        loop = Loop("SGD", "lambda")
        for group in loop.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        loop.scheduler = learnrate.to_torch(
            learnrate.schedule("0.05 * cosine(40)"),
            loop.optimizer,
            groups=[None, learnrate.schedule("0.02 * linear(40)")],
            hyper={"momentum": learnrate.schedule("0.9 * linear(40, floor=0.5)")},
        )
        return loop

    expected = begin().train(TOTAL - 1)
    attached = begin().attach().train(TOTAL - 1)
    assert attached.set == expected.set
    assert torch.equal(attached.weights, expected.weights)
    other = Loop("SGD", "lambda").optimizer
    with pytest.raises(learnrate.ArgumentError, match="the run's only optimizer"):
        learnrate.attach([other, expected.optimizer], expected.scheduler, store=False)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", ["one cycle", "cyclic after a warm-up"])
def test_from_torch_says_what_the_schedule_leaves_out(kind, name):
    momentum = {"SGD": "momentum", "Adam": "betas[0]"}[kind]
    scheduler = Loop(kind, name).scheduler
    with pytest.warns(UserWarning, match="which the schedule of the rate does not have") as caught:
        schedule = learnrate.from_torch(scheduler, TOTAL)
    assert f"sets {momentum} too" in str(caught[0].message)
    assert f"hyper={{'{momentum}': from_torch(scheduler, name='{momentum}')}}" in str(
        caught[0].message
    )
    assert learnrate.from_torch(scheduler, TOTAL, name="lr") == schedule  # without a warning


@pytest.mark.parametrize("name", PLAIN)
def test_from_torch_leaves_nothing_out_of_a_scheduler_of_the_rate_alone(name):
    learnrate.from_torch(Loop("SGD", name).scheduler, TOTAL)


@pytest.mark.parametrize("takes_over", [True, False])
@every_optimizer
def test_a_cycled_momentum_is_recorded_where_it_changes(kind, takes_over, tmp_path):
    loop = Loop(kind, "one cycle", store=tmp_path / "runs.db")
    measure = learnrate.Measure(update_every=1)
    if takes_over:
        loop.attach(measure=measure)
    else:
        loop.run = learnrate.attach(
            loop.optimizer, None, total_steps=TOTAL, store=tmp_path / "runs.db", measure=measure
        )
    name = "momentum" if kind == "SGD" else "betas"
    used = []
    loop.optimizer.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0][name]))
    for _ in range(TOTAL - 1):
        loss = loop.update()
        if not takes_over:
            loop.scheduler.step()
        loop.run.step(loss)
    loop.run.finish()
    store = learnrate.Store(tmp_path / "runs.db")
    facts = store.observations(loop.run.id).facts
    first, used = (np.ravel(facts[name])[0], np.reshape(used, (TOTAL - 1, -1))[:, 0])
    momenta = known_momenta(SimpleNamespace(facts=facts), np.arange(TOTAL - 1), first)
    assert momenta.tolist() == used.tolist()
    assert np.ptp(used) > 0.05
