"""A graph network on the whole graph, with weight decay in the first layer alone."""

import torch
from torch import nn
from torch.nn import functional

NODES = 60


class GraphNetwork(nn.Module):
    def __init__(self, adjacency):
        super().__init__()
        self.adjacency = adjacency
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 3)

    def forward(self, features):
        hidden = functional.relu(self.first(self.adjacency @ features))
        return self.second(self.adjacency @ functional.dropout(hidden, 0.5, self.training))


def train(session):
    classes = torch.arange(NODES) % 3
    is_same = classes[:, None] == classes
    edges = torch.rand(NODES, NODES) < torch.where(is_same, 0.3, 0.03)
    adjacency = (edges | edges.T).float() + torch.eye(NODES)
    model = GraphNetwork(adjacency / adjacency.sum(1, keepdim=True))
    features = torch.randn(NODES, 8) + functional.one_hot(classes, 8)
    groups = [
        {"params": model.first.parameters(), "weight_decay": 5e-4},
        {"params": model.second.parameters(), "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=0.01)
    run = session.attach(optimizer, model=model)
    parts = {"model": model, "optimizer": optimizer, "run": run}
    known = torch.arange(0, NODES, 2)
    for step in range(session.load(**parts), session.updates):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(features)[known], classes[known])
        loss.backward()
        optimizer.step()
        run.step(loss)
        session.keep(step, loss, **parts)
    run.finish()
