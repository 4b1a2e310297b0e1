"""Models of transformers, made from a config with random weights, without a change of their code."""

import pytest
import torch

from learnrate import transfer
from needed import needed

transformers = needed("transformers")
TOKENS = torch.arange(16).view(2, 8)


def gpt2(width, depth=1):
    config = transformers.GPT2Config(
        n_embd=width,
        n_head=width // 8,
        n_layer=depth,
        vocab_size=16,
        n_positions=8,
        bos_token_id=0,
        eos_token_id=0,
    )
    return transformers.GPT2LMHeadModel(config)


def llama(width, depth=1):
    config = transformers.LlamaConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_attention_heads=2,
        num_key_value_heads=2,
        num_hidden_layers=depth,
        vocab_size=16,
        max_position_embeddings=8,
    )
    return transformers.LlamaForCausalLM(config)


def parametrized(make):
    """A model that is four times as wide and twice as deep as its base."""
    torch.manual_seed(0)
    model = make(64, 2)
    result = transfer.parametrize(model, make(16, 1), forward=lambda model: model(TOKENS))
    return model, result


def test_a_gpt2_shares_its_readout_and_has_layers_of_a_fixed_initial_scale():
    model, result = parametrized(gpt2)
    rules = result.rules
    assert rules["transformer.wte.weight"].in_forward
    assert "a hook multiplies the input of lm_head by 0.25." in result.notes
    block = "transformer.h.1"
    assert rules[f"{block}.attn.c_attn.weight"].init == pytest.approx(1 / 2)
    # GPT-2 itself divides by the root of twice the depth; CompleteP divides by its growth.
    assert rules[f"{block}.mlp.c_proj.weight"].init == pytest.approx(1 / 2 / 2**0.5)
    writers = {name for name, rule in rules.items() if rule.writes_residual and "h.0" in name}
    assert {name.removeprefix("transformer.h.0.") for name in writers} == {
        f"{layer}.c_proj.{part}" for layer in ("attn", "mlp") for part in ("weight", "bias")
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    assert transfer.regroup(optimizer, model) == 1.0
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx(
        [0.01 / 8, 0.01 / 4, 0.01 / 2, 0.01]
    )


def test_a_llama_whose_heads_grow_divides_by_their_size():
    model, result = parametrized(llama)
    attention = model.model.layers[1].self_attn
    assert attention.scaling == pytest.approx(32**-0.5 * (8 / 32) ** 0.5)
    assert any("scaling of the attention layers" in note for note in result.notes)
    assert result.rules["lm_head.weight"].role is transfer.Role.READOUT
    written = {name for name, rule in result.rules.items() if rule.writes_residual}
    assert {name.rpartition("layers.")[2] for name in written} == {
        f"{index}.{layer}.weight"
        for index in (0, 1)
        for layer in ("self_attn.o_proj", "mlp.down_proj")
    }
