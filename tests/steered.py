"""A small training whose run is steered, shared by the tests of several packages."""

import torch
from torch.optim import SGD

import learnrate

X = torch.randn(16, 5, generator=torch.Generator().manual_seed(1))
SCHEDULE = "0.1 * warmup(4) >> constant(36) >> linear(20)"


def make_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))


def optimizer_of(model, momentum=0.9):
    groups = [
        {"params": model[0].parameters(), "lr": 0.1},
        {"params": model[2].parameters(), "lr": 0.01},
    ]
    return SGD(groups, lr=0.1, momentum=momentum)


def update(model, optimizer):
    optimizer.zero_grad()
    loss = (model(X) - X.sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
    return loss.item()


class Steered:
    """A run and its loop."""

    def __init__(self, place, schedule=SCHEDULE, **options):
        self.model = make_model()
        self.optimizer = optimizer_of(self.model)
        self.used = []
        self.run = learnrate.attach(
            self.optimizer, schedule, store=place, model=self.model, **options
        )
        self.optimizer.register_step_post_hook(
            lambda o, *_: self.used.append([group["lr"] for group in o.param_groups])
        )

    def train(self, until, edits=None):
        """Train until a step; `edits` are texts of edits by the step at which the loop makes them."""
        while not self.run.done and self.run.next_step < until:
            texts = (edits or {}).pop(self.run.next_step, [])
            for text in [texts] if isinstance(texts, str) else texts:
                self.run.steer(text, author="ann", reason="a try")
            if self.run.done:
                break
            self.run.step(update(self.model, self.optimizer))
        return self
