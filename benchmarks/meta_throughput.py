"""Episodes per second of meta-gradients, second order, against the peers, in one run.

    python benchmarks/meta_throughput.py [--only sines,omniglot] [--threads 2] [--json]

Each batch has 16 episodes with one inner step. `loop` is a double backward pass for one episode at a
time. TorchOpt and learn2learn are measured if they can be imported: `pip install torchopt` installs the
former. learn2learn 0.2.0 does not install on Python 3.11 (pip refuses its dependency qpth, and its C
sources are for an older Python), so it is measured only if it was built by hand. All are timed in turn,
several times; the fastest time of each counts.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.func import functional_call

from learnrate import meta

if TYPE_CHECKING:
    from collections.abc import Callable

EPISODES, ROUNDS, LR = 16, 7, 0.1
TARGETS = {"sines": 3.0, "omniglot": 1.5}
Slopes = list[torch.Tensor]


class ConvBlock(nn.Module):
    """A strided convolution with BatchNorm over the statistics of the batch."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 64, 3, stride=2, padding=1),
            nn.BatchNorm2d(64, track_running_stats=False),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features of half the height and width."""
        return torch.as_tensor(self.body(x))


def omniglot() -> tuple[nn.Module, nn.Module, meta.Episode]:
    """The four-layer network, 5-way 1-shot, on random images."""
    model = nn.Sequential(
        ConvBlock(1), ConvBlock(64), ConvBlock(64), ConvBlock(64), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64, 5),
    )  # fmt: skip
    x = torch.randn(2, EPISODES, 5, 1, 28, 28)
    y = torch.arange(5).expand(EPISODES, 5)
    return model, nn.CrossEntropyLoss(), meta.Episode((x[0], y), (x[1], y))


def sines() -> tuple[nn.Module, nn.Module, meta.Episode]:
    """The network of 40-40 units on sine waves from 10 points."""
    model = nn.Sequential(
        nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
    )
    return model, nn.MSELoss(), meta.Sinusoids().draw(EPISODES, 0)


def rows(episode: meta.Episode) -> list[tuple[Any, Any, Any, Any]]:
    """Each episode's support and query."""
    tensors = (*episode.support, *episode.query)
    return list(zip(*tensors, strict=True))


def by_loop(model: nn.Module, criterion: nn.Module, episode: meta.Episode) -> Slopes:
    """Plain double backward."""
    first: dict[str, torch.Tensor] = dict(model.named_parameters())
    loss_sum = torch.zeros(())
    for x, y, query_x, query_y in rows(episode):
        loss = criterion(functional_call(model, first, (x,)), y)
        slopes = torch.autograd.grad(loss, list(first.values()), create_graph=True)
        adapted = {name: p - LR * s for (name, p), s in zip(first.items(), slopes, strict=True)}
        loss_sum = loss_sum + criterion(functional_call(model, adapted, (query_x,)), query_y)
    return list(torch.autograd.grad(loss_sum / len(episode), list(first.values())))


def by_torchopt(model: nn.Module, criterion: nn.Module, episode: meta.Episode) -> Slopes:
    """TorchOpt's differentiable SGD, as in its MAML example."""
    torchopt = importlib.import_module("torchopt")
    inner = torchopt.MetaSGD(model, lr=LR)
    weights = list(model.parameters())
    state = torchopt.extract_state_dict(model, by="reference", detach_buffers=True)
    optimizer = torchopt.extract_state_dict(inner, by="reference")
    loss_sum = torch.zeros(())
    for x, y, query_x, query_y in rows(episode):
        inner.step(criterion(model(x), y))
        loss_sum = loss_sum + criterion(model(query_x), query_y)
        torchopt.recover_state_dict(model, state)
        torchopt.recover_state_dict(inner, optimizer)
    return list(torch.autograd.grad(loss_sum / len(episode), weights))


def by_learn2learn(model: nn.Module, criterion: nn.Module, episode: meta.Episode) -> Slopes:
    """learn2learn's MAML, as in its examples."""
    wrapped = importlib.import_module("learn2learn").algorithms.MAML(model, lr=LR)
    loss_sum = torch.zeros(())
    for x, y, query_x, query_y in rows(episode):
        learner = wrapped.clone()
        learner.adapt(criterion(learner(x), y))
        loss_sum = loss_sum + criterion(learner(query_x), query_y)
    return list(torch.autograd.grad(loss_sum / len(episode), list(model.parameters())))


PEERS = {"torchopt": by_torchopt, "learn2learn": by_learn2learn}


def importable(name: str) -> bool:
    """Whether a peer can be imported."""
    try:
        importlib.import_module(name)
    except (ImportError, RuntimeError, AttributeError):
        return False
    return True


def measure(name: str) -> dict[str, Any]:
    """Episodes a second of each way, the ratio to the fastest peer, and the gradients' differences."""
    torch.manual_seed(0)
    model, criterion, episode = {"sines": sines, "omniglot": omniglot}[name]()
    task = meta.MetaTask(model=model, loss=criterion, episodes=meta.Sinusoids(), inner_lr=LR)
    ways: dict[str, Callable[[], Slopes]] = {
        "learnrate": lambda: list(meta.meta_gradient(task, model, episode).values()),
        "loop": lambda: by_loop(model, criterion, episode),
    }
    for peer, gradient_of in PEERS.items():
        if importable(peer):
            ways[peer] = partial(gradient_of, model, criterion, episode)
    gradients = {way: gradient() for way, gradient in ways.items()}
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for way, gradient in ways.items():
            start = time.perf_counter()
            gradient()
            seconds[way] = min(seconds[way], time.perf_counter() - start)
    fastest = min(least for way, least in seconds.items() if way != "learnrate")
    difference = max(
        float((slope - other).abs().max())
        for slopes in gradients.values()
        for slope, other in zip(gradients["learnrate"], slopes, strict=True)
    )
    return {
        "episodes_per_second": {
            way: EPISODES / fastest_time for way, fastest_time in seconds.items()
        },
        "ratio": fastest / seconds["learnrate"],
        "target": TARGETS[name],
        "largest_difference": difference,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="sines,omniglot")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    load = os.getloadavg()[0]
    results = {name: measure(name) for name in arguments.only.split(",")}
    if arguments.json:
        print(json.dumps({"load": load, "rows": results}))
        return
    print(f"{EPISODES} episodes, {arguments.threads} threads, load {load:.1f} before")
    for name, row in results.items():
        speeds = ", ".join(
            f"{way} {speed:.0f}" for way, speed in row["episodes_per_second"].items()
        )
        print(
            f"{name}: {speeds} episodes/s; {row['ratio']:.2f} times the fastest peer "
            f"(target {row['target']}); gradients within {row['largest_difference']:.1e}"
        )


if __name__ == "__main__":
    main()
