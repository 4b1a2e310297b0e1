"""A GAN as a LightningModule with manual optimization."""

import torch
from lightnings import Quiet, fit
from sklearn.datasets import load_digits
from torch import nn


class Gan(Quiet):
    def __init__(self, session):
        super().__init__(session)
        self.automatic_optimization = False
        self.generator = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 64))
        self.discriminator = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))

    def adversarial_loss(self, rows, is_real):
        logits = self.discriminator(rows)
        truth = torch.full_like(logits, float(is_real))
        return nn.functional.binary_cross_entropy_with_logits(logits, truth)

    def training_step(self, batch, index):
        of_generator, of_discriminator = self.optimizers()
        draws = torch.Generator().manual_seed(
            self.global_step
        )  # Lightning does not keep its state
        noise = torch.randn(len(batch), 4, generator=draws)
        self.toggle_optimizer(of_generator)
        generator_loss = self.adversarial_loss(self.generator(noise), is_real=True)
        self.manual_backward(generator_loss)
        of_generator.step()
        of_generator.zero_grad()
        self.untoggle_optimizer(of_generator)
        self.toggle_optimizer(of_discriminator)
        on_data = self.adversarial_loss(batch, is_real=True)
        on_noise = self.adversarial_loss(self.generator(noise).detach(), is_real=False)
        discriminator_loss = (on_data + on_noise) / 2
        self.manual_backward(discriminator_loss)
        of_discriminator.step()
        of_discriminator.zero_grad()
        self.untoggle_optimizer(of_discriminator)
        self.log_loss(generator_loss.detach() + discriminator_loss.detach())

    def configure_optimizers(self):
        options = {"lr": 2e-4, "betas": (0.5, 0.999)}
        return [
            torch.optim.Adam(self.generator.parameters(), **options),
            torch.optim.Adam(self.discriminator.parameters(), **options),
        ], []


def train(session):
    pixels = torch.tensor(load_digits().data[:48], dtype=torch.float32) / 16
    fit(session, Gan(session), pixels, objective="adversarial")
