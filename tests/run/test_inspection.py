"""Faults of data and training code that attach measures, in small trainings with them and without."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import learnrate
from learnrate.run import Measure
from learnrate.watch import INSPECTION_COLUMNS, diagnose

CODES = ("LR405", "LR406", "LR503", "LR504", "LR505", "LR506", "LR507")
STEPS = 120


class Data:
    """Batches of points near one of four centres."""

    def __init__(self, seed=0, inputs=12):
        self.generator = torch.Generator().manual_seed(seed)
        self.centres = torch.randn(4, inputs, generator=self.generator)

    def batch(self, size=16):
        labels = torch.randint(4, (size,), generator=self.generator)
        noise = torch.randn(size, self.centres.shape[1], generator=self.generator)
        return self.centres[labels] + noise, labels


def dense(*, dropout=0.0):
    return nn.Sequential(
        nn.Linear(12, 32),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(32, 16),
        nn.Tanh(),
        nn.Linear(16, 4),
    )


def adam(parameters):
    return torch.optim.Adam(parameters, lr=3e-3)


def trained(
    tmp_path,
    model=None,
    make=adam,
    *,
    steps=STEPS,
    clear=lambda optimizer: optimizer.zero_grad(),
    prepare=lambda inputs: inputs,
    loss_of=None,
    micro=1,
    after_backward=lambda model, optimizer: None,
    resume=None,
    rate=3e-3,
):
    """Train with attach; the findings of the rules that read inspections, by their codes."""
    torch.manual_seed(0)
    model = dense() if model is None else model
    data, optimizer = Data(), make([p for p in model.parameters() if p.requires_grad])
    loss_of = loss_of or (lambda model, x, y: functional.cross_entropy(model(x), y))

    def attach():
        return learnrate.attach(
            optimizer, rate, total_steps=steps, model=model, store=tmp_path / "a.db"
        )

    run = attach()
    for step in range(steps):
        if step == resume:
            state = run.state_dict()
            run.finish("stopped")
            optimizer = make(model.parameters())
            run = attach()
            run.load_state_dict(state)
        for _ in range(micro):
            inputs, labels = data.batch()
            loss = loss_of(model, prepare(inputs), labels) / micro
            loss.backward()
        after_backward(model, optimizer)
        optimizer.step()
        clear(optimizer)
        run.step(loss)
    run.finish()
    observations = learnrate.Store(tmp_path / "a.db").observations(run.id)
    return {finding.code: finding for finding in diagnose(observations, only=CODES).findings}


def zeroed(optimizer):
    optimizer.zero_grad(set_to_none=False)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=3e-3, momentum=0.9, weight_decay=5e-4)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.1)


def clipped(model, _optimizer):
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)


class Embedded(nn.Module):
    """Few of many embeddings are used, and the output layer has the weights of the first."""

    def __init__(self, sparse=False):
        super().__init__()
        self.embedding = nn.Embedding(500, 8, sparse=sparse)
        self.middle = nn.Linear(8, 8)
        self.output = nn.Linear(8, 500, bias=False)
        if not sparse:
            self.output.weight = self.embedding.weight

    def forward(self, tokens):
        return self.output(self.middle(self.embedding(tokens)).relu())


def tokens_loss(model, inputs, labels):
    tokens = (inputs[:, 0].abs() * 10).long()
    return functional.cross_entropy(model(tokens), labels)


class LowRank(nn.Module):
    """A frozen layer with an adapter whose second factor begins at 0, and a residual gate at 0."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(12, 32).requires_grad_(requires_grad=False)
        self.left = nn.Linear(12, 2, bias=False)
        self.right = nn.Linear(2, 32, bias=False)
        nn.init.zeros_(self.right.weight)
        self.block, self.gate = nn.Linear(32, 32), nn.Parameter(torch.zeros(1))
        self.head = nn.Linear(32, 4)

    def forward(self, inputs):
        features = (self.frozen(inputs) + self.right(self.left(inputs))).relu()
        return self.head(features + self.gate * self.block(features).relu())


WHOLE = Data(seed=1).batch(64)


def whole_loss(model):
    """The loss of the whole data as one batch, whose gradient hardly changes."""
    return functional.cross_entropy(model(WHOLE[0]), WHOLE[1])


HEALTHY = {
    "adam": {},
    "sgd with decay": {"make": sgd},
    "adamw with decay": {"make": adamw},
    "gradients set to 0": {"clear": zeroed},
    "accumulation": {"micro": 4},
    "accumulation, set to 0": {"micro": 4, "clear": zeroed},
    "clipping": {"after_backward": clipped},
    "clipping, set to 0": {"after_backward": clipped, "clear": zeroed},
    "dropout": {"model": dense(dropout=0.3)},
    "tied embeddings": {"model": Embedded(), "loss_of": tokens_loss, "make": adamw},
    "sparse embeddings": {
        "model": Embedded(sparse=True),
        "loss_of": tokens_loss,
        "make": lambda parameters: torch.optim.SGD(parameters, lr=0.05),
    },
    "fine-tuning": {"model": LowRank(), "make": adamw},
    "one batch again and again": {"loss_of": lambda model, *_: whole_loss(model)},
}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_training_has_no_finding(tmp_path, kind):
    assert trained(tmp_path, **HEALTHY[kind]) == {}


def forget(_optimizer):
    """Clear nothing."""


@pytest.mark.parametrize("make", [adam, sgd])
@pytest.mark.parametrize("micro", [1, 2])
@pytest.mark.parametrize("after_backward", [lambda model, optimizer: None, clipped])
def test_gradients_that_are_never_cleared_are_found(tmp_path, make, micro, after_backward):
    findings = trained(
        tmp_path, make=make, clear=forget, micro=micro, after_backward=after_backward
    )
    assert findings.keys() == {"LR503"}
    assert findings["LR503"].evidence["updates"] >= 4


def test_a_forgotten_gradient_is_reported_while_the_run_is_live(tmp_path):
    torch.manual_seed(0)
    model, data = dense(), Data()
    optimizer = adam(model.parameters())
    with learnrate.attach(optimizer, 3e-3, total_steps=10_000, store=tmp_path / "a.db") as run:
        for step in range(300):
            inputs, labels = data.batch()
            loss = functional.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            run.step(loss)
            if step % 70 == 0:
                run.recorder.flush()
        run.recorder.flush()
        assert "LR503" in [finding.code for finding in run.findings]


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.features, self.head = nn.Linear(12, 32), nn.Linear(32, 4)

    def forward(self, inputs):
        return self.head(self.features(inputs).relu().detach())


class Dead(Detached):
    def forward(self, inputs):
        return self.head((self.features(inputs) - 1e4).relu())


def test_a_part_without_gradient_is_named(tmp_path):
    (finding,) = trained(tmp_path, Detached()).values()
    assert (finding.code, finding.evidence["tensors"]) == ("LR504", 2)
    assert finding.evidence["share"] == pytest.approx(416 / 548)
    assert "features.weight" in finding.message
    assert "detach" in finding.remedy


def test_units_that_are_never_active_have_a_gradient_of_0(tmp_path):
    (finding,) = trained(tmp_path, Dead()).values()
    assert finding.code == "LR504"
    assert finding.evidence["share_at_0"] == finding.evidence["share"]
    assert "never active" in finding.remedy


def test_a_head_that_is_used_in_some_batches_is_not_reported(tmp_path):
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Linear(12, 16)
            self.heads = nn.ModuleList([nn.Linear(16, 4), nn.Linear(16, 4)])
            self.calls = 0

        def forward(self, inputs):
            self.calls += 1
            return self.heads[self.calls % 20 == 0](self.features(inputs).relu())

    assert trained(tmp_path, TwoHeads()) == {}


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_inputs_that_are_all_the_same_are_found(tmp_path, value):
    findings = trained(tmp_path, prepare=lambda inputs: torch.full_like(inputs, value))
    assert findings["LR405"].evidence["zero"] == (value == 0.0)
    assert str(findings["LR405"].severity) == ("warning" if value == 0.0 else "advice")


def test_pixels_from_0_to_255_that_a_linear_layer_takes_are_found(tmp_path):
    pixels = lambda inputs: (60.0 * inputs + 128.0).clamp(0, 255)  # noqa: E731
    assert trained(tmp_path, prepare=pixels).keys() == {"LR406"}
    normalised = nn.Sequential(nn.BatchNorm1d(12), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))
    assert trained(tmp_path, normalised, prepare=pixels) == {}


def adagrad(parameters):
    return torch.optim.Adagrad(parameters, lr=3e-3)


@pytest.mark.parametrize("make", [adam, sgd, adagrad])
def test_a_state_that_a_resume_lost_is_found(tmp_path, make):
    (finding,) = trained(tmp_path, make=make, resume=100).values()
    assert (finding.code, finding.step) == ("LR505", 100)


def test_an_optimizer_without_a_state_loses_none(tmp_path):
    def plain(parameters):
        return torch.optim.SGD(parameters, lr=0.05)

    assert trained(tmp_path, make=plain, resume=100) == {}


def test_a_resume_with_all_states_has_no_finding_and_one_without_weights_has(tmp_path):
    torch.manual_seed(0)
    model, data = dense(), Data()
    optimizer = adam(model.parameters())
    first = [tensor.clone() for tensor in model.parameters()]
    for name, is_lost in (("good", False), ("bad", True)):
        run = learnrate.attach(optimizer, 3e-3, total_steps=200, store=tmp_path / f"{name}.db")
        for step in range(200):
            if step == 150:
                state, moments = run.state_dict(), optimizer.state_dict()
                run.finish("stopped")
                if is_lost:
                    with torch.no_grad():
                        for tensor, value in zip(model.parameters(), first, strict=True):
                            tensor.copy_(value)
                optimizer = adam(model.parameters())
                optimizer.load_state_dict(moments)
                run = learnrate.attach(
                    optimizer, 3e-3, total_steps=200, store=tmp_path / f"{name}.db"
                )
                run.load_state_dict(state)
            inputs, labels = data.batch(64)
            loss = functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss)
        run.finish()
        codes = [finding.code for finding in run.findings if finding.code in CODES]
        assert codes == (["LR507"] if is_lost else [])


@pytest.mark.parametrize(
    ("make", "rate"),
    [
        (lambda parameters: torch.optim.SGD(parameters, lr=0.05, weight_decay=1.0), 0.05),
        (lambda parameters: torch.optim.AdamW(parameters, lr=3e-3, weight_decay=100.0), 3e-3),
    ],
)
def test_a_decay_that_outweighs_the_gradient_is_found(tmp_path, make, rate):
    (finding,) = trained(tmp_path, make=make, rate=rate).values()
    assert finding.code == "LR506"
    assert finding.evidence["norm"] < 0.5


def test_two_networks_trained_against_each_other_have_no_finding(tmp_path):
    """The discriminator's gradients of the generator's pass stay until they are cleared."""
    torch.manual_seed(0)
    generator, critic = dense(), nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizers = [adam(generator.parameters()), adam(critic.parameters())]
    data = Data(inputs=4)
    with learnrate.attach(
        optimizers, 3e-3, total_steps=STEPS, model=generator, store=tmp_path / "a.db"
    ) as run:
        for _ in range(STEPS):
            noise, (real, _) = torch.randn(16, 12), data.batch()
            optimizers[1].zero_grad()
            fake = generator(noise)
            loss = functional.softplus(critic(fake.detach())) + functional.softplus(-critic(real))
            loss.mean().backward()
            optimizers[1].step()
            optimizers[0].zero_grad()
            functional.softplus(-critic(fake)).mean().backward()
            optimizers[0].step()
            run.step(loss.mean())
    observations = learnrate.Store(tmp_path / "a.db").observations(run.id)
    assert {"kept_gradient", "unused_looks"} <= observations.facts.keys()
    assert [finding.code for finding in run.findings if finding.code in CODES] == []


def test_gradients_scaled_for_half_precision_have_no_finding(tmp_path):
    torch.manual_seed(0)
    model, data = dense(), Data()
    optimizer = adam(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with learnrate.attach(optimizer, 3e-3, total_steps=STEPS, store=tmp_path / "a.db") as run:
        for _ in range(STEPS):
            inputs, labels = data.batch()
            with torch.autocast("cpu", torch.bfloat16):
                loss = functional.cross_entropy(model(inputs), labels)
            optimizer.zero_grad(set_to_none=False)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            run.step(loss)
    observations = learnrate.Store(tmp_path / "a.db").observations(run.id)
    assert 1.0 not in [value for _, value in observations.facts.get("kept_gradient", [])]
    assert [finding.code for finding in run.findings if finding.code in CODES] == []


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 3)])
def test_the_classes_of_a_cross_entropy_are_known(tmp_path, shape):
    weight = nn.Parameter(torch.randn(shape))
    optimizer, criterion = adam([weight]), nn.CrossEntropyLoss()
    with learnrate.attach(
        optimizer, 0.1, total_steps=80, criterion=criterion, store=tmp_path / "a.db"
    ) as run:
        for _ in range(80):
            labels = torch.randint(5, (shape[0], *shape[2:]))
            loss = criterion(weight, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss)
    assert learnrate.Store(tmp_path / "a.db").observations(run.id).facts["classes"] == 5
    assert not criterion._forward_pre_hooks


def test_another_loss_has_no_classes(tmp_path):
    for criterion in (nn.MSELoss(), nn.CrossEntropyLoss(reduction="sum")):
        weight = nn.Parameter(torch.randn(8, 5))
        optimizer = adam([weight])
        with learnrate.attach(
            optimizer, 0.1, total_steps=5, criterion=criterion, store=tmp_path / "a.db"
        ) as run:
            for _ in range(5):
                criterion(weight, torch.rand(8, 5).softmax(1)).backward()
                optimizer.step()
                run.step(1.0)
        assert "classes" not in learnrate.Store(tmp_path / "a.db").observations(run.id).facts
        assert not criterion._forward_pre_hooks


def test_a_task_with_a_cross_entropy_that_stays_at_chance_is_judged(tmp_path):
    """Labels that say nothing of the inputs, which attach cannot know."""
    generator = torch.Generator().manual_seed(0)

    def batches(_seed):
        while True:
            labels = torch.randint(4, (64,), generator=generator)
            yield torch.randn(64, 12, generator=generator), labels

    task = learnrate.Task(
        model=dense,
        loss=nn.CrossEntropyLoss(),
        data=batches,
        optimizer=torch.optim.Adam,
        total_steps=150,
    )
    trained = learnrate.train(task, 3e-3, store=tmp_path / "a.db", progress=False)
    assert "LR402" in [finding.code for finding in trained.findings]


@pytest.mark.parametrize("make", [sgd, adamw])
def test_a_training_is_the_same_to_the_last_bit_with_and_without(tmp_path, make):
    weights = []
    for inspect in (True, False):
        torch.manual_seed(0)
        model, data = dense(dropout=0.2), Data()
        optimizer = make(model.parameters())
        place = tmp_path / f"{inspect}.db"
        measure = Measure(inspect=inspect)
        with learnrate.attach(
            optimizer, 3e-3, total_steps=60, store=place, measure=measure
        ) as run:
            for _ in range(60):
                inputs, labels = data.batch()
                loss = functional.cross_entropy(model(inputs), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.step(loss)
        weights.append([tensor.clone() for tensor in model.parameters()])
        facts = learnrate.Store(place).observations(run.id).facts
        assert bool(set(INSPECTION_COLUMNS) & set(facts)) == inspect
        assert all(not tensor._backward_hooks for tensor in model.parameters())
        assert not any(module._forward_pre_hooks for module in model.modules())
    assert all(map(torch.equal, *weights))


@pytest.mark.parametrize(
    ("micro", "divisor", "is_given", "is_named"),
    [(1, 1, True, False), (4, 1, False, True), (4, 4, True, False)],
)
def test_a_rate_that_is_too_high_may_be_a_sum_over_backward_passes(
    tmp_path, micro, divisor, is_given, is_named
):
    model, data = dense(), Data()
    optimizer = torch.optim.SGD(model.parameters(), lr=8.0)
    looked_at = model if is_given else None
    with learnrate.attach(
        optimizer, 8.0, total_steps=60, model=looked_at, store=tmp_path / "a.db"
    ) as run:
        for _ in range(60):
            optimizer.zero_grad()
            for _ in range(micro):
                inputs, labels = data.batch()
                loss = functional.cross_entropy(model(inputs), labels) / divisor
                loss.backward()
            optimizer.step()
            run.step(loss * divisor)
    observations = learnrate.Store(tmp_path / "a.db").observations(run.id)
    passes = {value for _, value in observations.facts["backward_passes"]}
    assert passes == {float(micro)}
    (finding,) = diagnose(observations, only=["LR107"]).findings
    assert ("if their losses are not divided by 4" in finding.remedy) == is_named
