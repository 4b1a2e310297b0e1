"""What tests start in processes of their own: a training whose every draw follows from the step.

python steer_job.py loop STORE CHECKPOINT TRACE KILLS    killed at STEP.PHASE,..., each time resumed
RANK=0 python steer_job.py ranks STORE FOLDER            one of two ranks, steered while they train
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed.nn  # ahead of the group, which it would keep alive past its end
from torch import distributed

import learnrate
from learnrate.controllers import Plateau
from learnrate.steering import request

TOTAL = 60
X = torch.randn(64, 5, generator=torch.Generator().manual_seed(1))


def make(place):
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    run = learnrate.attach(
        optimizer,
        "0.05 * warmup(5) >> constant(45) >> linear(10)",
        store=place,
        model=model,
        controllers=[Plateau(window=12, improvement=0.9, cooldown=0, factor=0.7)],
    )
    return model, optimizer, run


def update(model, optimizer, step):
    index = torch.randint(64, (16,), generator=torch.Generator().manual_seed(step))
    optimizer.zero_grad()
    loss = (model(X[index]) - X[index].sum(1, keepdim=True)).square().mean()
    loss.backward()
    optimizer.step()
    return loss


def loop(place, checkpoint, trace, kills):
    """Each attempt is a process of its own, forked from one that has loaded everything."""
    learnrate.Store(place).close()
    for kill in [*filter(None, kills.split(",")), None]:
        child = os.fork()
        if child == 0:
            attempt(place, checkpoint, trace, kill)
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        ended = os.waitstatus_to_exitcode(status)
        if ended != (0 if kill is None else -signal.SIGKILL):
            raise SystemExit(f"killed at {kill}, it ended with {ended}")


def attempt(place, checkpoint, trace, kill):
    """Until it is done, or killed in a step: before its update, after it, or after its trace."""

    def maybe_kill(phase):
        if f"{step}.{phase}" == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    model, optimizer, run = make(place)
    saved = Path(checkpoint)
    if saved.exists():
        state = torch.load(saved, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        run.load_state_dict(state["run"])
    with Path(trace).open("a") as file:
        while not run.done:
            step = run.next_step
            if step == 17 and not saved.with_suffix(".requested").exists():
                run.steer("scale 0.5", author="ann", reason="flat")
                saved.with_suffix(".requested").touch()
            if step % 10 == 0:
                parts = {"model": model, "optimizer": optimizer, "run": run}
                torch.save(
                    {name: part.state_dict() for name, part in parts.items()}, f"{saved}.new"
                )
                Path(f"{saved}.new").replace(saved)
            maybe_kill(0)
            rate = run.lr
            loss = update(model, optimizer, step)
            maybe_kill(1)
            file.write(json.dumps([step, rate, loss.item()]) + "\n")
            file.flush()
            maybe_kill(2)
            run.step(loss)
    run.finish()
    sys.stdout.write(json.dumps([value.tolist() for value in model.parameters()]))


def ranks(place, folder):
    rank = int(os.environ["RANK"])
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(5, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = learnrate.attach(
        optimizer, "0.1 * constant(100000)", store=place, model=model, limits={"highest": 0.2}
    )
    used, edits = [], ["scale 0.5", "set 0.03", "snapshot", "scale 100", "hold", "stop"]
    while not run.done:
        if rank == 0 and edits and len(used) % 40 == 20:
            kind, *value = edits.pop(0).split()
            run.recorder.flush()
            store = learnrate.Store(place)
            if kind == "scale" and value == [
                "100"
            ]:  # beyond the limits: request() would refuse it
                store.add_edit(run.id, kind, 100.0, author="ann")
            else:
                request(store, run.id, kind, *map(float, value), author="ann")
        used.append(optimizer.param_groups[0]["lr"])
        run.step(update(model, optimizer, run.next_step + rank))
        time.sleep(0.002 * (1 + rank))
        if len(used) > 20_000:
            raise RuntimeError("the edits did not come")
    run.finish()
    applied = [[edit.words, edit.step] for edit in run.edited.edits]
    weights = [value.tolist() for value in model.parameters()]
    result = {"used": used, "edits": applied, "stopped": run.stopped, "weights": weights}
    (Path(folder) / f"{rank}.json").write_text(json.dumps(result))
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    {"loop": loop, "ranks": ranks}[sys.argv[1]](*sys.argv[2:])
