"""A transformers Trainer: a tiny GPT-2 with random weights learns bytes of Python source.

    pip install 'learnrate[examples,transformers]'
    python transformers_trainer.py         # nothing is downloaded; two minutes on one core
    python transformers_trainer.py --text shakespeare.txt --total-steps 3000

The results are written to --out: plan.json, report.html, and runs.db with the runs.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments

import learnrate
from learnrate.integrations.attach_transformers import TransformersCallback
from learnrate.integrations.task_transformers import task_of
from learnrate.report import plan_page

CONTEXT = 64  # bytes
DEFAULT_RATE = 5e-5  # the default of TrainingArguments


def main() -> None:
    """Plan, train at the planned and the default rate, print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--text", type=Path, help="file to learn from; by default Python's json and argparse"
    )
    parser.add_argument("--total-steps", type=int, default=300, help="updates of a whole run")
    parser.add_argument("--out", type=Path, default=Path("build/transformers_trainer"))
    arguments = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    rows, store = read_rows(arguments.text), arguments.out / "runs.db"

    task = task_of(trainer_for(rows, arguments.total_steps, arguments.out))
    plan = learnrate.plan(task, budget=0.5, out=arguments.out)  # costs half a run; can be resumed
    plan.write(arguments.out / "plan.json")
    (arguments.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(f"{plan}\n")

    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")
    for name, peak in (("planned", plan.peak), ("default", DEFAULT_RATE)):
        callback = TransformersCallback(peak / plan.peak * plan.schedule, name=name, store=store)
        trainer = trainer_for(rows, arguments.total_steps, arguments.out, callback)
        before = trainer.evaluate()["eval_loss"]
        trainer.train()
        after = trainer.evaluate()["eval_loss"]
        print(f"{name} peak {peak:.2g}: held-out loss {before:.3f} -> {after:.3f} a byte")
        for finding in [] if callback.run is None else callback.run.findings:
            print(f"  {finding.code}: {finding.message} {finding.remedy}")

    print(f"\nreport     {arguments.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {arguments.out}")


def make_model() -> GPT2LMHeadModel:
    """A GPT-2 of two layers with random weights, whose tokens are bytes."""
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=256,
            n_positions=CONTEXT,
            n_embd=64,
            n_layer=2,
            n_head=4,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def trainer_for(
    rows: list[dict[str, torch.Tensor]],
    total_steps: int,
    out: Path,
    *callbacks: TransformersCallback,
) -> Trainer:
    """An ordinary Trainer for one run."""
    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=total_steps,
        per_device_train_batch_size=16,
        per_device_eval_batch_size=64,
        weight_decay=0.01,
        max_grad_norm=1.0,
        logging_steps=1,  # to record the loss of every update
        seed=1,
        use_cpu=True,
        dataloader_pin_memory=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    train, held_out = rows[: int(0.9 * len(rows))], rows[int(0.9 * len(rows)) :]
    trainer = Trainer(
        model_init=make_model,
        args=arguments,
        train_dataset=train,
        eval_dataset=held_out,
        callbacks=list(callbacks),
    )
    trainer.remove_callback(PrinterCallback)  # the store has what it would print
    return trainer


def read_rows(file: Path | None) -> list[dict[str, Any]]:
    """A file, or a text that comes with Python, cut into rows of bytes."""
    files = [file] if file else [Path(argparse.__file__), *Path(json.__file__).parent.glob("*.py")]
    text = b"".join(path.read_bytes() for path in sorted(files))
    codes = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    rows = codes[: len(codes) // CONTEXT * CONTEXT].reshape(-1, CONTEXT)
    return [{"input_ids": row, "labels": row} for row in rows]


if __name__ == "__main__":
    main()
