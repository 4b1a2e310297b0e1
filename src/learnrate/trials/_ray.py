"""The engine that runs trials on a Ray cluster, or in Ray's processes on one machine."""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import signal
import socket
import sys
import sysconfig
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from learnrate._errors import ArgumentError, TaskError, needing
from learnrate.trials._engines import Engine, ProgressCallback, Sequential, split_into_stacks
from learnrate.trials._probe import first_line
from learnrate.trials._training import preserved
from learnrate.trials._trial import Curve, Status
from learnrate.trials._vectorised import Vectorised

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from learnrate.task import Task
    from learnrate.trials._trial import Trial

__all__ = ["RayEngine"]

_RETRIES = 3  # of a stack whose process or node was lost
_ANSWER_TIMEOUT = 5.0  # seconds for an address to answer
_POLL = 0.5  # seconds until Ctrl-C is noticed
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS = 4  # the kind of the first frame a server sends (RFC 9113, 3.4)


@dataclass(frozen=True)
class RayEngine(Engine):
    """Runs trials as Ray tasks, on a cluster or in Ray's processes on this machine.

    The task is sent together with your own modules that it uses. learnrate, PyTorch and all other
    packages that the task needs must be installed on the cluster. Trials of one seed that can be
    stacked share a Ray task, but there are never fewer Ray tasks than the cluster can run at once.
    If a process or node is lost, its unfinished trials run again elsewhere. If Ray is already
    initialised in this process, it is used and left running. A trial has its curve as soon as its
    stack has ended.

    Args:
        address: of a cluster: `host:port`, `ray://host:port`, or `"auto"` for the one this machine
            belongs to. By default Ray starts on this machine alone, and ends with the trials.
        cpus: cores for each Ray task, above 0; torch gets as many threads, at least one.
        gpus: devices for each Ray task, 0 or more; with 0.25, four tasks share one device.

    Raises:
        ArgumentError: an argument is outside its rule; when trials run, if nothing answers at the
            address or the cluster has no room for one task.
        TaskError: when trials run, if the task cannot be pickled.
        MissingExtraError: when trials run, if Ray is not installed.

    Examples:
        >>> RayEngine(gpus=0.25)
        RayEngine(address=None, cpus=1.0, gpus=0.25)
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    width: int = field(default=1, repr=False)
    notes: list[str] = field(default_factory=list, repr=False, compare=False)
    name = "ray"

    def __post_init__(self) -> None:
        if not 0 < self.cpus < math.inf:
            raise ArgumentError(f"cpus must be a number of cores above 0; got {self.cpus!r}.")
        if not 0 <= self.gpus < math.inf:
            raise ArgumentError(f"gpus must be a number of devices, 0 or more; got {self.gpus!r}.")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise ArgumentError(
                f"gpus above 1 must be a whole number, because Ray splits only single devices; "
                f"got {self.gpus!r}. Example: gpus=2"
            )

    def _curves(
        self, task: Task, trials: Sequence[Trial], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        with needing("ray", "ray", "the engine 'ray'"):
            import ray  # noqa: PLC0415 - optional
        pickled = _pickled(task)
        with _connected(ray, self.address):
            slots = self._slots(ray.cluster_resources())
            stacks = split_into_stacks(trials, min(self.width, math.ceil(len(trials) / slots)))
            remote = ray.remote(
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                max_retries=_RETRIES,
                retry_exceptions=False,
            )(_run_stack)
            shared = ray.put(pickled)
            running = {
                remote.remote(shared, stack, self.width > 1, self.cpus): stack for stack in stacks
            }
            try:
                yield from self._collected(ray, running, on_progress)
            finally:
                for reference in running:
                    ray.cancel(reference, force=True)

    def _collected(
        self, ray: ModuleType, running: dict[Any, list[Trial]], on_progress: ProgressCallback
    ) -> Iterator[tuple[Trial, Curve]]:
        while running:
            on_progress(0, f"Ray runs {sum(len(stack) for stack in running.values())} more")
            ended, _ = ray.wait(list(running), timeout=_POLL)
            for reference in ended:
                stack = running.pop(reference)
                try:
                    curves, notes = ray.get(reference)
                except ray.exceptions.RayError as error:
                    curves, notes = [_failed(error) for _ in stack], []
                self.notes.extend(note for note in notes if note not in self.notes)
                yield from zip(stack, curves, strict=True)

    def _slots(self, resources: dict[str, float]) -> int:
        """How many Ray tasks the cluster runs at once."""
        slots = resources.get("CPU", 0.0) // self.cpus
        if self.gpus:
            slots = min(slots, resources.get("GPU", 0.0) // self.gpus)
        if slots < 1:
            raise ArgumentError(
                f"no room on the Ray cluster for one task of {self.cpus:g} cpus and "
                f"{self.gpus:g} gpus: it has {resources.get('CPU', 0.0):g} and "
                f"{resources.get('GPU', 0.0):g}. Give lower cpus or gpus."
            )
        return int(slots)


def _run_stack(
    pickled: bytes, stack: list[Trial], vectorise: bool, cpus: float
) -> tuple[list[Curve], list[str]]:
    """On a worker: the curves of a stack, in its order, and the engine's notes."""
    from ray import cloudpickle  # noqa: PLC0415 - only where Ray is

    torch.set_num_threads(max(1, int(cpus)))
    task = cloudpickle.loads(pickled)
    engine = Vectorised() if vectorise and len(stack) > 1 else Sequential()
    with preserved(task):
        curves = dict(engine.run(task, stack))
    return [curves[trial] for trial in stack], list(engine.notes)


def _failed(error: Exception) -> Curve:
    return Curve(
        lr=np.empty(0),
        loss=np.empty(0),
        validation=None,
        status=Status.FAILED,
        seconds=0.0,
        error=first_line(error),
    )


@contextmanager
def _connected(ray: ModuleType, address: str | None) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    if address is not None:
        _check_answer(address)
    settings: dict[str, Any] = {} if address is not None else {"include_dashboard": False}
    with _restored_process():
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's future default
        try:
            ray.init(
                address or "local", log_to_driver=False, logging_level=logging.ERROR, **settings
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ArgumentError(
                f"Ray cannot be reached at address {address!r}: {first_line(error)}. "
                "Start it there with `ray start --head`, or give no address to run here."
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _restored_process() -> Iterator[None]:
    """Restore what Ray changes in the process that starts it."""
    handler, dumps = signal.getsignal(signal.SIGTERM), faulthandler.is_enabled()
    settings = {name: value for name, value in os.environ.items() if name.startswith("RAY_")}
    try:
        yield
    finally:
        for name in [name for name in os.environ if name.startswith("RAY_")]:
            del os.environ[name]
        os.environ.update(settings)
        if handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)
        if faulthandler.is_enabled() and not dumps:
            faulthandler.disable()


def _check_answer(address: str) -> None:
    """Fail at once if nothing, or something other than Ray, answers; Ray waits for minutes."""
    if address in {"auto", "local"}:
        return
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not (separator and host and port.isdecimal()):
        raise ArgumentError(
            f"address must be host:port, ray://host:port or auto; got {address!r}. "
            "Example: --address 10.0.0.1:6379"
        )
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER_TIMEOUT) as connection:
            is_ray = os.environ.get("RAY_USE_TLS") == "1" or _speaks_http2(connection)
    except (OSError, OverflowError) as error:
        raise ArgumentError(
            f"nothing answers at the Ray address {address!r} ({error}). Is the head node up "
            "(`ray start --head`, `ray status`) and its port reachable from here?"
        ) from error
    if not is_ray:
        raise ArgumentError(
            f"something other than Ray answers at the address {address!r}. `ray status` on the "
            "head node prints its port; a cluster's is 6379 and its client's 10001 by default."
        )


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether the other side answers like a gRPC server, which Ray's head node is."""
    connection.sendall(_GREETING)
    answer = b""
    while len(answer) < 4 and (received := connection.recv(16)):
        answer += received
    return len(answer) >= 4 and answer[3] == _SETTINGS


def _pickled(task: Task) -> bytes:
    """The task as bytes, with the user's modules that it uses."""
    from ray import cloudpickle  # noqa: PLC0415 - optional

    modules = [module for module in list(sys.modules.values()) if _is_users(module)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(task))
    except Exception as error:
        raise TaskError(
            f"the task cannot be sent to Ray's workers: {first_line(error)}. Create what cannot be "
            "pickled (an open file, a lock, a connection) inside the functions that use it, or "
            "use another engine."
        ) from error
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _is_users(module: ModuleType) -> bool:
    """Whether a module is one of the user's own files, which a cluster does not have."""
    name, file = getattr(module, "__name__", None), getattr(module, "__file__", None)
    if not name or not file or name == "__main__" or sys.modules.get(name) is not module:
        return False
    if name.partition(".")[0] == "learnrate":
        return False
    return not any(Path(file).is_relative_to(place) for place in _INSTALLED)


_INSTALLED = {
    Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib", "purelib", "platlib")
}
