"""Scaling laws of the literature, each with its source and the range in which it was found to hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from learnrate._errors import ArgumentError

__all__ = [
    "AdamSettings",
    "adam_batch",
    "linear_batch",
    "mup_width",
    "noise_scale_batch",
    "sqrt_batch",
    "step_law",
    "step_law_batch",
    "surge_batch",
    "token_horizon",
]


def linear_batch(lr: float, *, batch: float, new_batch: float) -> float:
    """The rate at another batch size under the linear rule, for SGD.

        lr(new_batch) = lr * new_batch / batch

    The number of epochs stays the same. It holds if the batch is well below the gradient noise
    scale (`noise_scale_batch` has the bend); in Goyal et al. for ResNet-50 on ImageNet up to a batch
    of 8,192, with a warm-up. For Adam see `sqrt_batch`.

    Args:
        lr: the best rate at `batch`, above 0.
        batch: the batch size that `lr` is for, in examples, above 0.
        new_batch: the batch size to scale to, in examples, above 0.

    Raises:
        ArgumentError: an argument is not a finite number above 0.

    Examples:
        >>> linear_batch(0.1, batch=256, new_batch=1024)
        0.4

    References:
        Krizhevsky 2014, arXiv:1404.5997; Goyal et al. 2017, arXiv:1706.02677.
    """
    _positive(lr=lr, batch=batch, new_batch=new_batch)
    return lr * (new_batch / batch)


def sqrt_batch(lr: float, *, batch: float, new_batch: float) -> float:
    """The rate at another batch size under the square-root rule, for Adam and RMSprop.

        lr(new_batch) = lr * sqrt(new_batch / batch)

    The number of epochs stays the same. It is derived for gradients that are dominated by noise, and
    holds only if Adam's other settings change too: see `adam_batch`. Above the noise scale the best rate
    stops rising, or falls (`surge_batch`).

    Args:
        lr: the best rate at `batch`, above 0.
        batch: the batch size that `lr` is for, in examples, above 0.
        new_batch: the batch size to scale to, in examples, above 0.

    Raises:
        ArgumentError: an argument is not a finite number above 0.

    Examples:
        >>> sqrt_batch(3e-4, batch=256, new_batch=1024)
        0.0006

    References:
        Malladi et al. 2022, On the SDEs and scaling rules for adaptive gradient algorithms,
        arXiv:2205.10287; for SGD Hoffer et al. 2017, arXiv:1705.08741.
    """
    _positive(lr=lr, batch=batch, new_batch=new_batch)
    return lr * math.sqrt(new_batch / batch)


def noise_scale_batch(lr_max: float, *, batch: float, noise_scale: float) -> float:
    """The best rate at a batch size, given the gradient noise scale; for SGD.

        lr(batch) = lr_max / (1 + noise_scale / batch)

    The noise scale is B_noise = tr(H C) / g'Hg (H: Hessian, C: covariance of one example's gradient,
    g: gradient), in practice estimated by tr(C) / |g|^2. The rate is linear far below the noise scale
    and constant far above it; the law is exact for one step on a quadratic. The noise scale grows
    during training.

    Args:
        lr_max: the best rate with the whole gradient, above 0.
        batch: the batch size, in examples, above 0.
        noise_scale: the gradient noise scale, in examples, above 0.

    Raises:
        ArgumentError: an argument is not a finite number above 0.

    Examples:
        >>> noise_scale_batch(0.1, batch=512, noise_scale=512)
        0.05

    References:
        McCandlish et al. 2018, An empirical model of large-batch training, arXiv:1812.06162.
    """
    _positive(lr_max=lr_max, batch=batch, noise_scale=noise_scale)
    return lr_max / (1.0 + noise_scale / batch)


def surge_batch(lr_max: float, *, batch: float, noise_scale: float) -> float:
    """The best rate at a batch size, given the gradient noise scale; for Adam and sign-like updates.

        lr(batch) = lr_max / (1/2 * (sqrt(noise_scale / batch) + sqrt(batch / noise_scale)))

    The rate rises as a square root, is highest (`lr_max`) at a batch as large as the noise scale, and
    falls beyond it. It is derived for sign updates with Gaussian gradients, and was shown on small
    vision and language models. The peak moves to larger batches during training.

    Args:
        lr_max: the best rate at a batch as large as the noise scale, above 0.
        batch: the batch size, in examples, above 0.
        noise_scale: the gradient noise scale, in examples, above 0.

    Raises:
        ArgumentError: an argument is not a finite number above 0.

    Examples:
        >>> [round(surge_batch(1e-3, batch=b, noise_scale=256), 6) for b in (64, 256, 1024)]
        [0.0008, 0.001, 0.0008]

    References:
        Li et al. 2024, Surge phenomenon in optimal learning rate and batch size scaling,
        arXiv:2405.14578.
    """
    _positive(lr_max=lr_max, batch=batch, noise_scale=noise_scale)
    root = math.sqrt(batch / noise_scale)
    return lr_max / (0.5 * (1.0 / root + root))


def mup_width(lr: float, *, width: float, new_width: float) -> float:
    """Adam's rate of the hidden matrices at another width, under the maximal update parametrisation.

        lr(new_width) = lr * width / new_width

    For matrices whose two sides both grow with the width; the rates of embeddings, biases and norms
    do not change. It holds only in a model that is parametrised in this way throughout (hidden
    initial variance in proportion to 1 / width, output logits times width / new_width, attention
    divided by the head size). It says nothing about depth, batch or length of training.

    Args:
        lr: the best rate at `width`, above 0.
        width: the width that `lr` is for, above 0.
        new_width: the width to scale to, above 0.

    Raises:
        ArgumentError: an argument is not a finite number above 0.

    Examples:
        >>> mup_width(0.01, width=256, new_width=4096)
        0.000625

    References:
        Yang et al. 2022, Tensor Programs V, arXiv:2203.03466.
    """
    _positive(lr=lr, width=width, new_width=new_width)
    return lr * (width / new_width)


def step_law(parameters: float, tokens: float) -> float:
    """The best peak rate to pre-train a language model, at the best batch size for it.

        lr = 1.79 * N^-0.713 * D^0.307

    It was fitted with AdamW and one recipe, on models of up to 1 billion parameters and 100 billion
    tokens. It does not depend on the batch: the rate is meant for `step_law_batch(D)`. At other
    batch sizes the exponent of D differs, and is negative at small ones.

    Args:
        parameters: N, parameters without embeddings, above 0.
        tokens: D, training tokens, above 0.

    Raises:
        ArgumentError: an argument is not a finite number above 0.

    Examples:
        >>> f"{step_law(1e9, 20e9):.2e}"
        '9.96e-04'

    References:
        Li et al. 2025, Predictable scale: Part I, step law, arXiv:2503.04715.
    """
    _positive(parameters=parameters, tokens=tokens)
    return float(1.79 * parameters**-0.713 * tokens**0.307)


def step_law_batch(tokens: float) -> float:
    """The best batch to pre-train a language model, in tokens: the other half of `step_law`.

        batch = 0.58 * D^0.571

    Raises:
        ArgumentError: `tokens` is not a finite number above 0.

    Examples:
        >>> round(step_law_batch(20e9) / 2048)
        216

    References:
        Li et al. 2025, arXiv:2503.04715.
    """
    _positive(tokens=tokens)
    return float(0.58 * tokens**0.571)


def token_horizon(
    lr: float, *, tokens: float, new_tokens: float, exponent: float = -0.32
) -> float:
    """The rate for a longer training of the same model, at the same batch size.

        lr(new_tokens) = lr * (new_tokens / tokens)^exponent

    The exponent -0.32 is that of models from 760 million parameters on, at a fixed batch of half a
    million tokens, with AdamW and a cosine schedule; smaller models had -0.38 to -0.7. At large
    batches the best rate does not fall with the horizon, or rises: fit your own runs if you can.

    Args:
        lr: the best rate for `tokens`, above 0.
        tokens: the training length that `lr` is for, in tokens, above 0.
        new_tokens: the training length to scale to, in tokens, above 0.
        exponent: the power of the length, finite.

    Raises:
        ArgumentError: a rate or number of tokens is not a finite number above 0, or the exponent
            is not finite.

    Examples:
        >>> round(token_horizon(1e-3, tokens=10e9, new_tokens=100e9), 6)
        0.000479

    References:
        Bjorck et al. 2024, Scaling optimal LR across token horizons, arXiv:2409.19913.
    """
    _positive(lr=lr, tokens=tokens, new_tokens=new_tokens)
    if not math.isfinite(exponent):
        raise ArgumentError(f"exponent must be a finite number; got {exponent!r}.")
    return float(lr * (new_tokens / tokens) ** exponent)


@dataclass(frozen=True)
class AdamSettings:
    """Adam's settings that depend on the batch size.

    Attributes:
        lr: the rate, above 0.
        beta1: decay rate of the first moments, between 0 and 1.
        beta2: decay rate of the second moments, between 0 and 1.
        eps: the constant in the denominator, at least 0.
    """

    lr: float
    beta1: float
    beta2: float
    eps: float


def adam_batch(settings: AdamSettings, *, batch: float, new_batch: float) -> AdamSettings:
    """All of Adam's settings at another batch size, so that training follows the same path.

        k = new_batch / batch
        lr -> lr * sqrt(k)   1 - beta -> (1 - beta) * k   eps -> eps / sqrt(k)

    The number of epochs stays the same, so there are 1 / k as many updates. It is derived from
    Adam's stochastic differential equation, which holds if noise dominates the gradient and the
    number of updates is large.

    Args:
        settings: Adam's settings at `batch`.
        batch: the batch size that `settings` are for, in examples, above 0.
        new_batch: the batch size to scale to, in examples, above 0.

    Raises:
        ArgumentError: a batch or the rate is not a finite number above 0, a beta is outside
            0 < beta < 1, eps is negative, or k is so large that a beta would not stay above 0.

    Examples:
        >>> adam_batch(AdamSettings(1e-3, 0.9, 0.99, 1e-8), batch=256, new_batch=1024)
        AdamSettings(lr=0.002, beta1=0.6, beta2=0.96, eps=5e-09)

    References:
        Malladi et al. 2022, arXiv:2205.10287.
    """
    _positive(lr=settings.lr, batch=batch, new_batch=new_batch)
    if not 0 <= settings.eps < math.inf:
        raise ArgumentError(f"eps must be a finite number, at least 0; got {settings.eps!r}.")
    factor = new_batch / batch
    return AdamSettings(
        lr=settings.lr * math.sqrt(factor),
        beta1=_faster("beta1", settings.beta1, factor),
        beta2=_faster("beta2", settings.beta2, factor),
        eps=settings.eps / math.sqrt(factor),
    )


def _faster(name: str, beta: float, factor: float) -> float:
    """The decay rate of an average over 1 / `factor` as many updates."""
    if not 0 < beta < 1:
        raise ArgumentError(f"{name} must lie between 0 and 1, both excluded; got {beta!r}.")
    share = (1.0 - beta) * factor
    if share >= 1:
        raise ArgumentError(
            f"new_batch must be below {1 / (1 - beta):.4g} times batch, where {name} = {beta:g} "
            f"becomes 0; got {factor:.4g} times. Scale to a smaller batch."
        )
    return round(1.0 - share, 15)


def _positive(**values: Any) -> None:
    for name, value in values.items():
        if isinstance(value, str) or not 0 < value < math.inf:
            raise ArgumentError(f"{name} must be a finite number above 0; got {value!r}.")
