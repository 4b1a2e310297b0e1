"""Faults of data and training code that a log shows, in small trainings with the fault and without."""

import math

import numpy as np
import pytest
import torch

from learnrate.watch import Observations, diagnose

CODES = ("LR403", "LR404", "LR501", "LR502")
CLASSES, EXAMPLES, BATCH, UPDATES = 10, 640, 16, 480


def trained(*, shuffle=True, scale=1.0, twice=False, clip=None, seed=0, noise=1.5):
    """The columns of a network that learns which of ten centres an input is near."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (EXAMPLES,), generator=generator)
    centres = torch.randn(CLASSES, 12, generator=generator)
    inputs = centres[labels] + noise * torch.randn(EXAMPLES, 12, generator=generator)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(12, 32), torch.nn.ReLU(), torch.nn.Linear(32, CLASSES)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    columns = {"loss": [], "gradient_norm": []}
    order = torch.arange(EXAMPLES)
    for update in range(UPDATES):
        place = update * BATCH % EXAMPLES
        if place == 0 and shuffle:
            order = torch.randperm(EXAMPLES, generator=generator)
        batch = order[place : place + BATCH]
        outputs = model(scale * inputs[batch])
        outputs = outputs.softmax(1) if twice else outputs
        loss = torch.nn.functional.cross_entropy(outputs, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters()])
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            norm = torch.nn.utils.get_total_norm([weight.grad for weight in model.parameters()])
        optimizer.step()
        columns["loss"].append(loss.item())
        columns["gradient_norm"].append(norm.item())
    return columns


def findings(columns, every=1):
    step = np.arange(0, UPDATES, every)
    observations = Observations(
        run="a",
        step=step,
        columns={name: np.asarray(values)[step] for name, values in columns.items()},
        facts={"classes": CLASSES},
    )
    return diagnose(observations, only=CODES).findings


def codes(columns, **known):
    return [finding.code for finding in findings(columns, **known)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("every", [1, 4])
def test_a_training_without_these_faults_has_no_finding(seed, every):
    assert codes(trained(seed=seed), every=every) == []


@pytest.mark.parametrize("seed", range(3))
def test_batches_in_the_same_order_in_every_epoch_show_in_the_loss(seed):
    (finding,) = findings(trained(shuffle=False, seed=seed))
    assert (finding.code, finding.evidence["period"]) == ("LR403", EXAMPLES // BATCH)


def test_two_epochs_and_a_part_of_the_third_are_enough_to_show_it():
    random = np.random.default_rng(0)
    batch = np.tile(random.standard_normal(200), 3)[:UPDATES]
    (finding,) = findings({"loss": 1.0 + batch + 0.1 * random.standard_normal(UPDATES)})
    assert (finding.code, finding.evidence["period"]) == ("LR403", 200)


def test_tasks_that_alternate_are_not_an_epoch():
    noise = np.random.default_rng(0).standard_normal(UPDATES)
    task = np.where(np.arange(UPDATES) % 2 == 0, 1.0, 2.0)
    assert codes({"loss": task + 0.1 * noise, "gradient_norm": np.abs(noise)}) == []


def test_a_loss_that_falls_at_every_epoch_is_not_the_same_order():
    epoch = np.arange(UPDATES) // 40
    noise = np.random.default_rng(0).standard_normal(UPDATES)
    loss = 2.0 * 0.8**epoch + 0.05 * noise
    assert codes({"loss": loss, "gradient_norm": np.abs(noise)}) == []


@pytest.mark.parametrize(("norm", "codes"), [(0.4, ["LR506"]), (0.6, [])])
def test_weights_that_keep_half_their_norm_are_not_outweighed_by_their_decay(runs, norm, codes):
    looks = range(0, 400, 40)
    norms = np.geomspace(1.0, norm, len(looks)).tolist()
    facts = {
        "decay_ratio": [[step, 8.0] for step in looks],
        "decayed_norm": [list(look) for look in zip(looks, norms, strict=True)],
    }
    assert runs.codes(loss=runs.loss(), lr=runs.rate(), facts=facts) == codes


def test_inputs_of_large_scale_begin_far_above_chance():
    columns = trained(scale=100.0)
    (finding,) = findings(columns)
    assert finding.code == "LR404"
    assert finding.evidence == {"first": columns["loss"][0], "chance": math.log(CLASSES)}


def test_a_resumed_run_has_no_first_loss():
    observations = Observations(
        run="a",
        step=np.arange(100, 200),
        columns={"loss": np.full(100, 20.0)},
        facts={"classes": CLASSES},
    )
    assert diagnose(observations, only=["LR404"]).codes() == []


def test_a_softmax_before_the_cross_entropy_has_a_floor_that_no_loss_passes():
    (finding,) = findings(trained(twice=True, noise=0.3))
    assert finding.code == "LR501"
    assert finding.evidence["floor"] == pytest.approx(1.4611501717)
    assert finding.evidence["floor"] <= finding.evidence["lowest"]


def test_a_healthy_loss_near_that_floor_passes_it():
    noise = np.random.default_rng(0).standard_normal(UPDATES)
    assert codes({"loss": 1.5 + 0.05 * noise, "gradient_norm": np.abs(noise)}) == []


def test_gradients_that_the_training_clips_itself_have_one_highest_norm():
    usual = float(np.median(trained()["gradient_norm"]))
    (finding,) = findings(trained(clip=0.5 * usual))
    assert finding.code == "LR502"
    assert finding.evidence["norm"] == pytest.approx(0.5 * usual, rel=1e-3)
    assert "rate" not in finding.remedy


@pytest.mark.parametrize("fault", [{"shuffle": False}, {"scale": 100.0}, {"clip": 0.2}])
def test_no_remedy_of_these_faults_advises_another_rate(fault):
    for finding in findings(trained(**fault)):
        assert "rate" not in finding.remedy.replace("separate", "")
