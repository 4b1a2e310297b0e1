"""muP for models: what grows, what is scaled, and the groups of the optimizer."""

import copy

import pytest
import torch
from torch import nn

import learnrate
from learnrate import ArgumentError, transfer


def mlp(width, **_):
    return nn.Sequential(
        nn.Linear(8, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)
    )


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.narrow(torch.relu(self.wide(self.norm(x))))


class Language(nn.Module):
    """An embedding, residual blocks, and a readout that may share the embedding's weight."""

    def __init__(self, width, depth=2, tied=False):
        super().__init__()
        self.embedding = nn.Embedding(16, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = nn.Linear(width, 16, bias=False)
        if tied:
            self.head.weight = self.embedding.weight

    def forward(self, x):
        x = self.embedding(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Convolutions(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3)
        self.down = nn.ConvTranspose2d(width, 2 * width, 3)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, groups=2 * width)
        self.norm = nn.GroupNorm(2, 2 * width)
        self.head = nn.Conv2d(2 * width, 3, 1)


TOKENS = torch.arange(16).view(2, 8)


def seeded(make, *arguments, **keywords):
    torch.manual_seed(0)
    return make(*arguments, **keywords)


def roles_of(make, **keywords):
    rules = transfer.parametrize(make(32), make(8), **keywords).rules
    return {name: rule.role.value for name, rule in rules.items()}


def test_the_roles_of_a_dense_network():
    assert roles_of(mlp) == {
        "0.weight": "input",
        "0.bias": "input",
        "2.weight": "hidden",
        "2.bias": "input",
        "4.weight": "readout",
        "4.bias": "fixed",
    }


def test_the_roles_of_convolutions():
    roles = roles_of(Convolutions)
    assert roles["down.weight"] == "hidden"
    assert roles["depthwise.weight"] == roles["norm.weight"] == roles["first.weight"] == "input"
    assert (roles["head.weight"], roles["head.bias"]) == ("readout", "fixed")


def test_the_roles_of_recurrent_and_attention_layers():
    def make(width):
        return nn.ModuleDict(
            {"lstm": nn.LSTM(4, width), "attention": nn.MultiheadAttention(width, width // 4)}
        )

    roles = roles_of(make)
    assert roles["lstm.weight_ih_l0"] == "input"
    assert roles["lstm.weight_hh_l0"] == roles["attention.in_proj_weight"] == "hidden"


def test_initial_scales_follow_the_width_whatever_the_code_does():
    """Layers of fixed initial scale end up as those that follow their fan-in."""

    def fixed(width):
        model = mlp(width)
        for name, parameter in model.named_parameters():
            nn.init.normal_(parameter, std=0.1 if "weight" in name else 0.01)
        return model

    model = seeded(fixed, 128)
    transfer.parametrize(model, fixed(32))
    stds = {name: parameter.detach().std().item() for name, parameter in model.named_parameters()}
    assert stds["0.weight"] == pytest.approx(0.1, rel=0.1)
    assert stds["2.weight"] == pytest.approx(0.1 / 2, rel=0.1)
    assert stds["4.weight"] == pytest.approx(0.1 / 4, rel=0.1)


def test_layers_of_the_same_shape_at_the_base_width_are_distinguished():
    """The input layer and the hidden layer are both 8 x 8 in the base model."""
    rules = transfer.parametrize(seeded(mlp, 128), seeded(mlp, 8)).rules
    assert rules["0.weight"].init == 1.0
    assert rules["2.weight"].init == 1.0
    assert rules["4.weight"].init == 0.25


def test_at_the_base_width_a_model_is_left_as_it_is():
    model = seeded(mlp, 32)
    before = copy.deepcopy(model.state_dict())
    transfer.parametrize(model, seeded(mlp, 32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    assert transfer.regroup(optimizer, model) == 1.0
    assert len(optimizer.param_groups) == 1
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_a_shared_readout_is_scaled_by_a_hook():
    model = seeded(Language, 64, tied=True)
    plain = copy.deepcopy(model)
    notes = transfer.parametrize(model, Language(16, tied=True)).notes
    assert notes == ("a hook multiplies the input of head by 0.25.",)
    hidden = torch.randn(3, 64)
    torch.testing.assert_close(model.head(hidden), plain.head(hidden) / 4)
    assert model.state_dict().keys() == plain.state_dict().keys()


def test_a_deeper_model_starts_with_smaller_steps_of_the_residual_stream():
    model = seeded(Language, 8, depth=6)
    plain = copy.deepcopy(model)
    result = transfer.parametrize(
        model, seeded(Language, 8, depth=2), forward=lambda model: model(TOKENS)
    )
    writers = {name for name, rule in result.rules.items() if rule.writes_residual}
    assert writers == {
        f"blocks.{i}.narrow.{part}" for i in range(6) for part in ("weight", "bias")
    }
    x = torch.randn(5, 8)
    for block, before in zip(model.blocks, plain.blocks, strict=True):
        torch.testing.assert_close(block(x) - x, (before(x) - x) / 3, rtol=1e-4, atol=1e-5)


def test_blocks_that_are_not_residual_are_refused():
    def make(depth):
        return nn.Sequential(*(nn.Linear(8, 8) for _ in range(depth)))

    with pytest.raises(ArgumentError, match="is not a residual block"):
        transfer.parametrize(make(4), make(2), forward=lambda model: model(torch.ones(2, 8)))
    with pytest.raises(ArgumentError, match="To apply the rules for depth, give forward="):
        transfer.parametrize(make(4), make(2))


class Own(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(8, width)
        self.out = nn.Parameter(torch.randn(width, 4))

    def forward(self, x):
        return self.first(x) @ self.out


def test_the_role_of_a_custom_parameter_is_guessed_and_can_be_stated():
    notes = transfer.parametrize(Own(32), Own(8)).notes
    assert "pass roles={'out': 'readout'}" in notes[0]
    stated = transfer.parametrize(Own(32), Own(8), roles={"out": "readout"})
    assert (stated.notes, stated.rules["out"].growth.fan_in) == ((), 4.0)
    for roles in ({"uot": "readout"}, {"out": "output"}):
        with pytest.raises(ArgumentError, match=r"parametrize\(roles=...\) must be"):
            transfer.parametrize(Own(32), Own(8), roles=roles)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (lambda: Own(8), "has no counterpart in the base model"),
        (lambda: nn.Sequential(*[nn.LayerNorm(8)] * 5), "made by the same code"),
    ],
)
def test_another_model_as_base_is_refused(base, message):
    with pytest.raises(ArgumentError, match=message):
        transfer.parametrize(mlp(32), base())


def test_a_model_is_not_scaled_twice():
    model = mlp(32)
    transfer.parametrize(model, mlp(8))
    with pytest.raises(ArgumentError, match="parametrized before"):
        transfer.parametrize(model, mlp(8))
    with pytest.raises(ArgumentError, match="has no parametrization"):
        transfer.regroup(torch.optim.SGD(mlp(8).parameters(), lr=0.1), mlp(8))


def transferred(make=mlp, kind=torch.optim.SGD, **settings):
    model = seeded(make, 32)
    transfer.parametrize(model, make(8))
    optimizer = kind(model.parameters(), **settings)
    return model, optimizer, transfer.regroup(optimizer, model)


def rates_by_name(model, optimizer, key="lr"):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: group[key]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_the_highest_rate_of_sgd_rises_with_the_width():
    model, optimizer, factor = transferred(lr=0.1)
    assert factor == 4.0
    assert rates_by_name(model, optimizer) == pytest.approx(
        {
            "0.weight": 0.4,
            "0.bias": 0.4,
            "2.weight": 0.1,
            "2.bias": 0.4,
            "4.weight": 0.025,
            "4.bias": 0.1,
        }
    )


def test_the_rate_of_muon_does_not_depend_on_the_width_but_with_adams_size_it_does():
    for adjust, expected in ((None, 1.0), ("match_rms_adamw", 0.5)):
        model = mlp(32)
        transfer.parametrize(model, mlp(8))
        matrix = torch.optim.Muon([model[2].weight], lr=1.0, adjust_lr_fn=adjust)
        rest = torch.optim.AdamW([model[0].weight, model[4].weight], lr=0.1)
        transfer.regroup([matrix, rest], model)
        assert matrix.param_groups[0]["lr"] == pytest.approx(expected)
        assert [group["lr"] for group in rest.param_groups] == pytest.approx([0.1, 0.025])


def test_groups_of_the_user_keep_their_settings():
    model = mlp(32)
    transfer.parametrize(model, mlp(8))
    weights = [p for p in model.parameters() if p.dim() > 1]
    biases = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": weights, "weight_decay": 0.1, "name": "w"}, {"params": biases, "lr": 1e-3}],
        lr=1e-2,
        weight_decay=0.0,
    )
    transfer.regroup(optimizer, model)
    decay = rates_by_name(model, optimizer, "weight_decay")
    assert (decay["0.weight"], decay["2.weight"], decay["0.bias"]) == pytest.approx((0.1, 0.4, 0))
    assert rates_by_name(model, optimizer)["2.bias"] == 1e-3
    assert optimizer.param_groups[0]["name"] == "w"


def test_what_cannot_be_regrouped_is_refused():
    model, optimizer, _ = transferred(lr=0.1)
    model(torch.ones(1, 8)).sum().backward()
    optimizer.state[model[0].weight]["momentum_buffer"] = torch.zeros(1)
    with pytest.raises(ArgumentError, match="has made updates"):
        transfer.regroup(optimizer, model)
    with pytest.raises(ArgumentError, match="a parameter of shape"):
        transfer.regroup(torch.optim.SGD(mlp(8).parameters(), lr=0.1), model)
    with pytest.raises(ArgumentError, match="the rules of muP are known for SGD, Adam"):
        transfer.regroup(torch.optim.Rprop(model.parameters()), model)
    with pytest.raises(ArgumentError, match="family must be one of"):
        transfer.regroup(torch.optim.Rprop(model.parameters()), model, family="lion")
    rprop = torch.optim.Rprop(model.parameters(), lr=0.1)
    assert transfer.regroup(rprop, model, family="adam") == 1.0


def test_the_groups_survive_a_torch_scheduler_a_run_and_a_state_dict():
    model, optimizer, factor = transferred(lr=0.1, momentum=0.9)
    shares = [group["lr"] / 0.4 for group in optimizer.param_groups]
    run = learnrate.attach(optimizer, f"{0.1 * factor} * linear(10)")
    model(torch.ones(1, 8)).sum().backward()
    optimizer.step()
    run.step(1.0)
    highest = max(group["lr"] for group in optimizer.param_groups)
    assert [group["lr"] / highest for group in optimizer.param_groups] == pytest.approx(shares)
    state = copy.deepcopy(optimizer.state_dict())
    model, resumed, _ = transferred(lr=0.1, momentum=0.9)
    resumed.load_state_dict(state)
    assert resumed.state_dict()["param_groups"] == state["param_groups"]
