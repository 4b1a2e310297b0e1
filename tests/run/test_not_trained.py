"""Which parts of a model a run does not train, said where a person looks."""

import json

import pytest
import torch
from torch import nn

import learnrate
from command import command_in
from learnrate.report import findings_page
from learnrate.run._untrained import untrained_facts
from learnrate.watch import diagnose


class Classifier(nn.Module):
    """Features of 905 weights, a norm of 24, and a head of 90."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(12, 50), nn.Tanh(), nn.Linear(50, 5))
        self.head = nn.Linear(5, 15)
        self.inputs = nn.LayerNorm(12)

    def forward(self, inputs):
        return self.head(self.features(self.inputs(inputs)))


class Adapted(nn.Module):
    """Frozen layers with adapters, as LoRA has them, and layers of which the first are frozen."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(
            [nn.ModuleDict({"base": nn.Linear(9, 9), "left": nn.Linear(9, 1)}) for _ in range(3)]
        )
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(6)])
        for block in self.blocks:
            block["base"].requires_grad_(requires_grad=False)
        for layer in self.layers[:5]:
            layer.requires_grad_(requires_grad=False)


def sgd(*parameters):
    return torch.optim.SGD([{"params": list(group)} for group in parameters], lr=0.1)


def facts(model, *parameters):
    return untrained_facts([sgd(*parameters)], model).get("not_trained")


def test_frozen_parts_are_named_with_their_share_of_the_weights():
    model = Classifier()
    model.features.requires_grad_(requires_grad=False)
    total = sum(parameter.numel() for parameter in model.parameters())
    frozen = sum(parameter.numel() for parameter in model.features.parameters())
    assert untrained_facts([sgd(model.parameters())], model) == {
        "not_trained": f"features.* ({100 * frozen / total:.0f} % of the weights)",
        "not_trained_share": pytest.approx(frozen / total, rel=1e-3),
    }


def test_parts_that_no_optimizer_has_are_distinguished_from_frozen_ones():
    model = Classifier()
    model.features[0].requires_grad_(requires_grad=False)
    assert facts(model, model.features.parameters(), model.inputs.parameters()) == (
        "features.0.* (64 % of the weights); head.* (8.8 % of the weights, not in an optimizer)"
    )
    optimizers = [sgd(model.head.parameters()), sgd(model.features.parameters())]
    assert untrained_facts(optimizers, model)["not_trained"] == (
        "features.0.* (64 % of the weights); inputs.* (2.4 % of the weights, not in an optimizer)"
    )


def test_a_single_tensor_and_equal_parts_of_layers_are_named_briefly():
    model = Classifier()
    model.head.bias.requires_grad_(requires_grad=False)
    assert facts(model, model.parameters()) == "head.bias (1.5 % of the weights)"
    adapted = Adapted()
    assert facts(adapted, adapted.parameters()) == (
        "blocks.*.base.*, layers.0.*, layers.1.* and 3 more (88 % of the weights)"
    )
    assert facts(nn.DataParallel(model), model.parameters()) == "head.bias (1.5 % of the weights)"


def test_a_model_that_is_trained_or_not_known_has_no_line():
    model = Classifier()
    assert facts(model, model.parameters()) is None
    copies = [nn.Parameter(parameter.detach().clone()) for parameter in model.parameters()]
    assert facts(model, copies) is None  # master weights, perhaps
    lazy = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 3).requires_grad_(requires_grad=False))
    assert facts(lazy, lazy[1].parameters()) is None


@pytest.fixture
def fine_tuned(tmp_path):
    """A stored run that trains the head alone; a function, which takes arguments of attach."""

    def train(**known):
        torch.manual_seed(0)
        model = Classifier()
        model.features.requires_grad_(requires_grad=False)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        known = dict.fromkeys(known, model)
        with learnrate.attach(
            optimizer, "0.01 * linear(60)", store=tmp_path / "a.db", **known
        ) as run:
            for _ in range(60):
                inputs = torch.randn(32, 12)
                loss = nn.functional.cross_entropy(model(inputs), inputs.argmax(1))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.step(loss)
        return run

    return train


SENTENCE = "Not trained when the run began: features.* (89 % of the weights)."


def test_the_line_on_untrained_parts_is_in_the_run_its_diagnosis_and_its_pages(
    fine_tuned, tmp_path, monkeypatch, capsys
):
    run = fine_tuned(model=True)
    assert run.not_trained == SENTENCE
    observations = learnrate.Store(tmp_path / "a.db").observations(run.id)
    diagnosis = diagnose(observations)
    assert diagnosis.not_trained == SENTENCE
    assert SENTENCE in findings_page([(observations, diagnosis)])
    call = command_in(tmp_path, monkeypatch, capsys)
    for arguments in (("diagnose", "--run", run.id), ("runs", run.id)):
        code, out, _ = call(*arguments, "--store", tmp_path / "a.db")
        assert code == 0
        assert SENTENCE in " ".join(out.split())
    _, out, _ = call("diagnose", "--run", run.id, "--json", "--store", tmp_path / "a.db")
    (row,) = [row for row in json.loads(out) if row["code"] == "not trained"]
    assert (row["severity"], row["message"]) == ("info", SENTENCE)


def test_without_a_model_there_is_no_line_on_untrained_parts(fine_tuned, tmp_path):
    run = fine_tuned()
    assert run.not_trained == ""
    diagnosis = diagnose(learnrate.Store(tmp_path / "a.db").observations(run.id))
    assert diagnosis.not_trained == ""
    assert "not trained" not in [row["code"] for row in diagnosis.to_list()]
