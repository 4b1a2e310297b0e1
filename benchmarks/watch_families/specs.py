"""The runs of the corpus: healthy ones, and one fault in each of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .families import FAMILIES
from .rates import SCHEDULES, USUAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .work import Task

__all__ = ["Setup", "Spec", "setups", "specs"]


@dataclass(frozen=True)
class Setup:
    """A task of a family with an optimizer."""

    family: str
    task: Task
    optimizer: str

    @property
    def name(self) -> str:
        """The task and the optimizer."""
        return f"{self.task.name}-{self.optimizer}"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A run to train.

    Attributes:
        setup: what is trained.
        fault: what is wrong; `healthy` if nothing is.
        seed: of the weights and the data.
        factor: of the best rate of the sweep.
        schedule: the text of the schedule at peak 1.
        planned: whether the log knows the schedule.
        share: of the whole run that the log has; less than 1 if the run goes on.
        clip: whether gradients are clipped to a norm that few exceed.
        accumulation: batches of an update.
        resumed: whether the run is interrupted and resumed.
    """

    setup: Setup
    fault: str
    seed: int
    factor: float = 1.0
    schedule: str = USUAL
    planned: bool = False
    share: float = 1.0
    clip: bool = False
    accumulation: int = 1
    resumed: bool = False

    @property
    def name(self) -> str:
        """Names the run in its family."""
        return f"{self.fault}-{self.seed}-{self.setup.name}"

    @property
    def is_first_half(self) -> bool:
        """Whether the run is among the first half of its family: two of four neighbouring seeds."""
        return (self.seed // 2 + list(FAMILIES).index(self.setup.family)) % 2 == 0


_HEALTHY = 19  # runs of a family
_HEALTHY_FACTORS = (1.0, 1 / 3, 1.0, 2.0, 1.0, 0.5, 1.5)
_RATE_FAULTS = (  # each with its factor and the seeds of its runs, which also pick task and schedule
    ("rate_x10", 10.0, (200, 201, 202)),
    ("rate_x30", 30.0, (204, 205, 206)),
    ("rate_x1000", 1000.0, (208,)),
    ("rate_/30", 1 / 30, (209, 210)),
    ("rate_/100", 1 / 100, (212,)),
)
_FROZEN = {"rate_zero": 213, "no_gradient": 214}
_SCHEDULE_FAULTS = {
    "never_decayed": 215,
    "restarted": 216,
    "zero_from_half": 217,
    "stepped_per_update": 218,
    "decay_too_long": 219,
    "warmup_missing": 220,
    "climbed": 222,
    "jump": 223,
}
_RESUMES = {
    "resume_x10": 224,
    "resume_/10": 225,
    "resume_restarted": 226,
    "state_lost": 227,
    "weights_lost": 228,
}
_DATA_FAULTS = (
    "zero_inputs",
    "shuffled_labels",
    "unshuffled",
    "unnormalised",
    "double_softmax",
    "no_zero_grad",
    "nan_batch",
    "part_frozen",
    "undivided",
)
_DATA_SEEDS = range(229, 233)  # four data faults a family
_PART_DETACHED = 233


def setups(family: str) -> list[Setup]:
    """The tasks of a family, each with each of its optimizers."""
    return [
        Setup(family, task, optimizer)
        for task in FAMILIES[family]
        for optimizer in task.optimizers
    ]


def specs(family: str) -> list[Spec]:
    """All runs of a family."""
    return [*_healthy(family), *_faulty(family)]


def _healthy(family: str) -> Iterator[Spec]:
    places = setups(family)
    offset = list(FAMILIES).index(family)
    for index in range(_HEALTHY):
        yield Spec(
            setup=places[index % len(places)],
            fault="healthy",
            seed=100 + index,
            factor=_HEALTHY_FACTORS[(index + offset) % len(_HEALTHY_FACTORS)],
            schedule=SCHEDULES[(index + offset) % len(SCHEDULES)],
            planned=index % 3 == 0,
            share=0.6 if index % 6 == 4 else 1.0,
            clip=index % 5 == 2,
            accumulation=2 if index % 7 == 3 else 1,
            resumed=index % 6 == 1,
        )


def _faulty(family: str) -> Iterator[Spec]:
    places = setups(family)
    offset = list(FAMILIES).index(family)

    def spec(fault: str, seed: int, **options: Any) -> Spec:
        settings: dict[str, Any] = {
            "setup": places[seed % len(places)],
            "schedule": SCHEDULES[(seed + offset) % len(SCHEDULES)],
            "planned": seed % 3 == 0,
        }
        return Spec(fault=fault, seed=seed, **settings | options)

    for fault, factor, seeds in _RATE_FAULTS:
        yield from (spec(fault, seed, factor=factor) for seed in seeds)
    for fault, seed in _FROZEN.items():
        yield spec(fault, seed)
    for fault, seed in _SCHEDULE_FAULTS.items():
        yield spec(fault, seed, schedule=USUAL)
    for fault, seed in _RESUMES.items():
        yield spec(fault, seed, schedule=USUAL, resumed=True)
    for seed, (fault, setup) in zip(_DATA_SEEDS, _data_faults(places, offset), strict=False):
        yield spec(fault, seed, setup=setup)
    yield spec("part_detached", _PART_DETACHED)


def _data_faults(places: list[Setup], offset: int) -> Iterator[tuple[str, Setup]]:
    """Data faults, in another order for each family, each with a task where it means something."""
    for index in range(len(_DATA_FAULTS)):
        fault = _DATA_FAULTS[(2 * offset + index) % len(_DATA_FAULTS)]
        possible = [place for place in places if fault not in place.task.blanks]
        if fault == "double_softmax":
            possible = [place for place in possible if place.task.has_classes]
        if possible:
            yield fault, possible[(offset + index) % len(possible)]
