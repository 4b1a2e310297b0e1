"""A small GPT: accumulation, clipping, groups with and without decay, a cosine by hand."""

import math

import torch
from torch import nn
from torch.nn import functional

MICRO_BATCHES, CONTEXT = 2, 12
TEXT = b"the quick brown fox jumps over the lazy dog and runs through the wide open field " * 4


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, 2)
        self.feed = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())

    def forward(self, x):
        length = x.shape[1]
        mask = torch.ones(length, length).triu(1).bool()
        y = self.norm(x).transpose(0, 1)
        x = x + self.attention(y, y, y, attn_mask=mask, need_weights=False)[0].transpose(0, 1)
        return x + self.feed(x)


class LanguageModel(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(128, width), nn.Embedding(CONTEXT, width)
        self.block, self.head = Block(width), nn.Linear(width, 128, bias=False)
        self.head.weight = self.embedding.weight
        for embedding in (self.embedding, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.head(self.block(x))


def rate_at(step, updates):
    if step < 3:
        return 1e-3 * (step + 1) / 3
    share = (step - 3) / (updates - 3)
    return 1e-4 + 0.5 * (1 + math.cos(math.pi * share)) * 9e-4


def batch_at(text):
    starts = torch.randint(len(text) - CONTEXT - 1, (8,))
    rows = torch.stack([text[start : start + CONTEXT + 1] for start in starts])
    return rows[:, :-1], rows[:, 1:]


def train(session):
    text = torch.tensor(list(TEXT))
    model = LanguageModel()
    decayed = [weight for weight in model.parameters() if weight.dim() >= 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    groups = [
        {"params": decayed, "weight_decay": 0.1},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))
    run = session.attach(optimizer, model=model)
    parts = {"model": model, "optimizer": optimizer, "run": run}
    for step in range(session.load(**parts), session.updates):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, session.updates)
        mean = 0.0
        for _ in range(MICRO_BATCHES):
            tokens, targets = batch_at(text)
            logits = model(tokens)
            loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            (loss / MICRO_BATCHES).backward()
            mean += loss.item() / MICRO_BATCHES
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        run.step(mean, gradient_norm=norm, clipped=norm > 1.0)
        session.keep(step, mean, **parts)
    run.finish()
