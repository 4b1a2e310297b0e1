"""Stored runs with their edits: previews, replays, and the findings of edited runs."""

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import learnrate
from learnrate import Store, schedule
from learnrate.edits import edit_in, edited
from learnrate.steering import observations_as_edited, preview, replayed
from learnrate.watch import diagnose
from steered import Steered, make_model, optimizer_of, update

BASE = schedule("0.1 * warmup(10) >> constant(50) >> linear(40)")


def test_a_preview_counts_pending_edits_and_the_prepared_one():
    first = edit_in("scale 0.5", author="ann").at_step(20)
    prepared = edit_in("scale 0.1", author="ann")
    result = preview(BASE, [first], prepared, step=30)
    assert result == edited(BASE, [first, prepared.at_step(30)])


@pytest.fixture
def place(tmp_path):
    return tmp_path / "runs.db"


def test_a_replay_has_the_rates_of_the_run_to_the_last_bit_including_rollbacks(place):
    edits = {
        12: "snapshot",
        14: "scale 0.5",
        20: "rollback 12",
        15: "set 0.03",
        24: "scale 0.5",
        27: "undo",
        30: "stretch 90",
        50: "decay 20",
    }
    steered = Steered(place).train(999, edits)
    steered.run.finish()
    store = Store(place)
    replay = replayed(store, "last")
    observations = store.observations(replay.run)
    assert replay.lr.tolist() == observations.column("lr").tolist()
    assert replay.schedule.table().tolist() == replay.lr.tolist()
    again = Steered(place, edits=replay.edits_to_repeat, schedule=replay.base).train(999)
    assert again.used == steered.used
    assert all(
        torch.equal(first, second)
        for first, second in zip(steered.model.parameters(), again.model.parameters(), strict=True)
    )
    again.run.finish()
    repeated = replayed(store, again.run.id)  # its record has the same edits and authors
    assert (repeated.edits, repeated.schedule) == (replay.edits, replay.schedule)
    assert [attempt.begins for attempt in store.attempts(again.run.id)] == [0, 12]


def test_a_replay_of_a_torch_schedulers_run_is_the_table_of_its_rates(place):
    model = make_model()
    optimizer = optimizer_of(model)
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    with learnrate.attach(optimizer, None, store=place) as run:
        for step in range(8):
            if step == 5:
                run.steer("scale 0.5", author="ann")
            loss = update(model, optimizer)
            scheduler.step()
            run.step(loss)
    replay = replayed(Store(place), run.id)
    np.testing.assert_allclose(replay.lr, 0.1 * 0.9 ** np.arange(8) * ([1] * 5 + [0.5] * 3))
    assert replay.schedule.table().tolist() == replay.lr.tolist()
    again = Steered(False, schedule=replay.base, edits=replay.edits_to_repeat).train(99)
    assert [rates[0] for rates in again.used] == replay.lr.tolist()


def test_an_edit_of_the_rate_is_not_a_finding_while_the_run_continues_nor_afterwards(place):
    text = "0.1 * warmup(10) >> linear(290)"
    edits = {60: ["scale 0.8", "scale 0.9"], 150: "hold", 200: "decay 60"}
    steered = Steered(place, text).train(999, edits)
    steered.run.finish()
    store = Store(place)
    of_the_rate = {"LR301", "LR302", "LR303", "LR304", "LR305", "LR306", "LR308"}
    assert of_the_rate & {finding.code for finding in store.findings(steered.run.id)} == set()
    observations = observations_as_edited(store, steered.run.id)
    assert of_the_rate & {finding.code for finding in diagnose(observations).findings} == set()
    unaware = diagnose(store.observations(steered.run.id)).findings
    assert of_the_rate & {finding.code for finding in unaware} != set()
