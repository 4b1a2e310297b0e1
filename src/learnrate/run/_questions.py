"""Questions to a live training: those that are due by themselves, and those that a person asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from learnrate._errors import LearnrateError, TaskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch.optim import Optimizer

    from learnrate.run._rates import Rates
    from learnrate.run._recording import Recording
    from learnrate.watch import Finding

__all__ = ["Probed", "Probing", "Questions"]


class Probed(Protocol):
    """An answer of `Probing`."""

    @property
    def words(self) -> str:
        """The answer."""
        ...

    @property
    def columns(self) -> Mapping[str, float]:
        """What to record, by name."""
        ...

    @property
    def findings(self) -> Iterable[Finding]:
        """What follows from it."""
        ...

    @property
    def seconds(self) -> float:
        """It took."""
        ...


class Probing(Protocol):
    """Puts questions to the live training, such as `learnrate.probing.Probes`."""

    def __call__(self, step: int, optimizer: Optimizer, /) -> Probed | None:
        """Ask what is due before the update of a step, if anything is; leave all as it was."""
        ...

    def ask(self, step: int, optimizer: Optimizer, /) -> Probed:
        """Ask now which way the rate should go, because a person wants to know; likewise."""
        ...


class Questions:
    """Lets probes ask at the rates of the update about to happen, and has the answers recorded.

    Args:
        probes: what asks.
        optimizer: whose training it is.
        rates: of the training; its first optimizer is that one.
        recording: where answers go.
    """

    def __init__(
        self, probes: Probing, optimizer: Optimizer, rates: Rates, recording: Recording
    ) -> None:
        self._probes, self._optimizer = probes, optimizer
        self._rates, self._recording = rates, recording

    def due(self, step: int) -> None:
        """Before the update of a step: ask what is due, if anything is."""
        found = self._probes(step, self._optimizer)
        if found is not None:
            self._recording.probed(step, found)

    def asked(self, step: int) -> str:
        """Before the update of a step, a person asks: the answer in words.

        Raises:
            LearnrateError: there is none; the message says why. All is as it was.
        """
        self._rates.turn(step)
        self._rates.before(0)
        try:
            found = self._probes.ask(step, self._optimizer)
        except LearnrateError:
            raise
        except Exception as error:
            raise TaskError(
                f"the what-if probe failed: {type(error).__name__}: {error}"
            ) from error
        finally:
            self._rates.after(0)
        self._recording.probed(step, found)
        return found.words
