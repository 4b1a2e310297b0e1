"""A convolutional GAN with two optimizers in a loop of one's own."""

import torch
from sklearn.datasets import load_digits
from torch import nn


def train(session):
    images = torch.tensor(load_digits().images[:1152], dtype=torch.float32).unsqueeze(1) / 8 - 1
    generator = nn.Sequential(
        nn.ConvTranspose2d(6, 8, 4),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 8, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 4),
        nn.Flatten(),
    )
    criterion = nn.BCEWithLogitsLoss()
    options = {"lr": 2e-4, "betas": (0.5, 0.999)}
    of_discriminator = torch.optim.Adam(discriminator.parameters(), **options)
    of_generator = torch.optim.Adam(generator.parameters(), **options)
    run = session.attach([of_discriminator, of_generator], objective="adversarial")
    parts = {
        "generator": generator,
        "discriminator": discriminator,
        "of_discriminator": of_discriminator,
        "of_generator": of_generator,
        "run": run,
    }
    real, fake = torch.ones(16, 1), torch.zeros(16, 1)
    for step in range(session.load(**parts), session.updates):
        of_discriminator.zero_grad()
        images_of_generator = generator(torch.randn(16, 6, 1, 1))
        on_data = criterion(discriminator(images[16 * step : 16 * step + 16]), real)
        (on_data + criterion(discriminator(images_of_generator.detach()), fake)).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        loss = criterion(discriminator(images_of_generator), real)
        loss.backward()
        of_generator.step()
        run.step(loss)
        session.keep(step, loss, **parts)
    run.finish()
