"""Writes the logs beside it, each with the tool's own writer.

    python tests/watch/logs/write_logs.py tensorboard|transformers|lightning|keras|mlflow

The versions: torch 2.13 with tensorboard 2.21, transformers 5.23, Lightning 2.6.6, Keras 3.15,
MLflow 3.17 (installed by itself: it is not a dependency of learnrate).
"""

import gzip
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def loss_of(step):
    return 0.2 + 2.1 * math.exp(-step / 12)


def rate_of(step, total_steps=80):
    return 0.1 * 0.5 * (1.0 + math.cos(math.pi * step / total_steps))


def tensorboard():
    """A run of 80 updates, killed at 50 and resumed at 40 in a second file."""
    from torch.utils.tensorboard import SummaryWriter

    for name, first, last in (("0", 0, 50), ("1", 40, 80)):
        folder = Path(tempfile.mkdtemp())
        with SummaryWriter(folder) as writer:
            for step in range(first, last):
                writer.add_scalar("train/loss", loss_of(step) + 0.001 * int(name), step)
                writer.add_scalar("train/lr", rate_of(step), step)
                if step % 8 == 7:
                    writer.add_scalar("val/loss", loss_of(step) + 0.1, step)
            writer.add_text("note", "not a number", 0)
        (HERE / "tensorboard").mkdir(exist_ok=True)
        file = next(folder.iterdir())
        shutil.copy(file, HERE / "tensorboard" / f"events.out.tfevents.{name}")


def lightning():
    """A real fit of a linear model, with the rate logged by LearningRateMonitor."""
    import torch
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger
    from torch.utils.data import DataLoader, TensorDataset

    class Linear(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch, index):
            loss = ((self.layer(batch[0]) - batch[1]) ** 2).mean()
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch, index):
            self.log("val_loss", ((self.layer(batch[0]) - batch[1]) ** 2).mean())

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 80)
            return [optimizer], [{"scheduler": decay, "interval": "step"}]

    torch.manual_seed(0)
    x = torch.randn(80, 4)
    data = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8)
    folder = Path(tempfile.mkdtemp())
    trainer = Trainer(
        max_epochs=8,
        logger=CSVLogger(folder),
        callbacks=[LearningRateMonitor("step")],
        log_every_n_steps=1,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(Linear(), data, data)
    target = HERE / "lightning_logs" / "version_0"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "lightning_logs" / "version_0" / "metrics.csv", target)


def keras():
    """Thirty epochs of a linear model."""
    os.environ["KERAS_BACKEND"] = "torch"
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((64, 4))
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: rate_of(epoch, 30))
    log = keras.callbacks.CSVLogger(HERE / "keras.csv")
    y = x.sum(1, keepdims=True)
    model.fit(x, y, validation_data=(x, y), epochs=30, verbose=0, callbacks=[rates, log])


def transformers():
    """A tiny classifier, forty updates with a checkpoint at 20 and at 40."""
    import torch
    from torch.utils.data import Dataset
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    class Words(Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, index):
            word = 2 + index % 2
            return {"input_ids": torch.full((4,), word), "labels": torch.tensor(index % 2)}

    config = BertConfig(
        vocab_size=8,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=8,
    )
    folder = Path(tempfile.mkdtemp())
    arguments = TrainingArguments(
        folder,
        max_steps=40,
        per_device_train_batch_size=8,
        learning_rate=1e-2,
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=8,
        save_steps=20,
        report_to=[],
        use_cpu=True,
        seed=0,
        disable_tqdm=True,
    )
    model = BertForSequenceClassification(config)
    Trainer(model, arguments, train_dataset=Words(), eval_dataset=Words()).train()
    for step in (20, 40):
        target = HERE / "transformers" / f"checkpoint-{step}"
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"checkpoint-{step}" / "trainer_state.json", target)


def mlflow():
    """Two runs, one of which ends in NaN, in a database and in a file store."""
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    import mlflow

    folder = Path(tempfile.mkdtemp())
    for uri in (f"sqlite:///{folder}/mlflow.db", f"file://{folder}/mlruns"):
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("digits")
        for name, last in (("first", 80), ("broken", 60)):
            with mlflow.start_run(run_name=name):
                for step in range(last):
                    loss = loss_of(step) if name == "first" or step < 40 else math.nan
                    mlflow.log_metrics({"train_loss": loss, "lr": rate_of(step)}, step=step)
                    if step % 8 == 7:
                        mlflow.log_metric("val_loss", loss_of(step) + 0.1, step=step)
    with gzip.open(HERE / "mlflow.db.gz", "wb") as file:
        file.write((folder / "mlflow.db").read_bytes())
    for run in folder.glob("mlruns/*/*/metrics"):
        target = HERE / "mlruns" / (run.parent / "tags" / "mlflow.runName").read_text()
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(
            run.parent, target, ignore=shutil.ignore_patterns("mlflow.user", "*source*")
        )
        meta = (target / "meta.yaml").read_text().replace(str(folder), "/srv")
        (target / "meta.yaml").write_text(
            "\n".join(line for line in meta.splitlines() if not line.startswith("user_id"))
        )


if __name__ == "__main__":
    globals()[sys.argv[1]]()
