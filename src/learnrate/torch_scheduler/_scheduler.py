"""PyTorch: our schedules as its schedulers, and its schedulers as our schedules."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any
from weakref import ref

import torch
from torch.optim.lr_scheduler import LRScheduler

from learnrate._errors import ArgumentError
from learnrate.schedules import ready_schedule
from learnrate.torch_scheduler._adopt import from_torch
from learnrate.torch_scheduler._dials import Dial

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch.optim import Optimizer

    from learnrate.schedules import Schedule

__all__ = ["TorchSchedule", "from_torch", "to_torch"]


def to_torch(
    schedule: Schedule,
    optimizer: Optimizer,
    *,
    groups: Sequence[Schedule | None] | None = None,
    hyper: Mapping[str, Schedule] | None = None,
    step: int = 0,
) -> TorchSchedule:
    """A torch scheduler that trains `optimizer` under `schedule`.

        scheduler = to_torch(3e-4 * Warmup(500).then(Cosine(9500)), optimizer)
        for batch in loader:
            ...
            optimizer.step()
            scheduler.step()

    Update s is made at `schedule(s)`, from the first one on. The schedule gives the rate of the
    highest parameter group; the others keep the share of it that they were built with, and so
    does a group added later, from its first update on. The schedule is the only writer of the
    rates: what is written to `group["lr"]` by hand lasts until the next `scheduler.step()`. To
    change a running schedule, make a new one of it: `to_torch(0.5 * schedule, optimizer, step=s)`.

    Rates are a function of the step and of the rates the groups were built with, so a run resumes
    from one integer: `step=s`, or `load_state_dict` of a saved state, or of any dictionary with a
    `last_epoch`, another scheduler's included. Whether the optimizer's state is restored too, and
    in which order, makes no difference to the rate.

    Args:
        schedule: The rate of each step, ready to be evaluated. Values are rates, not factors.
        optimizer: The optimizer. Rates that are tensors are written in place.
        groups: A schedule for each parameter group, in their order, which gives that group's rate
            as it is; None for a group that follows `schedule`. Groups added later follow it too.
        hyper: Schedules of other hyper-parameters, by name: "momentum", "weight_decay",
            "betas[0]". As with the rate, one gives the highest group's value and the others keep
            their share: a group built without weight decay stays without.
        step: The step of the update about to happen.

    Raises:
        ArgumentError: a schedule is not bound, or does not fit the optimizer.
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise ArgumentError(
            "to_torch(optimizer=...) must be a torch.optim.Optimizer; got a "
            f"{type(optimizer).__name__}."
        )
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise ArgumentError(
            f"to_torch(step=...) must be a whole number of at least 0; got {step!r}."
        )
    own = _own_dials(groups, len(optimizer.param_groups))
    rate = Dial(
        "lr",
        ready_schedule("to_torch(schedule=...)", schedule),
        skip=[dial.only for dial in own if dial.only is not None],
    )
    others = [
        Dial(name, ready_schedule(f"to_torch(hyper={{{name!r}: ...}})", each))
        for name, each in (hyper or {}).items()
    ]
    if any(dial.key == "lr" for dial in others):
        raise ArgumentError("to_torch(hyper=...) must not name 'lr': that is `schedule` itself.")
    return TorchSchedule(optimizer, rate, [*own, *others], step)


class TorchSchedule(LRScheduler):
    """What `to_torch` gives: an `LRScheduler` whose one counter is `last_epoch`."""

    def __init__(
        self, optimizer: Optimizer, rate: Dial, others: Sequence[Dial], step: int
    ) -> None:
        self._rate = rate
        self._others = tuple(others)
        for dial in (self._rate, *self._others):
            dial.follow(optimizer.param_groups)
        super().__init__(optimizer, step - 1)
        self._watch_added_groups()

    @property
    def schedule(self) -> Schedule:
        """The schedule of the rate."""
        return self._rate.schedule

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next update, or to the one of index `epoch`."""
        # Most of what an update costs is making iterators and asking attributes: hence one loop
        # that counts by itself, over values worked out ahead.
        rate, step, groups = self._rate, self.last_epoch + 1, self.optimizer.param_groups
        at, ratios = step - rate.first, rate.ratios
        if not 0 <= at < len(rate.values) or epoch is not None or len(groups) > len(ratios):
            self._warn_of_order(epoch)
            self._update_lr(epoch)
            return
        self.last_epoch = step
        value, i = rate.values[at], 0
        for group in groups:
            if type(group["lr"]) is float:
                group["lr"] = value * ratios[i]
            else:
                rate.write(group, value * ratios[i])
            i += 1  # noqa: SIM113 - enumerate() costs more than the rest of the loop
        if self._others:
            self._turn_others()

    def get_lr(self) -> list[float | torch.Tensor]:
        """The rate of every group at the present step; tensors where the groups have them."""
        return [
            torch.full_like(group["lr"], value) if isinstance(group["lr"], torch.Tensor) else value
            for group, value in zip(self.optimizer.param_groups, self._rates(), strict=True)
        ]

    def get_last_lr(self) -> list[float | torch.Tensor]:
        """The rate of every group at the present step."""
        return self.get_lr()

    def state_dict(self) -> dict[str, Any]:
        """The step, and what each group's share is; plain numbers only."""
        return {
            "last_epoch": self.last_epoch,
            "_last_lr": self._rates(),
            "dials": {
                dial.name: {"reference": dial.reference, "ratios": list(dial.ratios)}
                for dial in (self._rate, *self._others)
                if dial.only is None
            },
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up at a step, and write its rates at once.

        Args:
            state_dict: What `state_dict` gave, or any dictionary with a `last_epoch`.

        Raises:
            ArgumentError: there is no `last_epoch`.
        """
        if not isinstance(state_dict.get("last_epoch"), int):
            raise ArgumentError(
                "load_state_dict(state_dict=...) must have a whole number 'last_epoch'; got the "
                f"keys {sorted(state_dict)}."
            )
        self.last_epoch = state_dict["last_epoch"]
        for dial in (self._rate, *self._others):
            saved = state_dict.get("dials", {}).get(dial.name)
            if saved is not None and dial.only is None:
                dial.reference, dial.ratios = saved["reference"], list(saved["ratios"])
        self._write()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch_added_groups()

    # torch's own schedulers and accelerate reach for these.

    @property
    def _step_count(self) -> int:
        return self.last_epoch + 1

    @_step_count.setter
    def _step_count(self, value: int) -> None:
        """Nothing: the count follows from the one counter there is."""

    @property
    def _last_lr(self) -> list[float | torch.Tensor]:  # type: ignore[override]  # not set but asked
        return self.get_lr()

    def _initial_step(self) -> None:
        self._update_lr()

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._write()

    def _at(self) -> int:
        return max(self.last_epoch, 0)

    def _rates(self) -> list[float]:
        groups, value = self.optimizer.param_groups, self._rate.value(self._at())
        if len(self._rate.ratios) < len(groups):
            self._rate.follow(groups)
        rates = [value * ratio for ratio in self._rate.ratios[: len(groups)]]
        for dial in self._others:
            if dial.only is not None:
                rates[dial.only] = dial.value(self._at())
        return rates

    def _write(self) -> None:
        self._rate.turn(self._at(), self.optimizer.param_groups)
        self._turn_others()

    def _turn_others(self) -> None:
        for dial in self._others:
            dial.turn(self._at(), self.optimizer.param_groups)

    def _warn_of_order(self, epoch: int | None) -> None:
        watched = hasattr(self.optimizer.step, "_wrapped_by_lr_sched")
        called = getattr(self.optimizer, "_opt_called", False)
        if self.last_epoch == 0 and epoch is None and watched and not called:
            warnings.warn(
                "lr_scheduler.step() was called before optimizer.step(), so the first rate of the "
                "schedule is skipped. Call optimizer.step() first.",
                UserWarning,
                stacklevel=3,
            )

    def _watch_added_groups(self) -> None:
        # Else a new group would make its first update at the rate it was built with.
        present = self.optimizer.add_param_group
        add_plainly, scheduler = getattr(present, "_plain", present), ref(self)

        def add_param_group(param_group: dict[str, Any]) -> None:
            add_plainly(param_group)
            watching = scheduler()
            if watching is not None:
                watching._write()  # noqa: SLF001 - our own

        add_param_group._plain = add_plainly  # type: ignore[attr-defined]  # noqa: SLF001 - ours
        self.optimizer.add_param_group = add_param_group  # type: ignore[method-assign]


def _own_dials(groups: Sequence[Schedule | None] | None, count: int) -> list[Dial]:
    if groups is None:
        return []
    if len(groups) != count:
        raise ArgumentError(
            "to_torch(groups=...) must have one schedule for each parameter group; got "
            f"{len(groups)} for {count}. Write None for a group that follows `schedule`."
        )
    return [
        Dial("lr", ready_schedule(f"to_torch(groups=...)[{i}]", each), only=i)
        for i, each in enumerate(groups)
        if each is not None
    ]
