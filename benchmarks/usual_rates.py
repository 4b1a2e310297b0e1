"""The usual rate of known networks, as they are initialized, beside the peak rate that was published.

    python benchmarks/usual_rates.py [--page docs/why/usual-rate.md]

Nothing is trained or downloaded. Only some layers of the widest networks are made, because the layers are alike.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from _page import table, write_section

import learnrate

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


@dataclass(frozen=True)
class Network:
    """A network, and the peak rate of its published training.

    Attributes:
        name: what the table calls it.
        model: makes it.
        published: the peak rate.
        source: of the published rate, an arXiv number.
    """

    name: str
    model: Callable[[], nn.Module]
    published: float
    source: str


def _gpt(width: int, heads: int, layers: int) -> nn.Module:
    shape = transformers.GPT2Config(n_embd=width, n_head=heads, n_layer=layers)
    return transformers.GPT2LMHeadModel(shape)


def _llama() -> nn.Module:
    shape = transformers.LlamaConfig(num_hidden_layers=1, vocab_size=8_000)
    return transformers.LlamaForCausalLM(shape)


def _whisper(width: int, heads: int, layers: int) -> nn.Module:
    shape = transformers.WhisperConfig(
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
    )
    return transformers.WhisperModel(shape)


NETWORKS = (
    Network("GPT-3 Small, width 768", lambda: _gpt(768, 12, 12), 6e-4, "2005.14165"),
    Network("GPT-3 XL, width 2,048", lambda: _gpt(2048, 16, 2), 2e-4, "2005.14165"),
    Network("Llama 7B, width 4,096", _llama, 3e-4, "2302.13971"),
    Network(
        "ViT-B/16 on ImageNet",
        lambda: transformers.ViTModel(transformers.ViTConfig()),
        3e-3,
        "2010.11929",
    ),
    Network(
        "wav2vec 2.0 Base",
        lambda: transformers.Wav2Vec2Model(transformers.Wav2Vec2Config()),
        5e-4,
        "2006.11477",
    ),
    Network("Whisper tiny, width 384", lambda: _whisper(384, 6, 4), 1.5e-3, "2212.04356"),
    Network("Whisper small, width 768", lambda: _whisper(768, 12, 2), 5e-4, "2212.04356"),
    Network(
        "BERT Base, pretraining",
        lambda: transformers.BertModel(transformers.BertConfig()),
        1e-4,
        "1810.04805",
    ),
)


def cells(network: Network) -> list[str]:
    """The row of a network."""
    torch.manual_seed(0)
    usual = learnrate.usual_rate(torch.optim.AdamW(network.model().parameters()))
    source = f"[{network.source}](https://arxiv.org/abs/{network.source})"
    ratio = network.published / usual.lr
    return [network.name, f"{usual.lr:.2g}", f"{network.published:.2g}", f"{ratio:.2g}", source]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", type=Path, help="write the table into this page")
    arguments = parser.parse_args()
    header = ["network", "usual rate", "published peak", "ratio", "source"]
    drawn = table(header, [cells(network) for network in NETWORKS])
    print(drawn)
    if arguments.page is not None:
        write_section(arguments.page, "known", drawn)


if __name__ == "__main__":
    main()
