"""Losses that accumulate and are not divided by their number, in small trainings with attach."""

import copy
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import learnrate
from learnrate.watch import Observations, diagnose
from learnrate.watch._inspection import accumulation_hint
from learnrate.watch._reading import Reading

UPDATES, PASSES, ROWS = 24, 4, 12


class Data:
    """Batches of points, each with the class of its largest coordinate of five."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)

    def batch(self, rows=ROWS):
        inputs = torch.randn(rows, 5, generator=self.generator)
        return inputs, inputs.argmax(1)


def dense(outputs=5):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, outputs))


def cross_entropy(model, inputs, labels):
    return functional.cross_entropy(model(inputs), labels)


def trained(
    tmp_path,
    loss_of=cross_entropy,
    *,
    model=None,
    divisor=1,
    passes=PASSES,
    rows=ROWS,
    make=torch.optim.SGD,
    arguments=("model",),
    criterion=None,
    reported=lambda losses: losses[-1],
    after_backward=lambda model: None,
    **options,
):
    """Train; the findings LR510, and the scales that were read."""
    model, data = model or dense(), Data()
    optimizer = make(model.parameters(), lr=0.02)
    known = {"model": model, "criterion": criterion}
    with learnrate.attach(
        optimizer,
        0.02,
        total_steps=UPDATES,
        store=tmp_path / "a.db",
        **{name: known[name] for name in arguments},
        **options,
    ) as run:
        for _ in range(UPDATES):
            losses = []
            for _ in range(passes):
                inputs, labels = data.batch(rows)
                loss = loss_of(model, inputs, labels)
                losses.append(loss if divisor == 1 else loss / divisor)
                losses[-1].backward()
            after_backward(model)
            optimizer.step()
            optimizer.zero_grad()
            run.step(reported(losses))
    assert not model._forward_hooks
    observations = learnrate.Store(tmp_path / "a.db").observations(run.id)
    scales = [value for _, value in observations.facts.get("pass_scale", []) if value]
    return diagnose(observations, only=["LR510"]).findings, scales


class Tokens(nn.Module):
    """Logits of a class for each place, with the classes last."""

    def __init__(self):
        super().__init__()
        self.layers = dense(7)

    def forward(self, inputs):
        places = torch.stack([inputs, inputs.roll(1, 1), inputs.roll(2, 1)], 1)
        return {"logits": self.layers(places)}


def shifted(model, inputs, labels):
    """Some targets are ignored, as padding is; the last place has none."""
    logits = model(inputs)["logits"][:, :-1]
    targets = torch.stack([labels, torch.where(labels == 0, -100, labels)], 1)
    return functional.cross_entropy(logits.reshape(-1, 7), targets.reshape(-1))


def pixels(model, inputs, labels):
    logits = model(inputs)["logits"].transpose(1, 2)
    return functional.cross_entropy(logits, labels[:, None].expand(-1, 3))


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.number = dense(), nn.Linear(5, 1)

    def forward(self, inputs):
        return self.body(inputs), self.number(inputs)


def two_losses(model, inputs, labels):
    logits, number = model(inputs)
    error = functional.mse_loss(number[:, 0], inputs.sum(1))
    return functional.cross_entropy(logits, labels) + 0.3 * error


def binary(model, inputs, _labels):
    return functional.binary_cross_entropy_with_logits(model(inputs), (inputs > 0).float())


def halved(model, inputs, labels):
    """In half precision, as under autocast."""
    with torch.autocast("cpu", torch.bfloat16):
        return functional.cross_entropy(model(inputs), labels)


def squared(model, inputs, _labels):
    return functional.mse_loss(model(inputs), inputs.roll(1, 1))


KINDS = {
    "classes": {},
    "two classes": {
        "model": dense(2),
        "loss_of": lambda model, x, y: functional.cross_entropy(model(x), y % 2),
    },
    "tokens": {"model": Tokens(), "loss_of": shifted},
    "pixels": {"model": Tokens(), "loss_of": pixels},
    "two losses": {"model": Heads(), "loss_of": two_losses},
    "binary": {"loss_of": binary},
    "half precision": {"loss_of": halved, "rows": 64},
    "tiny batches": {"rows": 2},
    "squared errors": {"loss_of": squared},
    "mean of squared errors": {
        "loss_of": squared,
        "reported": lambda losses: torch.stack(losses).mean(),
    },
    "data parallel": {"model": nn.DataParallel(dense())},
}


@pytest.mark.parametrize("kind", KINDS)
def test_losses_that_are_not_divided_are_named(tmp_path, kind):
    ((finding,), scales) = trained(tmp_path, **copy.deepcopy(KINDS[kind]))
    assert finding.evidence["passes"] == PASSES
    assert scales == pytest.approx([1.0] * len(scales), abs=0.01)
    assert str(finding.severity) == "advice"
    assert "rate 4 times as high" in finding.message


@pytest.mark.parametrize("kind", KINDS)
def test_losses_that_are_divided_are_not(tmp_path, kind):
    findings, scales = trained(tmp_path, divisor=PASSES, **copy.deepcopy(KINDS[kind]))
    assert findings == ()
    assert len(scales) >= 4 or "squared" in kind  # whose loss must be reported as it is
    assert scales == pytest.approx([0.25] * len(scales), abs=0.01)


def test_the_outputs_of_an_update_with_one_pass_are_not_inspected(tmp_path):
    assert trained(tmp_path, passes=1) == ((), [])


def test_with_adam_the_finding_says_that_it_hardly_matters(tmp_path):
    (finding,), _ = trained(tmp_path, make=torch.optim.Adam)
    assert "hardly matters" in finding.message


def summed(model, inputs, labels):
    return functional.cross_entropy(model(inputs), labels, reduction="sum")


def over_all_tokens(model, inputs, labels):
    """Divided by the rows of all passes, as token counts are."""
    return summed(model, inputs, labels) / (PASSES * ROWS)


def real_from_false(model, inputs, labels):
    """All targets of a pass are the same."""
    target = torch.full((len(inputs), 5), float(labels[0] > 1))
    return functional.binary_cross_entropy_with_logits(model(inputs), target)


def divide_gradients(model):
    for parameter in model.parameters():
        parameter.grad /= PASSES


def clip(model):
    nn.utils.clip_grad_norm_(model.parameters(), 1e-3)


def twice(model, inputs, labels):
    """Two views of each example, in one loss."""
    return cross_entropy(model, inputs, labels) + cross_entropy(model, -inputs, labels)


def with_all_pixels(model, inputs, _labels):
    """A sum over outputs of a mean over rows: with 16 outputs and 4 passes it looks like a mean."""
    return (model(inputs) - inputs.repeat(1, 4)[:, :16]).square().sum(1).mean()


@pytest.mark.parametrize(
    "options",
    [
        {"loss_of": summed},
        {"loss_of": over_all_tokens},
        {"loss_of": cross_entropy, "rows": 1},  # a sum and a mean are the same
        {"loss_of": real_from_false},
        {"after_backward": divide_gradients},
        {"after_backward": clip},
        {"measure": learnrate.Measure(clip_norm=1e-3)},
        {"loss_of": twice},
        {"loss_of": with_all_pixels, "model": dense(16), "divisor": PASSES},
        {"loss_of": squared, "reported": lambda losses: losses[-1].detach()},
        {"objective": "adversarial"},
        {"arguments": ()},
        {"measure": learnrate.Measure(inspect=False)},
        {"loss_of": lambda model, x, y: functional.mse_loss(4 * model(x), x), "divisor": PASSES},
    ],
)
def test_a_sum_that_is_meant_or_not_known_is_not_named(tmp_path, options):
    assert trained(tmp_path, **options)[0] == ()


def test_losses_that_are_divided_by_the_tokens_of_all_passes_are_divided(tmp_path):
    counts = itertools.cycle([3, 11, 12, 6])

    def loss_of(model, inputs, labels):
        labels = torch.where(torch.arange(ROWS) < next(counts), labels, -100)
        return summed(model, inputs, labels) / 32

    findings, scales = trained(tmp_path, loss_of)
    assert findings == ()
    assert scales == pytest.approx([1 / PASSES] * len(scales), abs=0.01)
    assert len(scales) >= 4


class Weighted(nn.Module):
    """A mean of its own."""

    def forward(self, outputs, labels):
        return functional.cross_entropy(outputs, labels, reduction="none").square().mean()


@pytest.mark.parametrize("criterion", [nn.CrossEntropyLoss(label_smoothing=0.1), Weighted()])
@pytest.mark.parametrize("divisor", [1, PASSES])
def test_the_loss_of_a_criterion_shows_its_scale(tmp_path, criterion, divisor):
    findings, scales = trained(
        tmp_path,
        lambda model, inputs, labels: criterion(model(inputs), labels),
        divisor=divisor,
        arguments=("criterion",),
        criterion=criterion,
    )
    assert scales == pytest.approx([1 / divisor] * len(scales))
    assert [finding.code for finding in findings] == ["LR510"] * (divisor == 1)
    assert not criterion._forward_hooks


def test_the_loss_of_a_criterion_that_sums_does_not(tmp_path):
    criterion = nn.CrossEntropyLoss(reduction="sum")
    findings, scales = trained(
        tmp_path,
        lambda model, inputs, labels: criterion(model(inputs), labels),
        arguments=("model", "criterion"),
        criterion=criterion,
    )
    assert findings == ()
    assert scales == pytest.approx([ROWS] * len(scales), rel=0.01)


def test_a_discriminator_adds_different_losses(tmp_path):
    criterion = nn.BCEWithLogitsLoss()
    passes = itertools.count()

    def loss_of(model, inputs, _labels):
        outputs = model(inputs)
        return criterion(outputs, torch.full_like(outputs, next(passes) % 2))

    assert trained(tmp_path, loss_of, arguments=("criterion",), criterion=criterion) == ((), [])


@pytest.mark.parametrize("divisor", [1, PASSES])
def test_the_scale_of_a_grad_scaler_is_taken_out(tmp_path, divisor):
    scaler = torch.amp.GradScaler("cpu", init_scale=float(PASSES))
    model, data = dense(), Data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    with learnrate.attach(
        optimizer, 0.02, total_steps=UPDATES, model=model, store=tmp_path / "a.db"
    ) as run:
        for _ in range(UPDATES):
            for _ in range(PASSES):
                loss = cross_entropy(model, *data.batch()) / divisor
                scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            run.step(loss)
    codes = [finding.code for finding in run.findings if finding.code == "LR510"]
    assert codes == ["LR510"] * (divisor == 1)


def test_a_model_can_be_copied_and_saved_while_it_is_inspected(tmp_path):
    copies = []

    def copy_it(model):
        copies.extend([copy.deepcopy(model), pickle.loads(pickle.dumps(model))])

    trained(tmp_path, after_backward=copy_it)
    store = learnrate.Store(tmp_path / "a.db")
    (run,) = store.runs()
    scales = store.observations(run.id).facts["pass_scale"]
    inputs, _ = Data().batch()
    for copied in copies:
        copied(inputs).sum().backward()
    assert [value for _, value in scales] == pytest.approx([1.0] * len(scales), abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_the_same_to_the_last_bit_with_and_without(tmp_path, kind):
    weights = []
    for inspect in (True, False):
        options = copy.deepcopy(KINDS[kind])
        model = options.setdefault("model", dense())
        trained(tmp_path, measure=learnrate.Measure(inspect=inspect), **options)
        weights.append([tensor.detach() for tensor in model.parameters()])
    assert all(map(torch.equal, *weights))


def looked_at(scales, passes=4.0, optimizer="SGD"):
    """A run of which the scales of some updates are known; 0 is not known."""
    steps = np.arange(100)
    return Observations(
        run="a",
        step=steps,
        columns={"loss": 2.0 * np.exp(-steps / 30)},
        facts={
            "optimizer": optimizer,
            "pass_scale": [[step, scale] for step, scale in enumerate(scales)],
            "backward_passes": [[step, passes] for step in range(len(scales))],
        },
    )


@pytest.mark.parametrize(
    ("scales", "is_named"),
    [
        ([1.0] * 2, True),
        ([0.0, 1.0, 1.0, 0.0, 0.99, 1.01], True),
        ([0.0] * 5 + [1.0], False),
        ([1.0] * 7 + [0.25], False),
        ([0.9] * 8, False),
    ],
)
def test_all_known_scales_must_be_1_at_several_updates(scales, is_named):
    named = [finding.code for finding in diagnose(looked_at(scales), only=["LR510"]).findings]
    assert named == ["LR510"] * is_named


@pytest.mark.parametrize(
    ("scale", "words"),
    [(1.0, "their losses are not divided by 4, so"), (0.0, "if their"), (0.25, ""), (0.5, "if")],
)
def test_a_rate_that_is_too_high_is_attributed_to_the_sum_as_far_as_it_is_known(scale, words):
    hint = accumulation_hint(Reading(looked_at([scale] * 4)))
    assert words in hint
    assert bool(hint) == bool(words)
