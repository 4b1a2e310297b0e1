"""A variational autoencoder whose loss is a sum over the batch."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.mean, self.log_variance = (
            nn.Linear(64, 32),
            nn.Linear(32, 4),
            nn.Linear(32, 4),
        )
        self.decoder = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 64), nn.Sigmoid())

    def forward(self, pixels):
        hidden = functional.relu(self.encoder(pixels))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        return self.decoder(code), mean, log_variance


def train(session):
    pixels = torch.tensor(load_digits().data[:1152], dtype=torch.float32) / 16
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run = session.attach(optimizer, model=model)
    parts = {"model": model, "optimizer": optimizer, "run": run}
    for step in range(session.load(**parts), session.updates):
        batch = pixels[16 * step : 16 * step + 16]
        optimizer.zero_grad()
        shown, mean, log_variance = model(batch)
        reconstruction = functional.binary_cross_entropy(shown, batch, reduction="sum")
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        loss = reconstruction + divergence
        loss.backward()
        optimizer.step()
        run.step(loss)
        session.keep(step, loss, **parts)
    run.finish()
