"""Digits with a convolution, Adadelta and a StepLR that is stepped once an epoch."""

import torch
from sklearn.datasets import load_digits
from torch.nn import functional

EPOCH = 4  # batches


def train(session):
    digits = load_digits()
    images = torch.tensor(digits.images[:128], dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target[:128])
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Dropout(0.25),
        torch.nn.Flatten(),
        torch.nn.Linear(36, 10),
        torch.nn.LogSoftmax(dim=1),
    )
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    run = session.attach(optimizer, model=model)
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "run": run}
    step = session.load(**parts)
    for epoch in range(step // EPOCH, session.updates // EPOCH):
        for batch in range(step % EPOCH, EPOCH):
            rows = slice(32 * batch, 32 * batch + 32)
            optimizer.zero_grad()
            loss = functional.nll_loss(model(images[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            session.log(step, loss)
            step = epoch * EPOCH + batch + 1
            if batch == EPOCH - 1:
                scheduler.step()
            run.step(loss)
            session.save(step, **parts)
        model.eval()
        with torch.no_grad():
            run.validation(functional.nll_loss(model(images), labels))
        model.train()
    run.finish()
