"""Checks on a GPU: what the tests cannot see on a CPU, in at most 8 minutes.

    python benchmarks/gpu.py [--json FILE] [--device cuda] [--only NAME,...] [--seconds 480]
    python benchmarks/gpu.py --device cpu --small     # a dry run

Each check prints `passes`, `fails` or `skipped` with its figure. The exit status is 1 if one fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

import learnrate
from learnrate import Task

if TYPE_CHECKING:
    from collections.abc import Callable

_SLEEP = 100_000_000  # cycles, some 50 ms: far longer than a step needs on the host
_RATES = 16


@dataclass(frozen=True)
class Check:
    """The outcome of a check.

    Attributes:
        name: of the check.
        outcome: passes, fails or skipped.
        figure: what was measured, or why nothing was.
    """

    name: str
    outcome: str
    figure: str


@dataclass(frozen=True)
class Setting:
    """Where and how large.

    Attributes:
        device: such as "cuda".
        small: a dry run of seconds.
    """

    device: str
    small: bool

    @property
    def is_cuda(self) -> bool:
        """Whether the device is a GPU of CUDA."""
        return torch.device(self.device).type == "cuda"


Outcome = tuple[bool | None, str]


def make_task(
    setting: Setting, model: Callable[[], nn.Module], width: int, amp: str | None
) -> Task:
    """A regression on random numbers, with everything on the device."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, width, generator=generator)
    batches = [(rows, rows.sum(-1, keepdim=True)) for rows in x.split(64)]
    return Task(
        model=model,
        loss=nn.MSELoss(),
        data=batches,
        total_steps=20 if setting.small else 200,
        amp=amp,
        device=setting.device,
    )


def dense() -> nn.Module:
    """A small dense network."""
    return nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 1))


class Attending(nn.Module):
    """A small transformer over 16 numbers as tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(1, 32)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
        self.head = nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The prediction, shape (batch, 1)."""
        result: torch.Tensor = self.head(self.layer(self.embed(x[..., None])).mean(-2))
        return result


def attach_does_not_wait(setting: Setting) -> Outcome:
    """A step returns while the device is still busy with work that was queued before it."""
    model = dense().to(setting.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    x = torch.randn(64, 16, device=setting.device)
    steps, waited = (10, 0) if setting.small else (60, 0)
    with (
        tempfile.TemporaryDirectory() as folder,
        learnrate.attach(optimizer, 1e-3, total_steps=steps, store=f"{folder}/a.db") as run,
    ):
        for step in range(steps):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            done = None
            if setting.is_cuda:
                torch.cuda._sleep(_SLEEP)  # noqa: SLF001 - torch has no other way to keep it busy
                done = torch.cuda.Event()
                done.record()
            optimizer.step()
            run.step(loss)
            waited += done is not None and step >= steps // 2 and done.query()
    if not setting.is_cuda:
        return None, "a CPU has no queue"
    return waited <= steps // 20, f"{waited} of {steps // 2} updates waited for the device"


def scaler_skips_are_no_updates(setting: Setting) -> Outcome:
    """An update that a GradScaler skips does not count, and the weights are those without a run."""
    kind = torch.device(setting.device).type
    weights = []
    counts = (0, 0)
    for attached in (False, True):
        torch.manual_seed(0)
        model = dense().to(setting.device)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        scaler = torch.amp.GradScaler(kind, init_scale=2.0**40)
        x = torch.randn(64, 16, device=setting.device)
        run = learnrate.attach(optimizer, 1e-3, store=False) if attached else None
        updates = 0
        for _ in range(60):
            optimizer.zero_grad()
            with torch.autocast(kind, dtype=torch.float16):
                loss = model(x).square().mean()
            scale = scaler.get_scale()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            updates += scaler.get_scale() >= scale
            if run is not None:
                run.step(loss)
        weights.append([weight.detach().clone() for weight in model.parameters()])
        if run is not None:
            counts = (updates, run.next_step)
            run.finish()
    equal = all(torch.equal(first, second) for first, second in zip(*weights, strict=True))
    figure = f"{counts[1]} of 60 updates counted, {counts[0]} were made; weights equal: {equal}"
    return equal and counts[0] == counts[1] < 60, figure


def stack_is_faster(setting: Setting, model: Callable[[], nn.Module], target: float) -> Outcome:
    """Sixteen rates in one stack, against one after the other."""
    task = make_task(setting, model, 16, None)
    rates = np.geomspace(1e-4, 1e-2, 4 if setting.small else _RATES).tolist()
    seconds = {}
    for engine in ("vectorised", "sequential"):
        for _ in range(1 if setting.small else 2):  # the first compiles kernels
            begin = time.perf_counter()
            learnrate.sweep(task, rates, seeds=1, engine=engine, progress=False)
            seconds[engine] = time.perf_counter() - begin
    ratio = seconds["sequential"] / seconds["vectorised"]
    figure = f"{ratio:.1f} times as fast, wanted {target:g}"
    return (None if setting.small else ratio >= target), figure


def dense_stack(setting: Setting) -> Outcome:
    """The stack on a dense network."""
    return stack_is_faster(setting, dense, 10.0)


def transformer_stack(setting: Setting) -> Outcome:
    """The stack on a transformer."""
    return stack_is_faster(setting, Attending, 3.0)


def memory_is_halved(setting: Setting) -> Outcome:
    """A stack that does not fit into the device's memory is halved, and every trial finishes."""
    if not setting.is_cuda:
        return None, "a CPU has no memory of its own"
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 2**30 / total))

    def wide() -> (
        nn.Module
    ):  # 16 of them with gradients and moments take more than 1 GiB, 4 do not
        return nn.Sequential(
            nn.Linear(16, 4096), nn.ReLU(), nn.Linear(4096, 1024), nn.Linear(1024, 1)
        )

    try:
        task = make_task(setting, wide, 16, None)
        rates = np.geomspace(1e-5, 1e-4, _RATES).tolist()
        swept = learnrate.sweep(
            task, rates, seeds=1, total_steps=10, engine="vectorised", progress=False
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    finished = sum(str(trial.status) == "finished" for trial in swept.trials)
    return finished == _RATES, f"{finished} of {_RATES} trials finished; {' '.join(swept.notes)}"


def plan_and_find(setting: Setting) -> Outcome:
    """A range test and a plan on the device; the planned rate trains."""
    task = make_task(setting, dense, 16, None)
    steps = 60 if setting.small else 400
    tested = learnrate.find(task, iters=40, low=1e-6, high=1.0, repeats=1, progress=False)
    plan = learnrate.plan(task, budget=1.0, total_steps=steps, progress=False)
    trained = learnrate.train(task, plan.schedule, progress=False)
    losses = trained.curve.loss
    figure = f"suggested {tested.suggestion}, planned {plan.schedule}, loss {losses[-1]:.3g}"
    return bool(np.isfinite(losses).all() and losses[-1] < losses[0]), figure


def ddp_over_nccl(setting: Setting) -> Outcome:
    """Two ranks train one model at one rate."""
    if not setting.is_cuda or torch.cuda.device_count() < 2:
        return None, "there are not two GPUs"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    output = subprocess.run(
        [*command, __file__, "--as-rank"], capture_output=True, text=True, check=False, timeout=120
    )
    lines = [line for line in output.stdout.splitlines() if line.startswith("losses ")]
    return len(lines) == 2 and len({*lines}) == 1, lines[0] if lines else output.stderr[-200:]


def run_as_rank() -> None:
    """What each rank of `ddp_over_nccl` runs."""
    torch.distributed.init_process_group("nccl")
    torch.cuda.set_device(torch.distributed.get_rank())
    setting = Setting(device=f"cuda:{torch.distributed.get_rank()}", small=True)
    trained = learnrate.train(
        make_task(setting, dense, 16, None), "1e-3 * linear()", progress=False
    )
    print("losses", trained.curve.loss.tolist())
    torch.distributed.destroy_process_group()


CHECKS: dict[str, Callable[[Setting], Outcome]] = {
    "attach": attach_does_not_wait,
    "scaler": scaler_skips_are_no_updates,
    "stack": dense_stack,
    "transformer": transformer_stack,
    "memory": memory_is_halved,
    "plan": plan_and_find,
    "ddp": ddp_over_nccl,
}


def checked(setting: Setting, names: list[str], seconds: float) -> list[Check]:
    """The outcomes of checks; those that would begin after the time is over are skipped.

    Args:
        setting: where and how large.
        names: of the checks, in order.
        seconds: for all checks together.
    """
    end = time.monotonic() + seconds
    checks = []
    for name in names:
        if time.monotonic() > end:
            checks.append(Check(name, "skipped", "the time is over"))
            continue
        try:
            passes, figure = CHECKS[name](setting)
        except Exception as error:  # noqa: BLE001 - the other checks still run
            passes, figure = False, f"{type(error).__name__}: {error}"
        outcome = "skipped" if passes is None else "passes" if passes else "fails"
        checks.append(Check(name, outcome, figure))
    return checks


def main() -> None:
    """Print the checks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the outcomes to this file")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default=",".join(CHECKS))
    parser.add_argument("--seconds", type=float, default=480.0)
    parser.add_argument("--small", action="store_true", help="a dry run of seconds")
    parser.add_argument("--as-rank", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.as_rank:
        run_as_rank()
        return
    setting = Setting(device=arguments.device, small=arguments.small)
    checks = checked(setting, arguments.only.split(","), arguments.seconds)
    for check in checks:
        print(f"{check.name:12} {check.outcome:8} {check.figure}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(check) for check in checks]))
    if any(check.outcome == "fails" for check in checks):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
