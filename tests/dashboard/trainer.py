"""A training that can be watched and steered, at 100 updates a second.

python trainer.py STORE TOTAL
"""

import sys
import time

import torch

import learnrate
from learnrate.run import Measure


def main(place, total_steps):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.full((8,), 3.0))
    optimizer = torch.optim.SGD([weight], lr=0.05)
    schedule = f"0.05 * constant({total_steps})"
    limits = {"highest": 0.1}
    run = learnrate.attach(
        optimizer,
        schedule,
        store=place,
        name="<i>watched</i>",
        limits=limits,
        measure=Measure(gradient_every=1),
    )
    run.recorder.flush()
    print(run.id, flush=True)
    while not run.done:
        optimizer.zero_grad()
        loss = (weight + torch.randn(8)).square().mean()
        loss.backward()
        optimizer.step()
        run.step(loss)
        time.sleep(0.01)
    run.finish()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
