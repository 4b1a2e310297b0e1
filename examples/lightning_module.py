"""A LightningModule: a task from module, data and Trainer; a plan; a callback that sets the rate.

    pip install 'learnrate[examples,lightning]'
    python lightning_module.py             # scikit-learn's digits; under a minute on one core

The results are written to --out: plan.json, report.html, and runs.db with the runs.
"""

import argparse
import logging
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer, seed_everything
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import learnrate
from learnrate.integrations.attach_lightning import LightningCallback
from learnrate.integrations.task_lightning import task_of
from learnrate.report import plan_page

DEFAULT_RATE = 1e-3  # the default of torch.optim.Adam


class Classifier(LightningModule):
    """An ordinary LightningModule, without learnrate."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )

    def training_step(self, batch: list[torch.Tensor], batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        images, labels = batch
        return nn.functional.cross_entropy(self.layers(images), labels)

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        """The validation loss, by which the run is judged."""
        images, labels = batch
        scores = self.layers(images)
        self.log("val_loss", nn.functional.cross_entropy(scores, labels))
        self.log("val_right", (scores.argmax(1) == labels).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer; the callback sets its rate."""
        return torch.optim.Adam(self.parameters(), lr=DEFAULT_RATE)


class Digits(LightningDataModule):
    """1,300 images for training, 497 for validation."""

    def setup(self, stage: str) -> None:
        """Read the images and split them."""
        x, y = load_digits(return_X_y=True)
        images = torch.tensor(x, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
        draws = torch.Generator().manual_seed(0)
        examples = TensorDataset(images, torch.tensor(y))
        self.train, self.held_out = random_split(examples, [1300, 497], draws)

    def train_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """Batches for training."""
        return DataLoader(self.train, batch_size=32, shuffle=True, drop_last=True)

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        """One batch for validation."""
        return DataLoader(self.held_out, batch_size=497)


def main() -> None:
    """Plan, train at the planned and the default rate, print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--total-steps", type=int, default=400, help="updates of a whole run")
    parser.add_argument("--out", type=Path, default=Path("build/lightning_module"))
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    data, store = Digits(), arguments.out / "runs.db"

    task = task_of(Classifier, data, trainer=trainer_for(arguments.total_steps))
    plan = learnrate.plan(task, budget=0.5, out=arguments.out)  # costs half a run; can be resumed
    plan.write(arguments.out / "plan.json")
    (arguments.out / "report.html").write_text(plan_page(plan), encoding="utf-8")
    print(f"{plan}\n")

    print(f"While it trains, from another shell: learnrate steer last scale 0.5 --store {store}\n")
    for name, peak in (("planned", plan.peak), ("default", DEFAULT_RATE)):
        seed_everything(1, verbose=False)
        module = Classifier()
        callback = LightningCallback(peak / plan.peak * plan.schedule, name=name, store=store)
        trainer = trainer_for(arguments.total_steps, callback)
        (before,) = trainer.validate(module, data, verbose=False)
        trainer.fit(module, data)
        (after,) = trainer.validate(module, data, verbose=False)
        losses = f"{before['val_loss']:.3f} -> {after['val_loss']:.3f}"
        print(f"{name} peak {peak:.2g}: loss {losses}, {after['val_right']:.1%} right")
        for finding in [] if callback.run is None else callback.run.findings:
            print(f"  {finding.code}: {finding.message} {finding.remedy}")

    print(f"\nreport     {arguments.out / 'report.html'}  (open it in a browser)")
    print(f"dashboard  learnrate dashboard --store {store} --plans {arguments.out}")


def trainer_for(total_steps: int, *callbacks: LightningCallback) -> Trainer:
    """A Trainer for one run."""
    return Trainer(
        max_steps=total_steps,
        callbacks=list(callbacks),
        accelerator="cpu",
        logger=False,  # the store has the runs
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )


if __name__ == "__main__":
    main()
