"""What attach reads from the graph of a loss, in small trainings."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import learnrate
from learnrate.run import Measure
from learnrate.run._loss_graph import LossGraph
from learnrate.watch import diagnose

CODES = ("LR402", "LR404", "LR508", "LR509")
ROWS, CLASSES, UPDATES = 16, 4, 40


class Model(nn.Module):
    """Outputs of a layer, passed on by a function."""

    def __init__(self, outputs=CLASSES, finish=lambda outputs: outputs):
        super().__init__()
        self.layer, self.finish = nn.Linear(6, outputs), finish

    def forward(self, inputs):
        return self.finish(self.layer(inputs))


def trained(tmp_path, model, loss_of, *, steps=UPDATES, passed=lambda loss: loss, **measured):
    """Train with attach; what was recorded, and the findings by their codes."""
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    measure = Measure(**measured)
    with learnrate.attach(
        optimizer, 0.3, total_steps=steps, store=tmp_path / "a.db", measure=measure
    ) as run:
        for _ in range(steps):
            inputs = torch.randn(ROWS, 6, generator=generator)
            loss = loss_of(model(inputs), inputs)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(passed(loss))
    observations = learnrate.Store(tmp_path / "a.db").observations(run.id)
    findings = diagnose(observations, only=CODES).findings
    return observations, {finding.code: finding for finding in findings}


def labels_of(inputs):
    return inputs[:, :CLASSES].argmax(1)


def cross_entropy(outputs, inputs):
    return functional.cross_entropy(outputs, labels_of(inputs))


def of_a_half(outputs, inputs):
    """In half precision, over positions, as a language model computes it."""
    outputs = outputs.bfloat16().unflatten(0, (2, -1)).transpose(1, 2)
    return functional.cross_entropy(outputs.float(), labels_of(inputs).unflatten(0, (2, -1)))


def binary(outputs, inputs):
    return functional.binary_cross_entropy_with_logits(outputs, (inputs[:, :CLASSES] > 0).float())


def likelihood(outputs, inputs):
    return functional.nll_loss(outputs, labels_of(inputs))


def smoothed(outputs, inputs):
    return functional.cross_entropy(outputs, labels_of(inputs), label_smoothing=0.1)


def softmax(outputs):
    return outputs.softmax(-1)


@pytest.mark.parametrize(
    ("finish", "loss_of", "kind"),
    [
        (softmax, cross_entropy, 1),
        (softmax, of_a_half, 1),
        (softmax, smoothed, 1),
        (softmax, lambda *batch: cross_entropy(*batch) / 4 + 0.1, 1),
        (torch.sigmoid, binary, 2),
        (softmax, likelihood, 3),
        (lambda outputs: outputs, likelihood, 4),
    ],
)
def test_a_loss_that_gets_what_it_does_not_expect_is_named(tmp_path, finish, loss_of, kind):
    _, findings = trained(tmp_path, Model(finish=finish), loss_of)
    assert list(findings) == ["LR508"]
    assert findings["LR508"].evidence["kind"] == kind


def attended(outputs):
    """A softmax in the middle of a model, with a product after it."""
    return outputs.softmax(-1) @ torch.eye(CLASSES) + outputs


@pytest.mark.parametrize(
    ("finish", "loss_of"),
    [
        (lambda outputs: outputs, cross_entropy),
        (lambda outputs: outputs, of_a_half),
        (lambda outputs: outputs.log_softmax(-1), cross_entropy),
        (lambda outputs: outputs.log_softmax(-1), likelihood),
        (lambda outputs: outputs.softmax(-1).log(), likelihood),
        (lambda outputs: outputs, binary),
        (attended, cross_entropy),
    ],
)
def test_a_loss_that_gets_what_it_expects_is_not(tmp_path, finish, loss_of):
    assert trained(tmp_path, Model(finish=finish), loss_of)[1] == {}


def target(inputs):
    return inputs.sum(1)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("loss_of", [functional.mse_loss, functional.smooth_l1_loss])
@pytest.mark.parametrize("is_flat", [True, False])
def test_a_loss_of_all_pairs_of_a_batch_is_named(tmp_path, loss_of, is_flat):
    def pairs(outputs, inputs):
        if is_flat:
            return loss_of(outputs.squeeze(1), target(inputs)[:, None])
        return loss_of(outputs, target(inputs))

    _, findings = trained(tmp_path, Model(1), pairs)
    assert list(findings) == ["LR509"]
    assert findings["LR509"].evidence["rows"] == ROWS


@pytest.mark.parametrize(
    "loss_of",
    [
        lambda outputs, inputs: functional.mse_loss(outputs[:, 0], target(inputs)),
        lambda outputs, inputs: functional.mse_loss(outputs, target(inputs)[:, None]),
        lambda outputs, inputs: functional.mse_loss(
            outputs.expand(-1, 3), inputs[:, :3]
        ),  # one number for three targets
        lambda outputs, inputs: (outputs - target(inputs)).square().mean(),
    ],
)
def test_other_losses_of_numbers_are_not(tmp_path, loss_of):
    assert trained(tmp_path, Model(1), loss_of)[1] == {}


def test_the_number_of_classes_needs_no_argument(tmp_path):
    def without_labels(outputs, inputs):
        generator = torch.Generator().manual_seed(int(1e6 * inputs[0, 0].abs()))
        labels = torch.randint(CLASSES, (ROWS,), generator=generator)
        return functional.cross_entropy(outputs, labels)

    observations, findings = trained(tmp_path, Model(), without_labels, steps=300)
    assert observations.facts["classes"] == CLASSES
    assert list(findings) == ["LR402"]


@pytest.mark.parametrize(
    "loss_of",
    [
        smoothed,
        lambda outputs, inputs: cross_entropy(outputs, inputs) + 0.1 * outputs.square().mean(),
        lambda outputs, inputs: functional.cross_entropy(
            outputs, labels_of(inputs), reduction="sum"
        ),
        lambda outputs, inputs: functional.cross_entropy(
            outputs @ inputs[:, :CLASSES].T, torch.arange(ROWS)
        ),  # pairs of a batch
    ],
)
def test_classes_are_counted_only_where_chance_is_their_logarithm(tmp_path, loss_of):
    assert "classes" not in trained(tmp_path, Model(), loss_of)[0].facts


@pytest.mark.parametrize(
    ("passed", "measured"),
    [(torch.Tensor.item, {}), (torch.Tensor.detach, {}), (lambda loss: loss, {"inspect": False})],
)
def test_without_a_graph_nothing_is_recorded(tmp_path, passed, measured):
    facts = trained(tmp_path, Model(), cross_entropy, passed=passed, **measured)[0].facts
    assert not {"classes", "loss_input", "loss_pairs"} & set(facts)


def test_the_graphs_of_a_few_losses_are_enough():
    graph, model = LossGraph(), Model()
    looks = 0
    while not graph.is_over:
        inputs = torch.randn(ROWS, 6)
        assert graph.look(cross_entropy(model(inputs), inputs))["classes"] == CLASSES
        looks += 1
    assert looks == 4
