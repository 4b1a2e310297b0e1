"""The memory that planning a fine-tuning with adapters takes, compared with the run itself.

    python benchmarks/adapter_memory.py [--width 768] [--page docs/how-to/trl.md]

A Llama with random weights (60 million, in float32) is trained through LoRA adapters of rank 8. The run is
a plain PyTorch loop on the model; the plan has the same task. Each is measured in a process of its own, as
the peak of resident memory above what the process has before the model is made. A minute on one core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from _page import parser_of, show, table

UPDATES = 40
BATCH, LENGTH = 2, 32


def status(name: str) -> float:
    """A field of /proc/self/status, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024


def adapted(width: int) -> torch.nn.Module:
    """A Llama with adapters."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - the import is not the model's memory
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2000,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=6,
        num_attention_heads=8,
    )
    adapter = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])
    return get_peft_model(LlamaForCausalLM(config), adapter)


def measured(job: str, width: int) -> float:
    """The peak of memory above the start of the process, in MB."""
    import learnrate  # noqa: PLC0415 - in the process that measures

    adapted(32)  # loads what is needed once
    rows = torch.randint(0, 2000, (16, LENGTH), generator=torch.Generator().manual_seed(0))
    batches = [rows[first : first + BATCH] for first in range(0, len(rows), BATCH)]
    before = status("VmRSS")
    model = adapted(width)

    def loss(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        value: torch.Tensor = model(input_ids=batch, labels=batch).loss
        return value

    def optimizer(model: torch.nn.Module) -> torch.optim.Optimizer:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(trained, lr=1e-4)

    task = learnrate.Task(
        model=model,
        loss=loss,
        data=batches,
        optimizer=optimizer,
        validate=lambda model: float(loss(model, batches[0])),
        total_steps=UPDATES,
    )
    if job == "plan":
        learnrate.plan(task, budget=1.0, progress=False)
    else:
        updates = optimizer(model)
        for step in range(UPDATES):
            updates.zero_grad()
            loss(model, batches[step % len(batches)]).backward()
            updates.step()
    return status("VmHWM") - before


def in_process(job: str, width: int) -> float:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--measure", job, "--width", str(width)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure run and plan, print the table, and write it into a page if one is given."""
    parser = parser_of(__doc__)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.measure:
        print(json.dumps(measured(arguments.measure, arguments.width)))
        return
    run, plan = (in_process(job, arguments.width) for job in ("run", "plan"))
    rows = [["LoRA of rank 8", f"{run:.0f}", f"{plan:.0f}", f"{plan / run:.2f}"]]
    text = table(["fine-tuning", "run, MB", "plan, MB", "plan over run"], rows)
    show(text, arguments.page, "adapter_memory")


if __name__ == "__main__":
    main()
