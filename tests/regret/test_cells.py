from collections import Counter

import pytest
import torch
from regret.cells import CELLS, DOMAINS
from regret.domains import WORKLOADS
from regret.optimizers import OPTIMIZERS, Lion
from regret.workload import Sampled

from learnrate import schedule
from learnrate.trials import Trial, run_trial


def test_the_cells_span_many_domains_and_their_names_are_unique():
    assert len(CELLS) >= 60
    assert len(DOMAINS) >= 14
    assert max(Counter(cell.name for cell in CELLS).values()) == 1


def test_every_workload_and_every_optimizer_has_a_cell():
    assert {cell.workload for cell in CELLS} == {*WORKLOADS}
    assert {cell.optimizer for cell in CELLS} == {*OPTIMIZERS}


@pytest.mark.parametrize("name", ["iris-mlp", "wine-bn", "digits-vae", "moons-flow", "wave-mlp"])
def test_a_workload_without_foreign_data_trains_and_validates(name):
    cell = next(cell for cell in CELLS if cell.workload == name)
    curve, _ = run_trial(cell.task(), Trial((cell.around * schedule("linear()")).over(3), 0))
    assert curve.status == "finished"
    assert 0 < curve.final < float("inf")


def test_all_examples_are_one_batch():
    cell = next(cell for cell in CELLS if cell.name == "diabetes-mlp-adamw-full-t200")
    ((x, y),) = cell.task().data(0)
    assert len(x) == len(y) == 292


def test_sampled_batches_depend_on_the_seed_alone():
    source = Sampled(lambda random, size: (torch.rand(size, generator=random),), ())
    first, again, other = (next(source.batches(4)(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_lion_moves_each_weight_by_the_rate_along_the_sign_of_its_mean_gradient():
    weight = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    optimizer = Lion([weight], lr=0.1)
    for gradient in ([3.0, -0.5, 0.0], [-1.0, -1.0, 2.0]):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    # The stored mean is 0.01 of the first gradient; the second update weighs it with 0.9.
    assert torch.allclose(weight, torch.tensor([1.0, 1.2, 0.9]))
