"""The trained part of a peft model: the kind, rank and alpha of its adapter, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

__all__ = ["adapter_notes", "model_name"]

_KINDS = {"LORA": "LoRA", "ADALORA": "AdaLoRA", "LOHA": "LoHa", "LOKR": "LoKr", "IA3": "IA3"}
_PUBLISHED = (
    "Published rates of LoRA with Adam or AdamW lie between 6e-5 and 5e-4: 6e-5 to 5e-4 in "
    "Hu et al. 2021 (arXiv:2106.09685), 1e-4 and 2e-4 in Dettmers et al. 2023 (arXiv:2305.14314). "
    "They are rates of other tasks."
)


def model_name(model: nn.Module) -> str:
    """The class of a model; with an adapter, the class of its base with kind, rank and alpha.

    Args:
        model: a model of peft, or any other.
    """
    configs = _adapters(model)
    if not configs:
        return type(model).__name__
    base: Any = getattr(model, "get_base_model", lambda: model)()
    return ", ".join([type(base).__name__, *map(_words, configs)])


def adapter_notes(model: nn.Module) -> tuple[str, ...]:
    """Sentences for the report of a plan: what is trained, and the range of published rates.

    Args:
        model: a model of peft, or any other; without an adapter there are no sentences.
    """
    configs = _adapters(model)
    if not configs:
        return ()
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    total = sum(weight.numel() for weight in model.parameters())
    sentence = f"Trained through {' and '.join(map(_sentence, configs))}: {trained:,} of {total:,} weights."
    is_lora = any(_kind(config) == "LoRA" for config in configs)
    return (sentence, _PUBLISHED) if is_lora else (sentence,)


def _adapters(model: Any) -> list[Any]:
    """The settings of the adapters that are trained."""
    configs = getattr(model, "peft_config", None)
    if not isinstance(configs, dict):
        return []
    active = getattr(model, "active_adapters", [])
    names = active() if callable(active) else active
    return [configs[name] for name in names if name in configs]


def _kind(config: Any) -> str:
    value = getattr(config.peft_type, "value", config.peft_type)
    return _KINDS.get(str(value), str(value))


def _words(config: Any) -> str:
    rank, alpha = getattr(config, "r", None), getattr(config, "lora_alpha", None)
    words = _kind(config)
    words += f" of rank {rank}" if rank is not None else ""
    return words + (f" and alpha {alpha:g}" if alpha is not None else "")


def _sentence(config: Any) -> str:
    rank, alpha = getattr(config, "r", None), getattr(config, "lora_alpha", None)
    if not rank or alpha is None:
        return _words(config)
    divisor = math.sqrt(rank) if getattr(config, "use_rslora", False) else rank
    return f"{_words(config)}, whose product is scaled by {alpha / divisor:g}"
