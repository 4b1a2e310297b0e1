"""A language model as a LightningModule, with a torch scheduler that is stepped every update."""

import torch
from lightnings import Quiet, fit
from torch import nn


class LanguageModel(Quiet):
    def __init__(self, session):
        super().__init__(session)
        self.embedding, self.layer = nn.Embedding(16, 8), nn.GRU(8, 16, batch_first=True)
        self.head = nn.Linear(16, 16)

    def training_step(self, batch, index):
        hidden, _ = self.layer(self.embedding(batch[:, :-1]))
        logits = self.head(hidden).flatten(0, 1)
        loss = nn.functional.cross_entropy(logits, batch[:, 1:].flatten())
        self.log_loss(loss)
        return loss

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def train(session):
    starts = torch.randint(16, (48, 1))
    fit(session, LanguageModel(session), (starts + torch.arange(9)) % 16)
