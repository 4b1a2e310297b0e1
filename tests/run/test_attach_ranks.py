"""attach under DDP: every rank has the rates, the first one records."""

import textwrap

from learnrate import Store
from learnrate.schedules import schedule
from warm import finished_warm

JOB = """
    import os, sys, torch, learnrate
    from learnrate.run import Measure
    from torch import distributed
    attach, DDP = learnrate.attach, torch.nn.parallel.DistributedDataParallel
    folder = sys.argv[1]
    rank = int(os.fork() == 0)
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
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
    done = finished_warm(textwrap.dedent(JOB), tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = Store(tmp_path / "a.db", create=False).runs()
    rates = schedule("0.1 * linear(6)").table().tolist()
    assert (tmp_path / "0.txt").read_text().strip() == f"{rates} {run.id} 6"
    assert (tmp_path / "1.txt").read_text().strip() == f"{rates} None 6"
    assert Store(tmp_path / "a.db").observations(run.id).column("lr").tolist() == rates
