"""The base of all schedules: a pure value that maps a step to a rate."""

from __future__ import annotations

import re
from abc import abstractmethod
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np
import numpy.typing as npt

from learnrate._errors import ScheduleError
from learnrate.schedules._durations import Clock, Deadline, Duration, RunLength, round_half_up
from learnrate.schedules._fields import all_steps, whole_number
from learnrate.schedules._registry import SHAPES, fields_of, make, rebuild, text_of
from learnrate.schedules._schedule_type import JoinedByThen, ScheduleType

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from learnrate.schedules._arithmetic import FloatArray, Value

__all__ = ["Schedule"]

LAST_STEP = 2**53  # the last whole number up to which every float is exact
LONGEST_WARMUP = 0.3  # of a trial, if the warm-up of its run is longer than that
BLOCK = 2**14  # steps evaluated at once, so that the intermediate arrays stay in the cache


class Schedule(JoinedByThen, metaclass=ScheduleType):
    """A function from step to rate: an immutable value that can be compared, hashed and pickled.

    `schedule(step)` takes the 0-based index of the update about to happen and returns a float; an
    integer array gives a float64 array of the same shape, with the same numbers to the last bit. A
    *shape* has peak 1; `3e-4 * shape` has peak 3e-4. `a.then(b)` joins schedules. There is no
    `a >> b` in Python, because Python reads `3e-4 * a >> b` as `(3e-4 * a) >> b`, while the text
    form reads `3e-4 * (a >> b)`.

    A new shape is a frozen, slotted dataclass that derives from `Shape`: its fields, annotated
    with their rules, and `formula`. It registers itself under its name in snake case, and so has a
    text form, JSON, durations and checks. Every class is either abstract or final.

    Raises:
        ScheduleError: a field breaks its rule, or a step is not a whole number of at least 0.
    """

    __slots__ = ("_ready", "_total_steps")
    __array_ufunc__: ClassVar[None] = None  # so that np.float64(3e-4) * shape is a schedule

    name: ClassVar[str] = ""
    operator: ClassVar[str] = ""  # how the text form writes the class, if not as name(...)
    _ready: bool
    _total_steps: int | None

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        if abstract:
            return
        cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
        known = SHAPES.get(cls.name)
        origin = (cls.__module__, cls.__qualname__)
        if known is not None and (known.__module__, known.__qualname__) != origin:
            raise TypeError(f"the name {cls.name!r} is already used in {known.__module__}")
        if any(base in SHAPES.values() for base in cls.__mro__[1:]):
            raise TypeError(f"{cls.__name__} derives from a final schedule; wrap it instead")
        SHAPES[cls.name] = cls

    def __post_init__(self) -> None:
        owner = type(self).__name__
        for rule in fields_of(type(self)):
            value = rule.kind.check(owner, rule.name, getattr(self, rule.name))
            object.__setattr__(self, rule.name, value)
        self.prepare()
        ready, total_steps = self.measure()
        object.__setattr__(self, "_ready", ready)
        object.__setattr__(self, "_total_steps", total_steps)

    # To be defined by the classes.

    @abstractmethod
    def formula(self, step: Value) -> Value:
        """The value at a step, or at an array of steps, given as floats; nothing is checked."""

    @abstractmethod
    def measure(self) -> tuple[bool, int | None]:
        """Whether it can be evaluated as it is, and its length in steps if that is known."""

    @abstractmethod
    def extent(self, run: RunLength) -> Fraction | None:
        """The exact length within a run; None means that it takes the rest of the run."""

    @abstractmethod
    def fit(self, start: Fraction, stop: Fraction, run: RunLength) -> Schedule | None:
        """Bind the schedule to a part of a run; None if the part has no step.

        Args:
            start: Exact first boundary of the part, in steps; rounded to the nearest.
            stop: Exact last boundary of the part, in steps; rounded to the nearest.
            run: The run, for shares and for units other than steps.
        """

    @property
    @abstractmethod
    def open_ended(self) -> bool:
        """Whether it takes the rest of the run."""

    def prepare(self) -> None:
        """Check rules between fields, and compute what is needed once. Does nothing by default."""

    def lengthen(self, extra: int) -> Schedule | None:
        """The schedule with a stable phase that is `extra` steps longer; None without such a phase."""
        return None

    def split(self) -> tuple[float | None, Schedule]:
        """The factor and the shape of `factor * shape`; the factor is None if there is none."""
        return None, self

    @overload
    def __call__(self, step: int) -> float: ...
    @overload
    def __call__(self, step: npt.NDArray[np.integer[Any]]) -> FloatArray: ...
    def __call__(self, step: int | npt.NDArray[np.integer[Any]]) -> float | FloatArray:
        if not self._ready:
            raise ScheduleError(
                f"{self} is not bound to a run, so it has no value at a step. "
                "Call .over(total_steps) with the number of steps of the whole run."
            )
        if type(step) is int and 0 <= step <= LAST_STEP:
            return float(self.formula(float(step)))
        if isinstance(step, np.ndarray):
            return self._many(step)
        number = whole_number(step)
        if number is None or not 0 <= number <= LAST_STEP:
            raise ScheduleError(
                "a step must be a whole number from 0 to 2**53, or an array of them; "
                f"got {step!r}."[:200]
            )
        return float(self.formula(float(number)))

    def _many(self, step: npt.NDArray[np.integer[Any]]) -> FloatArray:
        if step.dtype.kind not in "iu":
            raise ScheduleError(f"an array of steps must hold integers; got {step.dtype}.")
        if step.size and not (step.min() >= 0 and step.max() <= LAST_STEP):
            raise ScheduleError(
                f"steps must be from 0 to 2**53; got {step.min()} to {step.max()}."
            )
        flat = np.ascontiguousarray(step).reshape(-1)
        values = np.empty(flat.shape, dtype=np.float64)
        for first in range(0, flat.size, BLOCK):
            block = slice(first, first + BLOCK)
            values[block] = self.formula(flat[block].astype(np.float64))
        return values.reshape(step.shape)

    def table(self, total_steps: int | None = None) -> FloatArray:
        """The rate of every step of a run.

        Args:
            total_steps: Steps of the run; by default the length that the schedule is bound to.

        Raises:
            ScheduleError: no length is known, it is above 100,000,000, or the schedule does not fit it.
        """
        bound = self if total_steps is None else self.over(total_steps)
        if bound.total_steps is None:
            raise ScheduleError(f"{self} has no fixed length; give table(total_steps=...).")
        return bound(all_steps(bound.total_steps))

    @property
    def ready(self) -> bool:
        """Whether it has a value at every step; `constant()` has one without being bound."""
        return self._ready

    @property
    def bound(self) -> bool:
        """Whether every duration is a number of steps and the total length is known."""
        return self._ready and self._total_steps is not None

    @property
    def total_steps(self) -> int | None:
        """The length in steps; None if it is not known."""
        return self._total_steps

    def over(self, total_steps: int, *, clock: Clock | None = None) -> Schedule:
        """Bind the schedule to a run: every duration becomes a number of steps.

        Boundaries between parts are rounded, not their lengths, so the parts always add up to
        `total_steps`; a part whose share rounds to no step is left out. Binding again to the same
        length changes nothing.

        Args:
            total_steps: Steps of the whole run, warm-up included, at least 1.
            clock: What a step stands for; needed for durations in epochs, samples or tokens.

        Raises:
            ScheduleError: the lengths of the parts do not add up to `total_steps`.
        """
        number = whole_number(total_steps)
        if number is None or not 1 <= number <= LAST_STEP:
            raise ScheduleError(
                f"over(total_steps=...) must be a whole number of at least 1; got {total_steps!r}."
            )
        run = RunLength(number, Clock() if clock is None else clock)
        extent = self.extent(run)
        if extent is not None and round_half_up(extent) != number:
            raise ScheduleError(self._length_error(round_half_up(extent), number))
        bound = self.fit(Fraction(0), Fraction(number), run)
        if bound is None:
            raise ScheduleError(f"{self} has no step in a run of {number:,}.")
        return bound

    def _length_error(self, steps: int, total_steps: int) -> str:
        ways = "Write lengths as shares ('5%'), or leave one out so that it takes the rest"
        if self.bound and total_steps > steps and self.lengthen(1) is not None:
            ways += f", or continue its stable phase with .stretch({total_steps})"
        return f"{self} has {steps:,} steps and does not fit a run of {total_steps:,}. {ways}."

    def stretch(self, total_steps: int) -> Schedule:
        """Lengthen the stable (constant) phase, so that the schedule fits a longer run.

        Nothing changes up to the former end of the stable phase; the parts after it start later.

        Args:
            total_steps: Steps of the longer run, at least the present length.

        Raises:
            ScheduleError: the schedule is not bound, `total_steps` is below its length, or it has
                no constant part.
        """
        number = whole_number(total_steps)
        if not self.bound or self._total_steps is None:
            raise ScheduleError(f"{self} is not bound; call .over(total_steps), then .stretch.")
        if number is None or not self._total_steps <= number <= LAST_STEP:
            raise ScheduleError(
                f"stretch(total_steps=...) must be at least its length, {self._total_steps:,}; "
                f"got {total_steps!r}. For a shorter run write the lengths as shares and call "
                ".over(total_steps)."
            )
        if number == self._total_steps:
            return self
        longer = self.lengthen(number - self._total_steps)
        if longer is None:
            raise ScheduleError(
                f"{self} cannot be stretched without a jump: it has no constant part to lengthen. "
                "Add one, as in warmup(5%) >> constant() >> linear(20%)."
            )
        return longer

    def head(self, steps: int) -> Schedule:
        """The first `steps` steps, then the value reached there."""
        return self if steps == self._total_steps else make("cut", inner=self, steps=steps)

    @property
    def warmup_steps(self) -> int:
        """Steps of the warm-up that it begins with; 0 without one, or if it is not bound."""
        return 0

    def shortened(self, steps: int) -> Schedule:
        """The same schedule in fewer steps, for a trial that stands for the run.

        The number of warm-up updates decides which rates a network survives, so the warm-up keeps
        its number of steps, but takes at most 30 % of the trial, or its share of the run if that
        is larger. All that follows the warm-up is compressed.

        Args:
            steps: Steps of the trial, from 1 to the schedule's length.

        Raises:
            ScheduleError: the schedule is not bound, or `steps` is not from 1 to its length.

        Examples:
            >>> from learnrate.schedules import Linear, Warmup
            >>> run = Warmup("5%").then(Linear()).over(1000)
            >>> trial = run.shortened(200)
            >>> [round(trial(s), 2) for s in (0, 49, 50, 125)], trial(49) == run(49)
            ([0.02, 0.98, 1.0, 0.5], True)
        """
        if not self.bound or self._total_steps is None:
            raise ScheduleError(f"{self} is not bound; call .over(total_steps), then .shortened.")
        warmup = self.warmup_steps
        share = max(LONGEST_WARMUP, warmup / self._total_steps)
        number = whole_number(steps) or 0  # the class refuses anything but a whole number
        warmup = min(warmup, round(share * number))
        return make("shortened", inner=self, steps=steps, warmup=warmup)

    def cooldown(self, step: int, steps: int, shape: Schedule | None = None) -> Schedule:
        """The same schedule up to `step`, then a decay over `steps` steps.

        Args:
            step: The first step of the decay, from 1 to the schedule's length.
            steps: Steps of the decay, at least 1.
            shape: The decay without a length, `Linear()` by default; it starts from the rate
                reached at `step`.

        Raises:
            ScheduleError: `step` is outside the schedule, or `shape` does not fit `steps`.
        """
        number = whole_number(step)
        if number is None or number < 1:
            raise ScheduleError(f"cooldown(step=...) must be a step of at least 1; got {step!r}.")
        if self._total_steps is not None and number > self._total_steps:
            raise ScheduleError(
                f"cooldown(step=...) must be within its {self._total_steps:,} steps; got {step!r}. "
                "For a later step call .stretch(total_steps) first."
            )
        decay = (make("linear") if shape is None else shape).over(steps)
        value = self(number)
        if value != 1.0:
            decay = make("scaled", factor=value, inner=decay, ascend=value < 0)
        return make("chain", parts=(self.head(number), decay))

    def by_deadline(self, seconds: float, total_steps: int | None = None) -> Deadline:
        """Read the schedule by elapsed time, for a run that must end within `seconds`.

        Args:
            seconds: How long the run may take, in seconds, finite and above 0.
            total_steps: Binds the schedule to this number of steps first: the resolution in time.

        Raises:
            ScheduleError: the schedule is not bound, or `seconds` breaks its rule.
        """
        return Deadline(self if total_steps is None else self.over(total_steps), seconds)

    # Algebra. The classes derive from this one, so they are built by name.

    def then(self, *parts: Schedule) -> Schedule:
        """Join other schedules after this one; each part counts steps from its own start."""
        return make("chain", parts=(self, *parts))

    def __mul__(self, other: object) -> Schedule:
        if isinstance(other, Schedule):
            return self._product(other)
        if isinstance(other, bool) or not isinstance(other, int | float | np.number):
            return NotImplemented
        return make("scaled", factor=other, inner=self)

    __rmul__ = __mul__

    def _product(self, other: Schedule) -> Schedule:
        left, first = self.split()
        right, second = other.split()
        product = make("product", parts=(first, second))
        if left is None and right is None:
            return product
        factor = (1.0 if left is None else left) * (1.0 if right is None else right)
        return make("scaled", factor=factor, inner=product, ascend=factor < 0)

    def ascending(self) -> Schedule:
        """The same rates with the opposite sign, for gradient ascent."""
        factor, shape = self.split()
        opposite = -1.0 if factor is None else -factor
        return make("scaled", factor=opposite, inner=shape, ascend=opposite < 0)

    def clamp(self, low: float | None = None, high: float | None = None) -> Schedule:
        """Limit the rates to at least `low` and at most `high`; see `Clamp`."""
        return make("clamp", inner=self, low=low, high=high)

    def repeat(self, times: int) -> Schedule:
        """The schedule `times` times in a row; see `Repeat`."""
        return make("repeat", inner=self, times=times)

    def delay(self, steps: Duration) -> Schedule:
        """Stay at the first value for `steps`, a duration; see `Delay`."""
        return make("delay", inner=self, steps=steps)

    def plot(self, axes: Axes | None = None, *, total_steps: int | None = None) -> Axes:
        """Draw it over a run of `total_steps` steps, or of its own length; needs the extra `plot`."""
        from learnrate._axes import draw_schedules  # noqa: PLC0415 - matplotlib is optional

        return draw_schedules([(str(self), self.table(total_steps))], axes)

    def noisy(self, scale: float = 0.1, seed: int = 0) -> Schedule:
        """Multiply each rate by a random factor from 1 - scale to 1 + scale; see `Noise`."""
        return make("noise", inner=self, scale=scale, seed=seed)

    def __str__(self) -> str:
        arguments = []
        for index, rule in enumerate(fields_of(type(self))):
            value = getattr(self, rule.name)
            if value != rule.default:
                keyword = f"{rule.name}=" if index else ""
                arguments.append(keyword + text_of(value))
        return f"{self.name}({', '.join(arguments)})"

    def __repr__(self) -> str:
        return f"schedule({str(self)!r})"

    def to_json(self) -> str:
        """The schedule as one line of JSON, with its format and version; see `from_json`."""
        from learnrate.schedules._json import write  # noqa: PLC0415 - it imports this module

        return write(self)

    def __reduce__(self) -> tuple[Callable[..., Schedule], tuple[type[Schedule], dict[str, Any]]]:
        return rebuild, (
            type(self),
            {rule.name: getattr(self, rule.name) for rule in fields_of(type(self))},
        )
