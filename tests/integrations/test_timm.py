"""timm's schedulers as schedules; and what attach and from_torch say of foreign schedulers."""

import importlib.util
import sys
import types

import numpy as np
import pytest

import learnrate
from learnrate import ArgumentError

torch = pytest.importorskip("torch")
from learnrate.integrations.timm import from_timm  # noqa: E402 - after the skip


@pytest.fixture
def timm(monkeypatch):
    """timm's schedulers. They need torch alone, but the package around them needs torchvision."""
    spec = importlib.util.find_spec("timm")
    if spec is None:
        pytest.skip("timm is not installed")
    package = types.ModuleType("timm")
    package.__path__ = list(spec.submodule_search_locations)
    known = {name for name in sys.modules if name.partition(".")[0] == "timm"}
    for name in known:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "timm", package)
    yield importlib.import_module("timm.scheduler")
    for name in [name for name in sys.modules if name.startswith("timm.")]:
        del sys.modules[name]


def make_optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)


PREFIX = {"warmup_t": 4, "warmup_lr_init": 1e-4, "warmup_prefix": True}
SCHEDULERS = {
    "cosine": ("CosineLRScheduler", {"t_initial": 20, "lr_min": 1e-3}),
    "warmup": ("CosineLRScheduler", {"t_initial": 20, "warmup_t": 4, "warmup_lr_init": 1e-4}),
    "prefix": ("CosineLRScheduler", {"t_initial": 20, "lr_min": 1e-3, **PREFIX}),
    "restarts": ("CosineLRScheduler", {"t_initial": 7, "cycle_limit": 3, "cycle_decay": 0.5}),
    "step": ("StepLRScheduler", {"decay_t": 5, "decay_rate": 0.5}),
    "multistep": ("MultiStepLRScheduler", {"decay_t": [3, 9], "decay_rate": 0.5}),
    "polynomial": ("PolyLRScheduler", {"t_initial": 20, "power": 2.0}),
    "tanh": ("TanhLRScheduler", {"t_initial": 20}),
    "noise": ("PolyLRScheduler", {"t_initial": 20, "noise_range_t": (3, 9)}),
}


@pytest.mark.parametrize("in_epochs", [False, True])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_scheduler_of_timm_is_a_schedule(timm, name, in_epochs):
    cls, options = SCHEDULERS[name]
    optimizer = make_optimizer()
    scheduler = getattr(timm, cls)(optimizer, t_in_epochs=in_epochs, **options)
    every, total = (3, 80) if in_epochs else (1, 26)
    schedule = from_timm(scheduler, total, every=3 if in_epochs else None)
    rates = []
    for update in range(total):
        if in_epochs and update % every == 0:
            scheduler.step(update // every)
        elif not in_epochs:
            scheduler.step_update(update)
        rates.append(optimizer.param_groups[0]["lr"])
    assert schedule.total_steps == total
    np.testing.assert_allclose(schedule(np.arange(total)), rates, rtol=1e-9, atol=1e-15)
    assert learnrate.schedule(str(schedule)) == schedule
    assert ("cosine" in str(schedule)) == (name in {"cosine", "warmup", "prefix"})


def test_its_schedule_leaves_the_scheduler_and_its_optimizer_alone(timm):
    optimizer = make_optimizer()
    scheduler = timm.CosineLRScheduler(optimizer, t_initial=20, t_in_epochs=False)
    scheduler.step_update(5)
    before = dict(optimizer.param_groups[0])
    from_timm(scheduler, 20)
    assert optimizer.param_groups[0] == before
    assert scheduler.optimizer is optimizer


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of timm, about torch
def test_it_refuses_what_is_not_a_function_of_the_step(timm):
    with pytest.raises(ArgumentError, match="schedule=None"):
        from_timm(timm.PlateauLRScheduler(make_optimizer()), 10)
    counts_epochs = timm.StepLRScheduler(make_optimizer(), decay_t=5)
    with pytest.raises(ArgumentError, match=r"len\(loader\)"):
        from_timm(counts_epochs, 10)
    counts_updates = timm.StepLRScheduler(make_optimizer(), decay_t=5, t_in_epochs=False)
    with pytest.raises(ArgumentError, match="left out"):
        from_timm(counts_updates, 10, every=2)
    with pytest.raises(ArgumentError, match="from_timm"):
        learnrate.attach(make_optimizer(), counts_epochs, total_steps=10, store=False)
    with pytest.raises(ArgumentError, match="from_timm"):
        learnrate.from_torch(counts_epochs, 10)


def test_it_refuses_a_scheduler_of_torch():
    with pytest.raises(ArgumentError, match="from_torch"):
        from_timm(torch.optim.lr_scheduler.StepLR(make_optimizer(), 3), 10)
