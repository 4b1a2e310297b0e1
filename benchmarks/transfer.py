"""Does the best rate stay over widths? Sweeps with muP and with the standard parametrization.

    python benchmarks/transfer.py [CASE ...] [--out build/transfer] [--page docs/how-to/transfer.md]

Each case is a model at three widths, the largest 16 times the smallest, trained at three rates a decade
with one or two seeds. Finished trials are kept in --out, and each finished case is a line of
`results/transfer.jsonl`. The transformer reads tiny Shakespeare from ../shared/data, or the sources of
Python's standard library.
"""

from __future__ import annotations

import argparse
import inspect
import json
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from _page import table, write_section
from torch import nn
from torch.nn import functional

from learnrate import Task, transfer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESULTS = Path(__file__).parent / "results" / "transfer.jsonl"
SHAKESPEARE = Path(__file__).parents[2] / "shared" / "data" / "tinyshakespeare.txt"
CONTEXT = 16


@cache
def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """scikit-learn's digits, 600 of them for validation with fixed noise."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow to load

    images, labels = load_digits(return_X_y=True)
    x = (torch.tensor(images, dtype=torch.float32) - 4.88) / 6.02
    y = torch.tensor(labels)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    train, left_out = order[600:], order[:600]
    noise = torch.randn((600, 64), generator=torch.Generator().manual_seed(1))
    return x[train], y[train], x[left_out] + noise, y[left_out]


def noisy_digits(seed: int, batch: int = 32) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of digits, each with new noise, so that they cannot be memorised."""
    x, y, _, _ = digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(x), generator=generator)
    for start in range(0, len(x) - batch + 1, batch):
        chosen = order[start : start + batch]
        yield x[chosen] + torch.randn((batch, 64), generator=generator), y[chosen]


def digits_loss(model: nn.Module) -> float:
    """The loss on the digits that were left out."""
    _, _, x, y = digits()
    return float(functional.cross_entropy(model(x), y))


@cache
def characters() -> torch.Tensor:
    """A text as numbers below 64; rarer characters are one."""
    if SHAKESPEARE.exists():
        text = SHAKESPEARE.read_text(encoding="utf-8")
    else:
        text = inspect.getsource(argparse)
    letters = {letter: index for index, letter in enumerate(sorted(set(text))[:63])}
    return torch.tensor([letters.get(letter, 63) for letter in text])


def text_batches(seed: int, batch: int = 8) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """A hundred batches of characters and those after them."""
    codes = characters()
    last = int(0.9 * len(codes)) - CONTEXT - 1
    generator = torch.Generator().manual_seed(seed)
    for _ in range(100):
        starts = torch.randint(last, (batch,), generator=generator)
        parts = torch.stack([codes[start : start + CONTEXT + 1] for start in starts.tolist()])
        yield parts[:, :-1], parts[:, 1:]


def text_loss(model: nn.Module) -> float:
    """The loss on the last tenth of the text."""
    codes = characters()[int(0.9 * len(characters())) :]
    parts = codes[: 64 * (CONTEXT + 1)].view(64, CONTEXT + 1)
    return float(next_character(model, (parts[:, :-1], parts[:, 1:])))


def next_character(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The loss of predicting every next character."""
    inputs, targets = batch
    scores: torch.Tensor = model(inputs)
    loss: torch.Tensor = functional.cross_entropy(scores.flatten(0, 1), targets.flatten())
    return loss


def mlp(width: int) -> nn.Module:
    """Three hidden layers."""
    return nn.Sequential(
        nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
        nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10),
    )  # fmt: skip


class Residual(nn.Module):
    """Two convolutions with GroupNorm beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(4, width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(4, width),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input and what the block adds."""
        return torch.relu(x + self.body(x))


def resnet(width: int) -> nn.Module:
    """Two residual blocks over 2 x 2 patches of 4 x 4 pixels."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, width, 4, stride=4, bias=False),
        nn.GroupNorm(4, width), nn.ReLU(), Residual(width), Residual(width),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10),
    )  # fmt: skip


class Block(nn.Module):
    """A pre-norm block of a transformer with heads of size 8."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = width // 8
        self.first_norm, self.second_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input and what attention and the dense layers add."""
        batch, length, width = x.shape
        parts = self.queries_keys_values(self.first_norm(x))
        parts = parts.view(batch, length, 3, self.heads, 8).permute(2, 0, 3, 1, 4)
        queries, keys, values = parts[0], parts[1], parts[2]
        mask = torch.full((length, length), -1e9).triu(1)
        weights = (queries @ keys.transpose(-1, -2) / 8**0.5 + mask).softmax(-1)
        x = x + self.mixed((weights @ values).transpose(1, 2).reshape(batch, length, width))
        added: torch.Tensor = self.narrow(functional.gelu(self.wide(self.second_norm(x))))
        return x + added


class Transformer(nn.Module):
    """Two blocks over 16 characters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(64, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the next character."""
        hidden = self.embedding(x) + self.places(torch.arange(x.shape[1]))
        return torch.as_tensor(self.head(self.norm(self.blocks(hidden))))


def of_digits(model: Callable[[int], nn.Module], optimizer: Any, steps: int, width: int) -> Task:
    """A task on the noisy digits."""
    return Task(
        model=partial(model, width), loss=nn.CrossEntropyLoss(), data=noisy_digits,
        optimizer=optimizer, validate=digits_loss, total_steps=steps,
        name=f"{model.__name__} {width}",
    )  # fmt: skip


def of_text(optimizer: Any, steps: int, width: int) -> Task:
    """A task on the text."""
    return Task(
        model=partial(Transformer, width), loss=next_character, data=text_batches,
        optimizer=optimizer, validate=text_loss, total_steps=steps, name=f"transformer {width}",
    )  # fmt: skip


SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
ADAM = partial(torch.optim.AdamW, weight_decay=0.0)


@dataclass(frozen=True)
class Case:
    """What is swept.

    Attributes:
        make_task: a function of the width.
        widths: the widths.
        low: the lowest rate.
        high: about the highest rate.
        seeds: trainings at each rate.
        per_decade: how many rates a decade has.
        engine: the engine that is faster for it.
    """

    make_task: Callable[[int], Task]
    widths: tuple[int, ...]
    low: float
    high: float
    seeds: int
    per_decade: int
    engine: str


CASES = {
    "MLP, Adam": Case(
        partial(of_digits, mlp, ADAM, 100), (32, 128, 512), 1e-3, 0.2, 2, 3, "vectorised"
    ),
    "MLP, SGD": Case(
        partial(of_digits, mlp, SGD, 100), (32, 128, 512), 5e-3, 1.0, 2, 3, "vectorised"
    ),
    "ResNet, SGD": Case(
        partial(of_digits, resnet, SGD, 40), (16, 64, 256), 5e-3, 0.5, 1, 3, "sequential"
    ),
    "transformer, AdamW": Case(
        partial(of_text, ADAM, 40), (16, 64, 256), 5e-4, 0.1, 1, 3, "vectorised"
    ),
}


def spaced(low: float, high: float, per_decade: int) -> list[float]:
    """Rates from low to about high, equal factors apart."""
    count = round(per_decade * np.log10(high / low)) + 1
    return [float(f"{low * 10 ** (index / per_decade):.4g}") for index in range(count)]


def measured(case: str, *, standard: bool, out: Path) -> dict[str, Any]:
    """The sweeps of a case, as a row."""
    described = CASES[case]
    swept = transfer.sweep(
        described.make_task,
        described.widths,
        spaced(described.low, described.high, described.per_decade),
        standard=standard,
        seeds=described.seeds,
        engine=described.engine,
        out=out,
    )
    losses = [
        {"width": part.width, "lrs": part.lrs.tolist(), "losses": _json(part.losses)}
        for part in swept.sweeps
    ]
    return {"case": case, **swept.to_dict(), "sweeps": losses}


def _json(losses: np.ndarray) -> list[list[float | None]]:
    return [[float(f"{x:.6g}") if np.isfinite(x) else None for x in row] for row in losses]


def kept_rows() -> dict[tuple[str, str], dict[str, Any]]:
    """The rows that were measured, by case and parametrization."""
    if not RESULTS.exists():
        return {}
    rows = map(json.loads, RESULTS.read_text().splitlines())
    return {(row["case"], row["parametrization"]): row for row in rows}


def _cells(row: dict[str, Any] | None) -> tuple[str, str]:
    """The factor of the best rate and the cost of keeping it."""
    if row is None:
        return "", ""
    factor = "" if row["factor"] is None else f"{row['factor']:.2f}"
    return factor, "diverges" if row["cost"] is None else f"{100 * row['cost']:.1f} %"


def page_table() -> str:
    """The factor by which the best rate moves, and what keeping it costs, as a Markdown table."""
    rows = kept_rows()
    lines = []
    for case, described in CASES.items():
        cells = [case, f"{described.widths[0]} to {described.widths[-1]}"]
        pair = [rows.get((case, kind)) for kind in ("mup", "standard")]
        if any(row is not None for row in pair):
            lines.append([*cells, *(cell for row in pair for cell in _cells(row))])
    header = ["model", "width", "muP: factor", "cost", "standard: factor", "cost"]
    return table(header, lines)


def main() -> None:
    """Measure the cases that are missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("build/transfer"))
    parser.add_argument("--page", type=Path, help="write the table to this page")
    parser.add_argument("--only", choices=("mup", "standard"), help="one parametrization")
    arguments = parser.parse_args()
    for case in arguments.cases or CASES:
        for kind in (arguments.only,) if arguments.only else ("mup", "standard"):
            if (case, kind) in kept_rows():
                continue
            row = measured(case, standard=kind == "standard", out=arguments.out)
            with RESULTS.open("a") as file:
                file.write(json.dumps(row, allow_nan=False) + "\n")
            print(case, kind, row["reason"])
    if arguments.page:
        write_section(arguments.page, "transfer", page_table())


if __name__ == "__main__":
    main()
