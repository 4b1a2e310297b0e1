"""attach under DDP: every rank has the rates, the first one records."""

import textwrap

from learnrate import Store
from learnrate.schedules import schedule
from warm import finished_warm

TWO_RANKS = """
    import os, sys, torch, learnrate
    from learnrate.run import Measure
    from torch import distributed
    folder = sys.argv[1]
    rank = int(os.fork() == 0)
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
"""
JOB = """
    attach, DDP = learnrate.attach, torch.nn.parallel.DistributedDataParallel
    torch.manual_seed(0)
    model = DDP(torch.nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rates = []
    with attach(optimizer, "0.1 * linear(6)", store=f"{folder}/a.db", measure=Measure(gradient_every=1)) as run:
        for step in range(6):
            optimizer.zero_grad()
            loss = model(torch.full((4, 3), float(rank + 1))).square().mean()
            loss.backward()
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            run.step(loss)
        state = run.state_dict()
    with open(f"{folder}/{rank}.txt", "w") as file:
        print(rates, run.id, state["step"], file=file)
    del model  # which holds the group, and so its threads
    distributed.destroy_process_group()
    if rank == 0:
        sys.exit(os.wait()[1])
"""


def test_every_rank_has_the_rates_and_the_first_one_records(tmp_path):
    done = finished_warm(textwrap.dedent(TWO_RANKS + JOB), tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = Store(tmp_path / "a.db", create=False).runs()
    rates = schedule("0.1 * linear(6)").table().tolist()
    assert (tmp_path / "0.txt").read_text().strip() == f"{rates} {run.id} 6"
    assert (tmp_path / "1.txt").read_text().strip() == f"{rates} None 6"
    assert Store(tmp_path / "a.db").observations(run.id).column("lr").tolist() == rates


ACCUMULATION = """
    import contextlib
    from torch import nn
    weights = []
    for inspect in (True, False):
        torch.manual_seed(0)
        model = nn.parallel.DistributedDataParallel(nn.Linear(5, 5))
        generator = torch.Generator().manual_seed(rank)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        store, measure = f"{folder}/{inspect}.db", Measure(inspect=inspect)
        with learnrate.attach(
            optimizer, 0.1, total_steps=20, model=model, store=store, measure=measure
        ) as run:
            for step in range(20):
                optimizer.zero_grad()
                for micro in range(4):
                    inputs = torch.randn(8, 5, generator=generator)
                    with contextlib.nullcontext() if micro == 3 else model.no_sync():
                        loss = nn.functional.cross_entropy(model(inputs), inputs.argmax(1))
                        loss.backward()
                optimizer.step()
                run.step(loss)
        weights.append([tensor.detach().clone() for tensor in model.parameters()])
        del model
    with open(f"{folder}/{rank}.txt", "w") as file:
        print(all(map(torch.equal, *weights)), file=file)
    distributed.destroy_process_group()
    if rank == 0:
        sys.exit(os.wait()[1])
"""


def test_accumulation_without_synchronisation_is_inspected_and_not_disturbed(tmp_path):
    done = finished_warm(textwrap.dedent(TWO_RANKS + ACCUMULATION), tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / f"{rank}.txt").read_text().strip() for rank in (0, 1)] == ["True", "True"]
    store = Store(tmp_path / "True.db", create=False)
    (run,) = store.runs()
    assert "unused_looks" in store.observations(run.id).facts
    # What happens to gradients between the last backward pass and the update cannot be seen here.
    assert "LR510" not in [finding.code for finding in store.findings(run.id)]
