"""Sine waves continued by an LSTM cell, trained by LBFGS with a closure."""

import torch
from torch import nn


class Waves(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.LSTMCell(1, 8), nn.Linear(8, 1)

    def forward(self, waves):
        hidden, state = torch.zeros(len(waves), 8), torch.zeros(len(waves), 8)
        outputs = []
        for value in waves.split(1, dim=1):
            hidden, state = self.cell(value, (hidden, state))
            outputs.append(self.out(hidden))
        return torch.cat(outputs, dim=1)


def train(session):
    phases = torch.rand(6, 1) * 6
    waves = torch.sin(phases + torch.arange(10) / 3)
    model, criterion = Waves(), nn.MSELoss()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=2)
    run = session.attach(optimizer, model=model)
    parts = {"model": model, "optimizer": optimizer, "run": run}

    def closure():
        optimizer.zero_grad()
        loss = criterion(model(waves[:, :-1]), waves[:, 1:])
        loss.backward()
        return loss

    for step in range(session.load(**parts), session.updates):
        loss = optimizer.step(closure)
        run.step(loss)
        session.keep(step, loss, **parts)
    run.finish()
