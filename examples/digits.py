"""A small convolutional network on scikit-learn's handwritten digits.

Plan, train and look:

    learnrate plan  examples/digits.py:task --total-steps 2000 --out build/digits
    learnrate train examples/digits.py:task --plan build/digits/plan.json
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import learnrate


def make_model() -> nn.Module:
    """Two convolutions and a linear layer: 8x8 pixels to 10 classes."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 10),
    )


def make_sgd(model: nn.Module) -> torch.optim.Optimizer:
    """SGD with momentum; the schedule overwrites the rate."""
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


images, labels = load_digits(return_X_y=True)
x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
y = torch.tensor(labels)
order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
train, held_out = order[:1300], order[1300:]

loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=32, shuffle=True, drop_last=True)
criterion = nn.CrossEntropyLoss()


def validation_loss(model: nn.Module) -> float:
    """Mean cross-entropy on the held-out images."""
    return float(criterion(model(x[held_out]), y[held_out]))


task = learnrate.Task(
    model=make_model,
    loss=criterion,
    data=loader,
    optimizer=torch.optim.Adam,
    validate=validation_loss,
    total_steps=2000,
    name="digits CNN, Adam",
)

sgd = learnrate.Task(
    model=make_model,
    loss=criterion,
    data=loader,
    optimizer=make_sgd,
    validate=validation_loss,
    total_steps=2000,
    name="digits CNN, SGD momentum",
)
