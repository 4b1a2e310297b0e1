"""attach: train in a loop of your own, under a schedule and recorded."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LRScheduler

from learnrate._checks import check_whole, refuse
from learnrate._ranks import rank_and_size
from learnrate._sharded import is_sharded
from learnrate.controllers import Controlled
from learnrate.edits import Limits
from learnrate.run._agreement import agreement
from learnrate.run._argument_checks import (
    check_clipping,
    check_probes,
    check_types,
    checked_edits,
    checked_optimizers,
)
from learnrate.run._ending import Ending
from learnrate.run._guard import Guard
from learnrate.run._inspection import Inspection
from learnrate.run._live_edits import LiveEdits
from learnrate.run._live_watch import LiveWatch
from learnrate.run._loss_graph import LossGraph
from learnrate.run._mailbox import Mailbox
from learnrate.run._measure import Cadence, Measure
from learnrate.run._momentum_meter import MomentumMeter
from learnrate.run._optimizer_facts import optimizer_facts
from learnrate.run._path_meter import PathMeter
from learnrate.run._planned_groups import facts_of_groups, planned_groups
from learnrate.run._probe_runner import ProbeRunner
from learnrate.run._recorded_snapshots import RecordedSnapshots
from learnrate.run._recording import DeviceNumbers, Recording
from learnrate.run._run import Run
from learnrate.run._schedule_argument import (
    bound_schedule,
    clock_of,
    rate_writer,
    set_beside_the_rate,
    stepping_check_of,
)
from learnrate.run._signals import SignalMeter
from learnrate.run._snapshots import Snapshots
from learnrate.run._update_meter import UpdateMeter, parameters_of
from learnrate.schedules import Constant, Deadline, Schedule
from learnrate.store import Recorder, Store
from learnrate.torch_scheduler import position, unwrapped_scheduler
from learnrate.watch import checked_objective

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from learnrate.controllers import Controller
    from learnrate.edits import Edit
    from learnrate.run._probe_runner import LiveProbes

__all__ = ["attach"]

_CONTROLLERS = "learnrate.controllers"
_MEASURE = Measure()


def attach(
    optimizer: Optimizer | Iterable[Optimizer],
    schedule: Schedule | Deadline | str | float | LRScheduler | None,
    *,
    total_steps: int | None = None,
    every: int = 1,
    step: int = 0,
    groups: Sequence[Schedule | str | float | None] | None = None,
    hyper: Mapping[str, Any] | None = None,
    model: nn.Module | None = None,
    criterion: nn.Module | None = None,
    extra_state: Mapping[str, Any] | None = None,
    store: str | Path | Store | bool | None = None,
    name: str | None = None,
    facts: Mapping[str, Any] | None = None,
    objective: str = "descent",
    measure: Measure = _MEASURE,
    controllers: Mapping[str, Controller[Any]] | Iterable[Controller[Any]] = (),
    guard: Guard | bool = False,
    limits: Limits | Mapping[str, Any] | None = None,
    probes: LiveProbes | None = None,
    edits: Iterable[Edit] = (),
) -> Run:
    """Train under a schedule in a loop of your own, and record the training.

        run = learnrate.attach(optimizer, "3e-4 * warmup(5%) >> cosine()", total_steps=10_000)
        for batch in loader:
            loss = ...          # your forward and backward pass, and optimizer.step()
            run.step(loss)

    The schedule sets the rate of the group that was built with the highest rate. The other groups
    keep their share of it, unless `groups` gives them a schedule of their own. The run writes the
    rates when a step begins and again right before the update, so nothing else can change them:
    neither a scheduler that is still stepped, nor the state of the optimizer when a checkpoint is
    loaded.

    Several optimizers have one run. Without `groups`, the schedule sets the highest rate of all their
    groups, and the others keep their share of it. With `groups`, each may have its own:

        run = learnrate.attach(
            [generator_optimizer, critic_optimizer],  # of one group each
            "2e-4 * cosine()",
            groups=[None, "1e-4 * linear()"],
            total_steps=10_000,
        )

    With `schedule=None`, any torch scheduler continues to set the rates. They are recorded, and changes by
    controllers and edits apply only during the update. Findings about the schedule need the intended one:
    give `measure=Measure(planned=...)` and `total_steps`.

    Under DDP or FSDP call `attach` on every rank. The first rank records. Ranks exchange no tensors and use
    no collective operation; they agree on the step of an edit over the job's key-value store. Pass the loss
    averaged over ranks if there are controllers or a guard, so that all ranks decide alike.

    For each update, the run records the rate, the loss, the gradient norm, the update ratio, whether it was
    clipped, and its seconds; see `learnrate.watch.Observations`. If the store cannot be written, training
    continues; see `learnrate.store.Recorder`.

    Args:
        optimizer: an optimizer, or several that share one schedule.
        schedule: a schedule, its text form, a number, or a torch scheduler to continue from its
            present step, with all that it sets, such as the momentum that `OneCycleLR` cycles; edits change
            the rate alone. None to leave the rates to an external scheduler, whose intended schedule
            `measure=Measure(planned="0.1 * cosine()")` states. Or a `learnrate.schedules.Deadline`: then the
            clock starts now, `run.done` is true when the time is over, and a resumed run continues to count.
        total_steps: updates of the whole run. May be omitted if the schedule has a length.
        every: updates between two calls of a torch scheduler's `step()`, at least 1. For a scheduler
            that is stepped once an epoch, the updates of an epoch, such as `len(loader)`.
        step: 0-based index of the update about to happen.
        groups: for each parameter group, over all optimizers in order, the schedule of its rate; None
            for a group that follows `schedule`. So do groups that are added later.
        hyper: schedules of other hyper-parameters, by name: "momentum", "weight_decay",
            "betas[0]". A schedule gives the value of the highest group, and the other groups keep
            their share; a list has a schedule, or None, for each group.
        model: the trained model. Its name, its number of parameters and the parts that are not
            trained are recorded. Its inputs and outputs are inspected at some updates. Snapshots contain
            its state, including buffers.
        criterion: the loss module. For a `CrossEntropyLoss`, the number of classes is recorded; from it
            the rules compute the loss of a model that has learned nothing. It is not needed if
            `run.step` gets the loss as a tensor; for other losses, give `facts={"chance": ...}`. With
            gradient accumulation, the gradient at its loss shows whether the losses are divided.
        extra_state: by name, objects with `state_dict` and `load_state_dict` that snapshots contain
            besides model and optimizers, such as a GradScaler or averaged weights.
        store: a file, a URL or a `Store`; None for the default store (see `Store`); False records
            nothing.
        name: the name of the run in the store; the script's name by default.
        facts: JSON values to record, such as `{"batch_size": 64}`.
        objective: what the loss says about progress: `descent` if the loss itself should fall. If
            its value says nothing about progress: `adversarial` (GANs), `policy_gradient` (PPO,
            GRPO), `temporal_difference` (Q-learning), `denoising` (diffusion at random noise
            levels) or `contrastive` (pairs or triplets of a batch). The rate is then not judged
            from the loss.
        measure: what is measured of updates, how often, and whether gradients are clipped.
        controllers: closed loops that multiply the rates, such as `learnrate.controllers.Plateau()`.
            The signals that they need besides the loss are measured.
        guard: roll back and lower the rate when the loss diverges; True for the defaults of
            `Guard`. Several ranks must be given the same loss.
        limits: bounds of the edits that people make: `Limits`, or the same as a mapping.
        probes: `learnrate.probing.Probes`, which probes the live training within a share of its
            time, and answers the edit `probe`. Answers are recorded. For one optimizer. With
            `learnrate.probing.BranchProbes` the run plans itself.
        edits: edits to repeat, each at its step: `edits_to_repeat` of
            `learnrate.steering.replayed`.

    Raises:
        ArgumentError: a value is outside its rule, or an optimizer has a run already.
        ScheduleError: the schedule cannot be read or bound.
        MissingExtraError: the driver of the store is not installed.

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
        >>> observations = learnrate.Store(f"{folder.name}/a.db").observations(run.id)
        >>> observations.column("lr").round(3).tolist()
        [0.1, 0.075, 0.05, 0.025]
        >>> folder.cleanup()

        Two optimizers, the second under a schedule of its own:

        >>> first, second = (torch.optim.SGD([weight.detach()], lr=0.1) for _ in range(2))
        >>> schedules = [None, "0.01 * constant()"]
        >>> run = learnrate.attach(
        ...     [first, second], "0.1 * linear(4)", groups=schedules, store=False
        ... )
        >>> for optimizer in (first, second):
        ...     optimizer.step()
        >>> run.step()
        >>> [round(optimizer.param_groups[0]["lr"], 3) for optimizer in (first, second)]
        [0.075, 0.01]
        >>> run.finish()
    """
    optimizers = checked_optimizers(optimizer)
    check_types(
        schedule=schedule,
        groups=groups,
        hyper=hyper,
        model=model,
        criterion=criterion,
        extra_state=extra_state,
        store=store,
        name=name,
        facts=facts,
        measure=measure,
        controllers=controllers,
        guard=guard,
    )
    schedule = unwrapped_scheduler("attach(schedule=...)", schedule)
    if total_steps is not None:
        check_whole("attach", "total_steps", total_steps, 1)
    check_whole("attach", "step", step, 0)
    checked_objective("attach(objective=...)", objective)
    check_whole("attach", "every", every, 1)
    check_clipping(measure.clip_norm, optimizers)
    check_probes(probes, optimizers)
    repeated_edits = checked_edits(edits)
    if measure.planned is not None and schedule is not None:
        refuse("Measure", "planned", "None unless schedule=None", str(measure.planned))
    if isinstance(schedule, LRScheduler):
        step = max(step, position(schedule) * every)
    stepping_check = stepping_check_of(schedule, every, step)
    by_clock = clock_of(schedule)
    bound, others = (
        (None, None)
        if by_clock is not None
        else bound_schedule(schedule, total_steps, every, step)
    )
    total_steps = total_steps if bound is None or bound.total_steps is None else bound.total_steps
    controlled = _controlled(bound, controllers)
    of_groups, of_hyper = planned_groups(
        optimizers,
        bound,
        groups,
        hyper,
        set_beside_the_rate(schedule, others, optimizers, every),
    )
    limits = Limits.of(limits)
    rank, size = rank_and_size()
    is_first = rank == 0
    sharded = any(is_sharded(parameter) for parameter in parameters_of(*optimizers))
    numbers, recorder = DeviceNumbers(), None
    if is_first and store is not False:
        recorder = Recorder(
            store.url if isinstance(store, Store) else None if store is True else store,
            name=name or _script(),
            total_steps=total_steps,
            schedule=measure.planned_over(total_steps) if bound is None else bound,
            limits=limits.to_dict(),
            facts={
                **optimizer_facts(optimizers, model, measure.clip_norm, scaled=bound is not None),
                **({"foreign": True} if bound is None else {}),
                **({} if by_clock is None else {"deadline": str(by_clock[0])}),
                **({} if objective == "descent" else {"objective": objective}),
                **facts_of_groups(of_groups, of_hyper),
                **(facts or {}),
            },
            numbers=numbers,
        )
        recorder.step = step
        if step > 0:
            recorder.begin_attempt(step, "started")
    rates = rate_writer(optimizers, bound, by_clock, (stepping_check, of_groups, of_hyper))
    gradient = Cadence(0 if sharded or not is_first else measure.gradient_every)
    meter = UpdateMeter(measure.clip_norm, gradient, Cadence(measure.update_every))
    path = None
    if recorder is not None and measure.path_share > 0 and len(optimizers) == 1 and not sharded:
        path = PathMeter(measure.path_share, total_steps)
    can_inspect = recorder is not None and measure.inspect and not sharded
    recording = Recording(
        recorder,
        rates,
        meter,
        numbers,
        every=measure.every,
        step=step,
        momentum=MomentumMeter(optimizers[0]),
        path=path,
        inspections=_inspections(optimizers, model, criterion, total_steps) if can_inspect else {},
        loss_graph=LossGraph() if can_inspect else None,
    )
    probe_runner = None if probes is None else ProbeRunner(probes, optimizers[0], rates, recording)
    guard_options = Guard() if guard is True else guard or None
    state = {**(extra_state or {}), **({} if controlled is None else {_CONTROLLERS: controlled})}
    ranks = agreement(rank, size)
    mailbox = None if recorder is None else Mailbox(recorder, ranks)
    live_edits = LiveEdits(
        base=bound,
        groups=of_groups,
        ending=Ending(total_steps, is_over=getattr(rates, "is_over", None)),
        rates=rates,
        limits=limits,
        snapshots=RecordedSnapshots(
            Snapshots(
                optimizers,
                model,
                state,
                keep=1 if guard_options is None else guard_options.keep,
                folder=None if guard_options is None else guard_options.folder,
            ),
            mailbox,
            shared=ranks is not None,
        ),
        guard=guard_options,
        recorder=recorder,
        mailbox=mailbox,
        agreement=ranks,
        probe=None if probe_runner is None else probe_runner.what_if,
    )
    if recorder is not None and measure.watch:
        recorder.observers.append(LiveWatch(live_edits, recorder.url))
    live_edits.repeat(repeated_edits)
    return Run(
        optimizers=optimizers,
        rates=rates,
        schedule=bound,
        controlled=controlled,
        recording=recording,
        edits=live_edits,
        step=step,
        probe_runner=probe_runner,
        signals=None if sharded else _signal_meter(controlled, measure),
    )


def _controlled(
    bound: Schedule | None, controllers: Mapping[str, Controller[Any]] | Iterable[Controller[Any]]
) -> Controlled | None:
    if isinstance(controllers, Iterable) and not isinstance(controllers, Mapping):
        controllers = list(controllers)
    return Controlled(Constant() if bound is None else bound, controllers) if controllers else None


def _signal_meter(controlled: Controlled | None, measure: Measure) -> SignalMeter | None:
    """The meter of the signals that controllers need; None if they need none."""
    if controlled is None or not controlled.needs:
        return None
    return SignalMeter(controlled.needs, clips=measure.clip_norm is not None)


def _inspections(
    optimizers: list[Optimizer],
    model: nn.Module | None,
    criterion: nn.Module | None,
    total_steps: int | None,
) -> dict[int, Inspection]:
    """An inspection for each optimizer, by its id; the first one inspects model and criterion."""
    first, *others = map(id, optimizers)
    return {first: Inspection(model, criterion, total_steps)} | {
        other: Inspection(total_steps=total_steps) for other in others
    }


def _script() -> str:
    stem = Path(sys.argv[0]).stem if sys.argv else ""
    return stem if stem not in {"", "-c", "-"} else "run"
