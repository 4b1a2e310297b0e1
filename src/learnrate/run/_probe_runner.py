"""Probes of a live training: those that are due, and those that a person requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from learnrate._errors import LearnrateError, TaskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch.optim import Optimizer

    from learnrate.run._rates import RateWriter
    from learnrate.run._recording import Recording
    from learnrate.watch import Finding

__all__ = ["LiveProbes", "ProbeAnswer", "ProbeRunner"]


class ProbeAnswer(Protocol):
    """The answer of a probe of a live training: text for a person and numbers for the store."""

    @property
    def words(self) -> str:
        """The meaning of the answer, for a person."""
        ...

    @property
    def columns(self) -> Mapping[str, float]:
        """The values to record, by the names of their columns."""
        ...

    @property
    def findings(self) -> Iterable[Finding]:
        """The findings that follow from the answer."""
        ...

    @property
    def seconds(self) -> float:
        """The time that the probe took."""
        ...


class LiveProbes(Protocol):
    """Probes a live training, as `learnrate.probing.Probes` does."""

    def __call__(self, step: int, optimizer: Optimizer, /) -> ProbeAnswer | None:
        """Run the probes that are due before the update of a step; leave the training unchanged."""
        ...

    def ask(self, step: int, optimizer: Optimizer, /) -> ProbeAnswer:
        """Run the what-if probe now, because a person asked; leave the training unchanged."""
        ...


class ProbeRunner:
    """Runs probes at the rates of the update about to happen, and records their answers.

    Args:
        probes: the probes.
        optimizer: the optimizer of the training.
        rates: the rates of the training; its first optimizer is `optimizer`.
        recording: where answers are recorded.
    """

    def __init__(
        self, probes: LiveProbes, optimizer: Optimizer, rates: RateWriter, recording: Recording
    ) -> None:
        self._probes, self._optimizer = probes, optimizer
        self._rates, self._recording = rates, recording

    def run_due(self, step: int) -> tuple[float, str] | None:
        """Run the probes that are due before the update of a step.

        Returns:
            The factor that the rate should change by, and why; None to leave it.
        """
        answer = self._probes(step, self._optimizer)
        if answer is None:
            return None
        self._recording.add_answer(step, answer)
        scale = getattr(answer, "scale", None)  # not every probe of a user's own has one
        return None if scale is None else (scale, getattr(answer, "reason", ""))

    def what_if(self, step: int) -> str:
        """Run the what-if probe before the update of a step; its answer as text.

        Raises:
            LearnrateError: the probe failed; the message says why. The training is unchanged.
        """
        self._rates.set_step(step)
        self._rates.before(0)
        try:
            answer = self._probes.ask(step, self._optimizer)
        except LearnrateError:
            raise
        except Exception as error:
            raise TaskError(
                f"the what-if probe failed: {type(error).__name__}: {error}"
            ) from error
        finally:
            self._rates.after(0)
        self._recording.add_answer(step, answer)
        return answer.words
