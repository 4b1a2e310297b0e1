"""Accelerate: accumulation in its context, its wrapped optimizer and scheduler, its checkpoints."""

from functools import partial
from types import SimpleNamespace

import torch
from accelerate import Accelerator
from torch.nn import functional

from script_harness import SAVE_EVERY

MICRO_BATCHES = 2


def train(session):
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=MICRO_BATCHES)
    x = torch.randn(1152, 6)
    y = (x[:, 0] > 0).long()
    model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, 72)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
    run = session.attach(optimizer, model=model)
    if session.mode == "longer":
        load = partial(run.load_state_dict, change_schedule=True)
        accelerator.register_for_checkpointing(
            SimpleNamespace(state_dict=run.state_dict, load_state_dict=load)
        )
    elif session.mode != "plain":
        accelerator.register_for_checkpointing(run)
    step = 0
    if session.checkpoints.exists():
        newest = max(session.checkpoints.iterdir(), key=lambda place: int(place.name))
        accelerator.load_state(newest)
        step = int(newest.name)
    for batch, (features, labels) in enumerate(loader):
        if step == session.updates:
            break
        if batch < step * MICRO_BATCHES:
            continue
        with accelerator.accumulate(model):
            loss = functional.cross_entropy(model(features), labels)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            session.log(step, loss)
            step += 1
        run.step(loss)
        if accelerator.sync_gradients and step % SAVE_EVERY == 0:
            accelerator.save_state(session.checkpoints / str(step), safe_serialization=False)
    run.finish()
