"""What the scripts of Lightning share."""

import logging

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from learnrate.integrations.attach_lightning import LightningCallback

EPOCH = 3  # batches


class Quiet(lightning.LightningModule):
    """A module that logs its losses in the session."""

    def __init__(self, session):
        super().__init__()
        self.session = session

    def log_loss(self, loss):
        self.session.log(
            self.global_step // len(self.trainer.optimizers) - self.manual_steps, loss
        )

    @property
    def manual_steps(self):
        """The update of a manual optimization is made when its loss is logged."""
        return int(not self.automatic_optimization)


def fit(session, module, rows, **options):
    logging.getLogger("lightning").setLevel(logging.ERROR)
    checkpoint = ModelCheckpoint(
        dirpath=session.checkpoints, save_last=True, every_n_epochs=1, save_on_train_epoch_end=True
    )
    trainer = lightning.Trainer(
        max_epochs=session.updates // EPOCH,
        gradient_clip_val=None if not module.automatic_optimization else 1.0,
        callbacks=[checkpoint, *session.callbacks(LightningCallback, **options)],
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=session.folder,
    )
    loader = torch.utils.data.DataLoader(rows, batch_size=16)
    last = session.checkpoints / "last.ckpt"
    trainer.fit(module, loader, ckpt_path=last if last.exists() else None)
