"""attach: a training loop of one's own, under a schedule and recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from learnrate._checks import check_finite, check_whole, refuse
from learnrate._errors import ArgumentError
from learnrate._ranks import rank_and_size
from learnrate.controllers import Controlled
from learnrate.edits import Limits
from learnrate.run._agreement import agreement
from learnrate.run._floats import Floats
from learnrate.run._guard import Guard
from learnrate.run._live import Live
from learnrate.run._mailbox import Mailbox
from learnrate.run._measures import Cadence, Measures, is_sharded
from learnrate.run._questions import Questions
from learnrate.run._rates import Borrowed, Owned
from learnrate.run._recording import Recording
from learnrate.run._run import ATTACHED, Run
from learnrate.run._snapshots import Snapshots
from learnrate.run._steering import Fate, Steering
from learnrate.schedules import Constant, Schedule
from learnrate.schedules import schedule as read
from learnrate.store import Recorder, Store
from learnrate.torch_scheduler import TorchSchedule, from_torch, position

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from learnrate.controllers import Controller
    from learnrate.edits import Edit
    from learnrate.run._questions import Probing

__all__ = ["attach"]

_CONTROLLERS = "learnrate.controllers"


def attach(
    optimizer: Optimizer | Iterable[Optimizer],
    schedule: Schedule | str | float | LRScheduler | None,
    *,
    store: str | Path | Store | bool | None = None,
    name: str | None = None,
    total_steps: int | None = None,
    step: int = 0,
    controllers: Mapping[str, Controller[Any]] | Iterable[Controller[Any]] = (),
    model: nn.Module | None = None,
    clip_norm: float | None = None,
    every: int = 1,
    gradient_every: int | None = None,
    update_every: int | None = None,
    planned: Schedule | None = None,
    facts: Mapping[str, Any] | None = None,
    limits: Limits | Mapping[str, Any] | None = None,
    watch: bool = True,
    probes: Probing | None = None,
    guard: Guard | bool = False,
    also: Mapping[str, Any] | None = None,
    edits: Iterable[Edit] = (),
) -> Run:
    """Train under a schedule in a loop of your own, and record it.

        run = learnrate.attach(optimizer, "3e-4 * warmup(5%) >> cosine()", total_steps=10_000)
        for batch in loader:
            loss = ...          # your forward and backward pass, and optimizer.step()
            run.step(loss)

    The schedule sets the rate of the group that was built with the highest one, the others keep
    their share of it. The run writes the rates when a step becomes the next one and again right
    before the update, so nothing else can change them: neither a scheduler that is still
    stepped, nor the optimizer's state when a checkpoint is loaded.

    With `schedule=None` a torch scheduler goes on setting the rates, whichever it is; they are
    recorded, and what controllers decide multiplies them for the update alone.

    Under DDP or FSDP call it on every rank. The first rank records; ranks exchange nothing. Give
    controllers the loss averaged over ranks, so that all decide alike.

    What is recorded of an update: rate, loss, gradient norm, update ratio (the norm of the update
    over that of the weights, from a sample of at most 65,536 weights), whether it was clipped,
    seconds. See `learnrate.watch.Observations`. Where the store cannot be written, training goes
    on all the same; see `learnrate.store.Recorder`.

    Args:
        optimizer: or several, which share one schedule.
        schedule: a schedule, its text form, a number, or a torch scheduler to take over from
            where it stands; None to leave the rates to whoever sets them now.
        store: a file or URL; the default store if None (see `Store`); False records nothing.
        name: what to call the run; the script's name by default.
        total_steps: updates of the whole run. May be left out where the schedule has a length.
        step: the update about to happen.
        controllers: closed loops that multiply the rates, such as `learnrate.controllers.Plateau()`.
        model: what is trained, for its name and its number of parameters in the record.
        clip_norm: clip the gradient to this norm before every update, as `clip_grad_norm_` does.
            Where you clip by yourself, leave it out and say `run.step(loss, gradient_norm=...)`.
        every: updates from one recorded row to the next.
        gradient_every: updates from one measurement of the gradient's norm to the next, 0 for
            none. By default as often as 0.1 % of the run's time allows. Where parameters are
            split over processes it is not measured, since that takes an exchange; give it to
            `run.step`.
        update_every: the same for the update ratio.
        planned: with `schedule=None`, the schedule that the rates should follow, for the record.
        facts: JSON values to remember, such as `{"batch_size": 64}`.
        watch: look at what is recorded with the rules of `learnrate.watch`, in the recorder's
            thread; what they find is in `run.findings` and in the store.
        probes: `learnrate.probing.Probes`, which puts questions to the live training within a
            share of its time, and answers the edit `probe`; for one optimizer. What it finds is
            recorded with the run.
        limits: what edits may not exceed: `Limits`, or the same as a mapping.
        guard: go back and lower the rate when the loss leaves for good; True for the defaults of
            `Guard`. Several ranks must be given the same loss.
        also: by name, what a rollback is to restore beside model and optimizers: whatever has
            `state_dict` and `load_state_dict`, such as a GradScaler or averaged weights.
        edits: to be made again, each at its step: what `learnrate.steering.replayed(...).again` has.

    Raises:
        ArgumentError: a value outside its rule, or an optimizer that has a run already.
        ScheduleError: the schedule cannot be read or bound.
        MissingExtraError: the store's driver is not installed.

    Examples:
        >>> import tempfile, torch, learnrate
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = torch.optim.SGD([weight], lr=0.1)
        >>> folder = tempfile.TemporaryDirectory()
        >>> with learnrate.attach(optimizer, "0.1 * linear(4)", store=f"{folder.name}/a.db") as run:
        ...     for _ in range(4):
        ...         optimizer.zero_grad()
        ...         loss = weight.square().sum()
        ...         loss.backward()
        ...         optimizer.step()
        ...         run.step(loss)
        >>> seen = learnrate.Store(f"{folder.name}/a.db").observations(run.id)
        >>> seen.column("lr").round(3).tolist()
        [0.1, 0.075, 0.05, 0.025]
        >>> folder.cleanup()
    """
    optimizers = _free(optimizer)
    _check_counts(total_steps=total_steps, every=every)
    _check_counts(0, step=step, gradient_every=gradient_every, update_every=update_every)
    _check_clipping(clip_norm, optimizers)
    if probes is not None and len(optimizers) > 1:
        refuse("attach", "probes", "None for several optimizers", probes)
    if planned is not None and schedule is not None:
        refuse("attach", "planned", "None unless schedule=None", str(planned))
    if isinstance(schedule, LRScheduler):
        step = max(step, position(schedule))
    bound = None if schedule is None else _bound(schedule, total_steps)
    total_steps = total_steps if bound is None or bound.total_steps is None else bound.total_steps
    controlled = _controlled(bound, controllers)
    rates = Borrowed(optimizers) if bound is None else Owned(optimizers, bound)
    limits = Limits.of(limits)
    rank, size = rank_and_size()
    first = rank == 0
    sharded = any(is_sharded(each) for each in _parameters(optimizers))
    gradient = Cadence(0 if sharded or not first else gradient_every)
    floats, recorder = Floats(), None
    if first and store is not False:
        recorder = Recorder(
            store.url if isinstance(store, Store) else None if store is True else store,
            name=name or _script(),
            total_steps=total_steps,
            schedule=planned if bound is None else bound,
            limits=limits.to_dict(),
            facts={
                **_facts(optimizers, model, clip_norm),
                **({"foreign": True} if bound is None else {}),
                **(facts or {}),
            },
            numbers=floats,
        )
        recorder.step = step
        if step > 0:
            recorder.begin_attempt(step, "started")
    kept = {**(also or {}), **({} if controlled is None else {_CONTROLLERS: controlled})}
    guarding = Guard() if guard is True else guard or None
    agreed = agreement(rank, size)
    measures = Measures(clip_norm, gradient, Cadence(update_every))
    recording = Recording(recorder, rates, measures, floats, every=every, step=step)
    questions = None
    if probes is not None:
        questions = Questions(probes, optimizers[0], rates, recording)
    steering = Steering(
        base=bound,
        fate=Fate(total_steps),
        rates=rates,
        limits=limits,
        snapshots=Snapshots(
            optimizers,
            model,
            kept,
            1 if guarding is None else guarding.keep,
            None if guarding is None else guarding.folder,
        ),
        guard=guarding,
        recorder=recorder,
        mailbox=None if recorder is None else Mailbox(recorder, agreed),
        agreement=agreed,
        probe=None if questions is None else questions.asked,
    )
    if recorder is not None and watch:
        recorder.observers.append(Live(steering))
    steering.repeat(edits)
    return Run(
        optimizers=optimizers,
        rates=rates,
        schedule=bound,
        controlled=controlled,
        recording=recording,
        steering=steering,
        step=step,
        questions=questions,
    )


def _free(optimizer: object) -> list[Optimizer]:
    """The optimizers themselves, without wrappers, none of which has a run."""
    given = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]
    found = [_unwrapped(each) for each in given]
    if not found or not all(isinstance(each, torch.optim.Optimizer) for each in found):
        refuse("attach", "optimizer", "a torch.optim.Optimizer, or a list of them", optimizer)
    if len({id(each) for each in found}) < len(found) or any(
        hasattr(each, ATTACHED) for each in found
    ):
        raise ArgumentError(
            "attach(optimizer=...): this optimizer has a run already, which sets its rates. "
            "Call finish() on that one first."
        )
    return found


def _unwrapped(optimizer: Any) -> Any:
    inner = getattr(optimizer, "optimizer", None)  # as accelerate wraps them
    return _unwrapped(inner) if isinstance(inner, torch.optim.Optimizer) else optimizer


def _parameters(optimizers: list[Optimizer]) -> list[torch.Tensor]:
    return [one for each in optimizers for group in each.param_groups for one in group["params"]]


def _check_counts(low: int = 1, **values: int | None) -> None:
    for argument, value in values.items():
        if value is not None:
            check_whole("attach", argument, value, low)


def _check_clipping(clip_norm: float | None, optimizers: list[Optimizer]) -> None:
    if clip_norm is None:
        return
    check_finite("attach", "clip_norm", clip_norm)
    way_out = "Clip by yourself, and say run.step(loss, gradient_norm=...)."
    if clip_norm <= 0:
        refuse("attach", "clip_norm", "above 0", clip_norm)
    if len(optimizers) > 1:
        refuse("attach", "clip_norm", "None for several optimizers", clip_norm, way_out)
    if any(is_sharded(each) for each in _parameters(optimizers)):
        refuse("attach", "clip_norm", "None where parameters are split", clip_norm, way_out)


def _bound(given: Schedule | str | float | LRScheduler, total_steps: int | None) -> Schedule:
    if isinstance(given, TorchSchedule):
        return given.schedule
    if isinstance(given, LRScheduler):
        return from_torch(given, total_steps)
    found = read(given)
    if found.total_steps is None and total_steps is not None:
        return found.over(total_steps)
    if found.total_steps is not None and total_steps not in {None, found.total_steps}:
        raise ArgumentError(
            f"attach(total_steps=...) must be the schedule's own length, {found.total_steps}; got {total_steps}. "
            "Leave it out, or give a schedule in shares of the run."
        )
    if not found.ready:
        way_out = "Give total_steps=, the updates of the whole run."
        refuse("attach", "schedule", "bound to a run", str(found), way_out)
    return found


def _controlled(
    bound: Schedule | None, controllers: Mapping[str, Controller[Any]] | Iterable[Controller[Any]]
) -> Controlled | None:
    given = controllers if isinstance(controllers, Mapping) else list(controllers)
    return Controlled(Constant() if bound is None else bound, given) if given else None


def _facts(
    optimizers: list[Optimizer], model: nn.Module | None, clip_norm: float | None
) -> dict[str, Any]:
    groups = [group for each in optimizers for group in each.param_groups]
    found: dict[str, Any] = {
        "optimizer": " + ".join(type(each).__name__ for each in optimizers),
        "group_lr": [float(group.get("initial_lr", group["lr"])) for group in groups],
        "parameters": sum(each.numel() for each in _parameters(optimizers)),
    }
    for key in ("betas", "momentum", "dampening", "nesterov", "weight_decay"):
        if key in groups[0]:
            found[key] = _plain(groups[0][key])
    if model is not None:
        found["model"] = type(model).__name__
    if clip_norm is not None:
        found["clip_norm"] = clip_norm
    return found


def _plain(value: Any) -> Any:
    return [float(each) for each in value] if isinstance(value, tuple) else float(value)


def _script() -> str:
    stem = Path(sys.argv[0]).stem if sys.argv else ""
    return stem if stem not in {"", "-c", "-"} else "run"
