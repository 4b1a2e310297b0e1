"""A character language model in a PyTorch loop of your own: a small transformer, clipped gradients.

    pip install 'learnrate[examples]'      # torch
    python character_model.py              # the sources of Python's standard library; two minutes
    python character_model.py --text shakespeare.txt --total-steps 3000

The results are written to --out: plan.json, report.html, and runs.db with the runs.
"""

import argparse
import inspect
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

import learnrate
from learnrate.report import plan_page

CONTEXT, BATCH, PASS = 64, 32, 100  # characters, sequences, batches
DEFAULT_RATE = 1e-3  # the default of torch.optim.AdamW
CLIP_NORM = 1.0
MODULES = (argparse, json.decoder, json.encoder)  # their sources are the text by default


def main() -> None:
    """Describe the task, plan, train at the planned and the default rate, write some text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--text", type=Path, help="file to learn from; by default Python's json and argparse"
    )
    parser.add_argument("--total-steps", type=int, default=500, help="updates of a whole run")
    parser.add_argument("--out", type=Path, default=Path("build/character_model"))
    arguments = parser.parse_args()

    text = "".join(map(inspect.getsource, MODULES))
    if arguments.text:
        text = arguments.text.read_text(encoding="utf-8")
    alphabet = sorted(set(text))
    codes = torch.tensor([alphabet.index(letter) for letter in text])
    train, held_out = codes[: int(0.9 * len(codes))], codes[int(0.9 * len(codes)) :]
    fixed = list(batches(held_out, seed=0, count=8))  # the batches that every model is judged by
    task = learnrate.Task(
        model=lambda: Characters(len(alphabet)),
        loss=loss_of,
        data=lambda seed: batches(train, seed),
        optimizer=torch.optim.AdamW,
        validate=lambda model: evaluate(model, fixed),
        total_steps=arguments.total_steps,
        clip_norm=CLIP_NORM,
        name="character model",
    )

    plan = learnrate.plan(task, budget=0.5, out=arguments.out)  # costs half a run; can be resumed
    plan.write(arguments.out / "plan.json")
    (arguments.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(f"{plan}\n")

    store = arguments.out / "runs.db"
    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")
    for name, peak in (("planned", plan.peak), ("default", DEFAULT_RATE)):
        torch.manual_seed(1)  # the same initial weights for both
        model = Characters(len(alphabet))
        before = evaluate(model, fixed)
        fit(model, train, peak / plan.peak * plan.schedule, name, store)
        after = evaluate(model, fixed)
        print(f"{name} peak {peak:.2g}: held-out loss {before:.3f} -> {after:.3f} a character")
        torch.save(model.state_dict(), arguments.out / f"{name}.pt")
        print(f"  it writes: {''.join(alphabet[code] for code in write(model, 80))!r}\n")

    print(f"report     {arguments.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {arguments.out}")


def fit(
    model: nn.Module, train: torch.Tensor, schedule: learnrate.Schedule, name: str, store: Path
) -> None:
    """An ordinary loop; `run` sets the rate, records, watches, and applies `learnrate steer`."""
    optimizer = torch.optim.AdamW(model.parameters())
    passes = (batches(train, seed) for seed in itertools.count())
    with learnrate.attach(optimizer, schedule, name=name, store=store, model=model) as run:
        for batch in itertools.chain.from_iterable(passes):
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimizer.step()
            run.step(loss, gradient_norm=norm, clipped=norm > CLIP_NORM)
            if run.done:
                break
    for finding in run.findings:
        print(f"  {finding.code}: {finding.message} {finding.remedy}")


class Characters(nn.Module):
    """Two layers of causal attention over the last characters; scores of the next one."""

    def __init__(self, letters: int, width: int = 64) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, width)
        self.positions = nn.Embedding(CONTEXT, width)
        layer = nn.TransformerEncoderLayer(width, 4, 256, 0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, nn.LayerNorm(width), False)
        self.scores = nn.Linear(width, letters)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Codes of shape (batch, length) to scores of shape (batch, length, letters)."""
        length = codes.shape[1]
        features = self.letters(codes) + self.positions.weight[:length]
        later = nn.Transformer.generate_square_subsequent_mask(length, device=codes.device)
        scores: torch.Tensor = self.scores(self.layers(features, mask=later, is_causal=True))
        return scores


def batches(codes: torch.Tensor, seed: int, count: int = PASS) -> Iterator[torch.Tensor]:
    """Random windows of the text, one character longer than the context."""
    draws = torch.Generator().manual_seed(seed)
    for _ in range(count):
        starts = torch.randint(len(codes) - CONTEXT, (BATCH, 1), generator=draws)
        yield codes[starts + torch.arange(CONTEXT + 1)]


def loss_of(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the next character, in nats."""
    return nn.functional.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def evaluate(model: nn.Module, fixed: list[torch.Tensor]) -> float:
    """The mean loss of some batches."""
    return sum(loss_of(model, batch).item() for batch in fixed) / len(fixed)


@torch.no_grad()
def write(model: nn.Module, length: int) -> list[int]:
    """Characters sampled one after another."""
    codes = torch.zeros(1, 1, dtype=torch.long)
    for _ in range(length):
        probabilities = model(codes[:, -CONTEXT:])[0, -1].softmax(0)
        codes = torch.cat([codes, probabilities.multinomial(1)[None]], dim=1)
    return codes[0, 1:].tolist()


if __name__ == "__main__":
    main()
