"""The guard: small trainings with injected faults end at the loss of a clean training."""

import json
import math
import resource
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import learnrate
from learnrate import ArgumentError, FileError, Store, Task
from learnrate.run import Guard
from learnrate.run._guard import GuardState, Rollback
from learnrate.run._snapshots import Snapshots
from learnrate.steering import replayed

STEPS = 400


def make_data():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(512, 8, generator=generator)
    target = torch.tanh(x @ torch.randn(8, 3, generator=generator)).sum(1, keepdim=True)
    return x, target + 0.3 * torch.randn(512, 1, generator=generator)


X, Y = make_data()
INDEX = torch.Generator()


class Loop:
    """A training loop with an MLP; a batch is a function of the number of batches drawn so far."""

    def __init__(self, store=False, **options):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.run = learnrate.attach(
            self.optimizer,
            f"0.05 * warmup(20) >> constant() >> linear({STEPS // 2})",
            total_steps=STEPS,
            store=store,
            model=self.model,
            **options,
        )
        self.drawn = 0

    def batch(self):
        self.drawn += 1
        index = torch.randint(512, (64,), generator=INDEX.manual_seed(self.drawn))
        return X[index], Y[index]

    def train(self, poison=None, edits=None):
        edits = dict(edits or {})
        while not self.run.done:
            words = edits.pop(self.run.next_step, None)
            if words is not None:
                self.run.steer(words, author="ann", reason="a try")
            self.train_once(poison and (lambda x, y: poison(self.drawn, x, y)))
        self.run.finish()
        return self

    def train_once(self, poison=None):
        x, y = self.batch()
        if poison is not None:
            x, y = poison(x, y)
        self.optimizer.zero_grad()
        loss = (self.model(x) - y).square().mean()
        loss.backward()
        self.optimizer.step()
        self.run.step(loss)

    def loss(self):
        with torch.no_grad():
            return (self.model(X) - Y).square().mean().item()


@pytest.fixture(scope="module")
def clean():
    return Loop().train().loss()


def nan_at(*batches):
    return lambda drawn, x, y: (x * math.nan, y) if drawn in batches else (x, y)


def wrong_labels(drawn, x, y):
    return (x, 300.0 + 0.0 * y) if 150 <= drawn < 158 else (x, y)


FAULTS = {
    "nan": (nan_at(170), None),
    "nan twice": (nan_at(120, 260), None),
    "poisoned batches": (wrong_labels, None),
    "a rate of a hundred times": (None, {160: "scale 100"}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_rescued_run_ends_within_five_percent_of_the_clean_one(name, clean, tmp_path):
    poison, edits = FAULTS[name]
    loop = Loop(tmp_path / "a.db", guard=True).train(poison, edits)
    assert loop.run.stopped is None
    assert loop.loss() <= 1.05 * clean
    edits = Store(tmp_path / "a.db").edits(loop.run.id)
    edits = [edit for edit in edits if edit.author == "guard"]
    assert [edit.kind for edit in edits][:2] == ["rollback", "scale"]
    assert all("the loss is" in edit.reason for edit in edits)
    assert loop.run.edited.schedule.table()[-1] < 0.05 * 0.51


def test_without_a_guard_these_faults_ruin_the_run(clean):
    for poison, edits in (FAULTS["nan"], FAULTS["a rate of a hundred times"]):
        assert not Loop().train(poison, edits).loss() <= 1.05 * clean


def test_a_clean_run_is_not_changed_by_a_bit(clean):
    loop = Loop(guard=Guard(every=10)).train()
    assert loop.run.edited.edits == ()
    assert loop.loss() == clean


def test_after_the_last_rescue_the_run_stops_with_advice(tmp_path):
    loop = Loop(tmp_path / "a.db", guard=Guard(max_rescues=2)).train(
        lambda drawn, x, y: (x * math.nan, y) if drawn >= 200 else (x, y)
    )
    assert loop.run.gave_up
    assert "after 2 rescues. Lower the peak rate or run learnrate plan" in loop.run.stopped
    assert Store(tmp_path / "a.db").run(loop.run.id).status == "diverged"
    assert len([edit for edit in loop.run.edited.edits if edit.kind == "scale"]) == 2
    again = replayed(
        store := Store(tmp_path / "a.db"), loop.run.id
    )  # it ends where the guard gave up
    assert again.lr.tolist() == store.observations(loop.run.id).column("lr").tolist()
    assert (again.edits[-1].kind, again.edits[-1].author) == ("stop", "guard")


def test_the_rate_after_a_rescue_is_below_the_rate_before(tmp_path):
    loop = Loop(guard=Guard(every=20)).train(nan_at(130), {115: "scale 0.1"})
    scale = loop.run.edited.edits[-1]
    assert (scale.author, scale.kind) == ("guard", "scale")
    assert loop.run.edited.schedule(129) == pytest.approx(0.05 * 0.1 * 0.5)


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_ring_is_bounded_and_goes_back_to_the_last_bit(on_disk, tmp_path):
    folder = tmp_path / "ring" if on_disk else None
    loop = Loop(guard=Guard(every=10, keep=3, folder=folder))
    states = {}
    while loop.run.next_step < 95:
        x, y = loop.batch()
        if loop.run.next_step not in states:
            states[loop.run.next_step] = [p.detach().clone() for p in loop.model.parameters()]
        loop.optimizer.zero_grad()
        loss = (loop.model(x) - y).square().mean()
        loss.backward()
        loop.optimizer.step()
        loop.run.step(loss)
    assert loop.run.snapshots == [70, 80, 90]
    if on_disk:
        assert sorted(path.name for path in folder.iterdir()) == [
            f"step-{step}-rank-0.pt" for step in (70, 80, 90)
        ]
    loop.run.steer("rollback 80")
    assert loop.run.snapshots == [70, 80]
    assert all(
        torch.equal(first, second)
        for first, second in zip(states[80], loop.model.parameters(), strict=True)
    )
    loop.run.finish()


def test_a_damaged_snapshot_is_an_error_that_changes_nothing(tmp_path):
    loop = Loop(guard=Guard(every=50, folder=tmp_path))
    before = [value.clone() for value in loop.model.parameters()]
    (tmp_path / "step-0-rank-0.pt").write_bytes(b"cut short")
    loop.run.steer("rollback 0")
    assert loop.run.edited.edits == ()
    assert all(
        torch.equal(first, second)
        for first, second in zip(before, loop.model.parameters(), strict=True)
    )
    loop.run.finish()


def poisoned_task():
    data = [(X[i : i + 16], Y[i : i + 16]) for i in range(0, 512, 16)]
    data = data * 8
    data[200] = (data[200][0] * math.nan, data[200][1])
    return Task(
        model=lambda: nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1)),
        loss=nn.MSELoss(),
        data=data,
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        total_steps=240,
    )


def test_train_obeys_the_guard_and_its_replay_repeats_the_run(tmp_path):
    store = Store(tmp_path / "a.db")
    options = {"progress": False, "store": store, "seed": 4}
    saved = learnrate.train(poisoned_task(), 0.05, guard=True, **options)
    assert (saved.curve.status, saved.curve.steps) == ("finished", 240)
    assert {edit.author for edit in saved.edits} == {"guard"}
    replay = replayed(store, saved.run)
    again = learnrate.train(
        poisoned_task(),
        replay.base,
        edits=replay.edits_to_repeat,
        seed=replay.seed,
        progress=False,
    )
    assert again.curve.loss.tolist() == saved.curve.loss.tolist()
    assert again.curve.lr.tolist() == saved.curve.lr.tolist() == replay.lr.tolist()
    assert all(
        torch.equal(first, second)
        for first, second in zip(saved.model.parameters(), again.model.parameters(), strict=True)
    )
    ruined = learnrate.train(poisoned_task(), 0.05, progress=False, seed=4)
    assert ruined.curve.status == "diverged"


def test_one_spike_is_no_trouble_but_several_in_a_row_are():
    guard = GuardState(Guard(patience=3))
    for step in range(30):
        assert guard.trouble(1.0 + 0.01 * (step % 5)) is None
    assert guard.trouble(9.0) is None
    assert not guard.is_calm
    assert guard.trouble(1.0) is None
    assert [guard.trouble(9.0) for _ in range(2)] == [None, None]
    assert "above" in guard.trouble(9.0)
    assert guard.trouble(math.nan) == "the loss is nan"


def memorised():
    """Losses of a run that has memorised its data: a thousandth at one step, 1e-8 at the next."""
    draws = np.random.default_rng(0).normal(size=3000)
    return [2.3 * math.exp(-step / 100) + 1e-6 * math.exp(3 * draws[step]) for step in range(3000)]


def test_spikes_of_a_run_that_has_memorised_its_data_are_not_trouble_and_a_rise_is():
    guard = GuardState(Guard())
    assert {guard.trouble(loss) for loss in memorised()} == {None}
    assert [guard.trouble(0.2) for _ in range(3)][:2] == [None, None]
    assert not guard.is_calm


def test_a_rollback_goes_to_the_last_snapshot_from_before_the_trouble():
    guard = GuardState(Guard(patience=3), total_steps=1000)  # a state every 20 updates
    assert guard.choose_rollback(64, [20, 40, 60]) == Rollback(40, discard=None, at_once=False)
    assert guard.choose_rollback(3, [2]) == Rollback(2, discard=None, at_once=False)
    assert guard.choose_rollback(3, []) == Rollback(None, discard=None, at_once=False)


def test_if_trouble_returns_soon_an_earlier_snapshot_is_used():
    guard = GuardState(Guard(patience=3), total_steps=1000)
    guard.add_rescue(64, 40)
    assert guard.choose_rollback(44, [20, 40]) == Rollback(20, discard=None, at_once=True)
    assert guard.choose_rollback(60, [20, 40]) == Rollback(20, discard=40, at_once=False)
    assert guard.choose_rollback(90, [20, 40]) == Rollback(40, discard=None, at_once=False)


def test_the_state_of_a_guard_is_saved_as_json():
    losses = [*memorised()[:777], 0.3, 0.3]
    guard, restored = GuardState(Guard()), GuardState(Guard())
    for loss in losses:
        guard.trouble(loss)
    restored.load_state_dict(json.loads(json.dumps(guard.state_dict())))
    assert restored == guard
    assert "above" in restored.trouble(0.3)


@pytest.mark.parametrize(
    "options",
    [
        {"every": 0},
        {"lost_share": 0.0},
        {"keep": 0},
        {"factor": 1.0},
        {"max_rescues": -1},
        {"spike": 0.5},
        {"folder": 3},
    ],
)
def test_a_guard_outside_its_rules_is_refused(options):
    with pytest.raises(ArgumentError, match=r"Guard\("):
        Guard(**options)


class ExecutedError(Exception):
    pass


class Malicious:
    def __reduce__(self):
        return _execute, ()


def _execute():
    raise ExecutedError


@pytest.mark.parametrize("damage", ["malicious", "cut", "gone"])
def test_a_snapshot_that_somebody_changed_is_not_read_and_an_older_one_is(damage, tmp_path):
    loop = Loop(tmp_path / "a.db", guard=Guard(every=10, folder=tmp_path / "snapshots"))
    while loop.run.next_step < 100:
        loop.train_once()
    newest, older = [tmp_path / "snapshots" / f"step-{step}-rank-0.pt" for step in (90, 80)]
    if damage == "malicious":
        torch.save(Malicious(), newest)
    elif damage == "cut":
        newest.write_bytes(newest.read_bytes()[:-100])
    else:
        newest.unlink()
    assert older.exists()
    with pytest.raises(FileError, match=r"step-90-rank-0\.pt (was changed|cannot be read)"):
        loop.run._edits.snapshots.restore(90)
    loop.train_once(lambda x, y: (x * math.nan, y))
    assert loop.run.next_step == 80
    loop.run.finish()
    kinds = [(edit.kind, edit.value) for edit in loop.run.edited.edits]
    assert kinds[0] == ("rollback", 80)


def test_snapshots_that_do_not_fit_cost_one_warning_and_not_the_training(tmp_path):
    folder = tmp_path / "snapshots"
    loop = Loop(guard=Guard(every=10, folder=folder))
    while loop.run.next_step < 45:
        loop.train_once()
    for snapshot in folder.iterdir():
        assert snapshot.stat().st_size > 1000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # as a full disk
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            while loop.run.next_step < 75:
                loop.train_once()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert len(caught) == 1
    assert "cannot be written: File too large" in str(caught[0].message)
    assert "the guard goes back to the snapshot of step 40" in str(caught[0].message)
    assert loop.run.snapshots == [20, 30, 40]
    assert len(list(folder.iterdir())) == 3
    loop.train_once(lambda x, y: (x * math.nan, y))
    assert loop.run.next_step == 40
    assert loop.train().run.stopped is None


def test_a_guard_that_cannot_keep_any_snapshot_says_that_it_will_stop_the_run(tmp_path):
    place = tmp_path / "snapshots"
    place.touch()  # a file, so that no snapshot can be written in it
    with pytest.warns(RuntimeWarning, match="without a snapshot the guard stops the run if"):
        loop = Loop(guard=Guard(every=10, folder=place))
    while loop.run.next_step < 25:
        loop.train_once()
    assert loop.run.snapshots == []
    loop.train_once(lambda x, y: (x * math.nan, y))
    assert "the loss is nan" in loop.run.stopped


def test_a_snapshot_that_does_not_fit_into_memory_is_left_out(monkeypatch, clean):
    loop = Loop(guard=Guard(every=10))
    while loop.run.next_step < 45:
        loop.train_once()

    def no_memory(self):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("learnrate.run._snapshots.Snapshots._state", no_memory)
    with pytest.warns(RuntimeWarning, match="of step 50 does not fit into memory"):
        loop.train()
    assert loop.loss() == clean


def test_snapshots_share_frozen_weights_until_they_change():
    model = nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 1))
    snapshots = Snapshots([torch.optim.SGD(model.parameters(), lr=0.1)], model, {}, 3, None)
    frozen, before = model[0].weight, model[0].weight.clone()
    for step in range(3):
        with torch.no_grad():
            frozen += step == 2
        snapshots.take(step, requested=False)
    states = [snapshots._states[step]["model"] for step in range(3)]
    addresses = [state["0.weight"].data_ptr() for state in states]
    assert addresses[0] == addresses[1] != addresses[2]
    assert len({state["1.weight"].data_ptr() for state in states}) == 3
    snapshots.restore(1)
    assert torch.equal(frozen, before)
