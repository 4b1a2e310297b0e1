"""A run that is steered while its PostgreSQL goes away and comes back."""

import time

import pytest
import torch

import learnrate
from learnrate import Store, StoreError
from learnrate.steering import request

SOON = (
    300.0  # seconds: a run looks less often while the server cannot be reached, up to 10 s apart
)


class Training:
    """An endless loop at about 500 updates a second, a piece at a time."""

    def __init__(self, url):
        weight = torch.nn.Parameter(torch.ones(2))
        self.optimizer = torch.optim.SGD([weight], lr=0.1)
        self.run = learnrate.attach(self.optimizer, "0.1 * constant(1000000)", store=url)
        self.run.recorder.flush()
        self.used = []

    def update(self):
        self.optimizer.step()
        self.used.append(self.optimizer.param_groups[0]["lr"])
        self.run.step(1.0)
        time.sleep(0.002)

    def until(self, rate):
        end = time.monotonic() + SOON
        while self.run.lr != rate:
            assert time.monotonic() < end, f"the rate is {self.run.lr}, {rate} was asked for"
            self.update()
        self.update()


def test_training_continues_while_the_server_is_down_and_edits_take_effect_after_it(server):
    url = server.database()
    training = Training(url)
    run = training.run
    store = Store(url)
    request(store, run.id, "scale", 0.5, author="ann")
    training.until(0.05)

    server.stop()
    before = run.next_step
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        training.update()
    with pytest.raises(StoreError, match="cannot be reached"):
        request(store, run.id, "scale", 0.5, author="ann")
    assert run.next_step > before + 20
    server.start()

    request(store, run.id, "scale", 0.5, author="ben", reason="it is back")
    training.until(0.025)
    run.finish("stopped")
    edits = store.edits(run.id)
    assert [(edit.author, edit.status) for edit in edits] == [
        ("ann", "applied"),
        ("ben", "applied"),
    ]
    for edit, rate in zip(edits, (0.05, 0.025), strict=True):
        assert (training.used[edit.step - 1], training.used[edit.step]) == (2 * rate, rate)
    assert store.observations(run.id).column("lr").tolist() == training.used
    assert store.run(run.id).status == "stopped"
    store.close()
