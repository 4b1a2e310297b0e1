"""A vision transformer with rates by layer and a scheduler of timm that counts updates."""

import math

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional


class CosineOfUpdates:
    """A cosine with the calls of timm's schedulers, which honours `lr_scale`."""

    def __init__(self, optimizer, t_initial, warmup_t, warmup_lr_init):
        self.optimizer, self.t_initial = optimizer, t_initial
        self.warmup_t, self.warmup_lr_init = warmup_t, warmup_lr_init
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.step_update(0)

    def step_update(self, num_updates):
        for group in self.optimizer.param_groups:
            rate = group["initial_lr"]
            if num_updates < self.warmup_t:
                rise = (rate - self.warmup_lr_init) / self.warmup_t
                rate = self.warmup_lr_init + rise * num_updates
            else:
                rate *= 0.5 * (1 + math.cos(math.pi * num_updates / self.t_initial))
            group["lr"] = rate * group["lr_scale"]


class VisionTransformer(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.patches = nn.Conv2d(1, width, 2, stride=2)
        self.positions = nn.Parameter(torch.zeros(1, 16, width))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 2, 32, dropout=0.1, norm_first=True, batch_first=True
            )
            for _ in range(2)
        )
        self.head = nn.Linear(width, 10)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(1))


def train(session):
    digits = load_digits()
    images = torch.tensor(digits.images[:1152], dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target[:1152])
    model = VisionTransformer()
    groups = [
        {"params": [*model.patches.parameters(), model.positions], "lr_scale": 0.5},
        {"params": model.blocks.parameters(), "lr_scale": 0.7},
        {"params": model.head.parameters(), "lr_scale": 1.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=0.05)
    scheduler = CosineOfUpdates(optimizer, session.updates, warmup_t=3, warmup_lr_init=1e-5)
    run = session.attach(optimizer, model=model)
    parts = {"model": model, "optimizer": optimizer, "run": run}
    for step in range(session.load(**parts), session.updates):
        scheduler.step_update(step)
        rows = slice(16 * step, 16 * step + 16)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(images[rows]), labels[rows], label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        run.step(loss)
        session.keep(step, loss, **parts)
    run.finish()
