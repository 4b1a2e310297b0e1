"""Training a run for real, recorded by `learnrate.attach` into a store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate import Store, attach
from learnrate.run import Measure

from .optimizers import optimizer_of
from .rates import planned_schedule, rates_of, resume_step

if TYPE_CHECKING:
    from learnrate.run import Run

    from .specs import Setup, Spec
    from .work import Work

__all__ = ["Trained", "metric_after", "train"]

_AFTER_DIVERGENCE = 12  # updates until a user stops a run whose loss is not finite
_VALIDATIONS = 10
_PATH_SHARE = 0.1  # updates take about 1 ms here: it is 1 % of the 10 ms of a usual one
_METRICS = (0.9, 0.95, 1.0)  # shares of the run at which the progress is measured


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What was recorded of a run.

    Attributes:
        step: the updates that have a row.
        columns: what `attach` recorded, by name.
        facts: what the store knows of the run.
        total_steps: updates of the whole run.
        metric: the progress before training and near its end; lower is better.
        lost: whether the run ended before its last update because its loss was not finite.
    """

    step: np.ndarray
    columns: dict[str, np.ndarray]
    facts: dict[str, Any]
    total_steps: int
    metric: tuple[float, float]
    lost: bool


def metric_after(setup: Setup, rates: np.ndarray, seed: int) -> tuple[float, float, float]:
    """The progress before and after a training, and the 90th percentile of gradient norms.

    Args:
        setup: what is trained.
        rates: of each update.
        seed: of the weights and the data.
    """
    torch.manual_seed(seed)
    work = setup.task.make(seed, True)
    parameters = list(work.model.parameters())
    optimizer = optimizer_of(setup.optimizer, parameters, float(rates.max()), None)
    start, metrics, norms = _metric(work), [], []
    marks = {int(share * len(rates)) for share in _METRICS}
    for step, rate in enumerate(rates.tolist()):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        objective, reported = work.loss(work.batch(step))
        if not math.isfinite(reported.item()):
            return start, math.inf, math.nan
        objective.backward()
        if step % 10 == 0:
            norms.append(
                torch.nn.utils.get_total_norm(
                    [p.grad for p in parameters if p.grad is not None]
                ).item()
            )
        optimizer.step()
        if step + 1 in marks:
            metrics.append(_metric(work))
    return start, float(np.mean(metrics)), float(np.quantile(norms, 0.9))


def _metric(work: Work) -> float:
    with torch.no_grad():
        value = work.metric()
    return value if math.isfinite(value) else math.inf


class _Training:
    """A training as a user's script has it: model, data, optimizer, and a run attached."""

    def __init__(
        self, spec: Spec, rates: np.ndarray, norm: float, attached: dict[str, Any]
    ) -> None:
        task, fault = spec.setup.task, spec.fault
        torch.manual_seed(spec.seed)
        self.spec, self.rates, self.store = spec, rates, attached["store"]
        self.work = task.make(spec.seed, fault != "unshuffled")
        self.undivided = 4 if fault == "undivided" else 1
        parameters = list(self.work.model.parameters())
        if fault == "double_softmax":
            self.work.model.register_forward_hook(lambda _model, _inputs, out: out.softmax(-1))
        if fault == "no_gradient":  # the optimizer holds copies of the weights
            parameters = [torch.nn.Parameter(p.detach().clone()) for p in parameters]
        if fault == "part_frozen":
            parameters[0].requires_grad_(False)
        self.parameters = parameters
        self.optimizer = optimizer_of(
            spec.setup.optimizer, parameters, float(rates.max()) or 0.01, None
        )
        self.run: Run = attach(
            self.optimizer,
            None,
            model=self.work.model,
            measure=Measure(
                gradient_every=1,
                update_every=1,
                path_share=_PATH_SHARE,
                watch=False,
                clip_norm=norm if spec.clip else None,
                planned=attached["planned"],
            ),
            store=attached["store"],
            total_steps=task.steps,
            name=spec.name,
            facts=attached["facts"],
        )

    def update(self, step: int) -> float:
        """Make an update, and return its loss."""
        spec, repeats = self.spec, self.spec.accumulation * self.undivided
        self.optimizer.param_groups[0]["lr"] = float(self.rates[step])
        if spec.fault != "no_zero_grad" or step == 0:
            self.optimizer.zero_grad()
        losses = []
        for micro in range(repeats):
            batch = _spoiled(spec, self.work.batch(step * repeats + micro))
            objective, loss = self.work.loss(batch)
            if spec.fault == "nan_batch" and step == self.spec.setup.task.steps * 2 // 5:
                objective = objective * math.nan
            # Without the first tensor, it never has a gradient, as behind a forgotten detach().
            inputs = self.parameters[1:] if spec.fault == "part_detached" else None
            (objective / spec.accumulation).backward(inputs=inputs)
            losses.append(loss)
        self.optimizer.step()
        reported = losses[0] if repeats == 1 else torch.stack(losses).mean()
        self.run.step(reported)
        return reported.item()


def _spoiled(spec: Spec, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """The batch, with a data fault if the run has one."""
    inputs, rest = batch[0], batch[1:]
    if spec.fault == "zero_inputs":
        return torch.zeros_like(inputs), *rest
    if spec.fault == "unnormalised":
        return 30 * inputs + 60, *rest
    if spec.fault == "shuffled_labels":
        order = torch.randperm(len(rest[0]))
        return inputs, rest[0][order], *rest[1:]
    return batch


def train(spec: Spec, peak: float, norm: float, store: str) -> Trained:
    """Train a run, and read from the store what was recorded of it.

    Args:
        spec: the run.
        peak: the highest rate of its schedule.
        norm: that few gradients exceed; to clip to.
        store: a file for the store.
    """
    rates = rates_of(spec, peak)
    plan = planned_schedule(spec, peak) if spec.planned else None
    attached: dict[str, Any] = {"store": store, "planned": plan, "facts": {}}
    training = _Training(spec, rates, norm, attached)
    epoch = training.work.steps_per_epoch
    if spec.fault == "stepped_per_update":
        epoch = 20
    task, resume = spec.setup.task, resume_step(spec)
    start, metrics, bad = _metric(training.work), [], 0
    rows = int(spec.share * task.steps)
    validate = training.work.validation if spec.seed % 3 else None
    every = max(1, task.steps // _VALIDATIONS)
    for step in range(rows):
        if step == resume:
            training = _resumed(training, rates, norm, attached)
            validate = training.work.validation if spec.seed % 3 else None
        bad += not math.isfinite(training.update(step))
        if bad >= _AFTER_DIVERGENCE:
            break
        if validate is not None and (step + 1) % every == 0:
            with torch.no_grad():
                training.run.validation(validate())
        if step + 1 in {int(share * rows) for share in _METRICS}:
            metrics.append(_metric(training.work))
    training.run.finish()
    return _recorded(training, start, metrics, {"steps_per_epoch": epoch, "resumed_at": resume})


def _resumed(
    before: _Training, rates: np.ndarray, norm: float, attached: dict[str, Any]
) -> _Training:
    """The training in a new process, from what was saved."""
    states = before.work.model.state_dict(), before.optimizer.state_dict(), before.run.state_dict()
    before.run.finish("stopped")
    training = _Training(before.spec, rates, norm, attached)
    if before.spec.fault != "weights_lost":
        training.work.model.load_state_dict(states[0])
    if before.spec.fault not in {"state_lost", "weights_lost"}:
        training.optimizer.load_state_dict(states[1])
    for saved, network in zip(before.work.others, training.work.others, strict=True):
        network.load_state_dict(saved.state_dict())
    training.run.load_state_dict(states[2])
    return training


def _recorded(
    training: _Training, start: float, metrics: list[float], known: dict[str, Any]
) -> Trained:
    spec = training.spec
    observations = Store(training.store).observations(str(training.run.id))
    lost = len(metrics) < len(_METRICS)
    facts = dict(observations.facts)
    if known["steps_per_epoch"] is not None and spec.seed % 2:
        facts["steps_per_epoch"] = known["steps_per_epoch"]
    if known["resumed_at"] is not None:
        facts["resumed_at"] = [known["resumed_at"]]
    return Trained(
        step=observations.step,
        columns=dict(observations.columns),
        facts=facts,
        total_steps=spec.setup.task.steps,
        metric=(start, math.inf if lost else float(np.mean(metrics))),
        lost=lost,
    )
