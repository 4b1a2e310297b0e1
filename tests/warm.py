"""Processes that have torch and learnrate loaded when they start, since loading takes seconds.

A process is forked from one that has loaded both. For what a program does or leaves behind, and for
what a signal does to it, that is a process as any other; where its start matters, `processes` has it.
"""

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from processes import HANG, end

SERVER = Path(__file__).with_name("warm_server.py")
COMMAND = "from learnrate.cli import main; main()"
_asking = threading.Lock()


@functools.cache
def _server():
    """A connection to the process that forks the others; it ends when this one does."""
    connection, server_end = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-u", str(SERVER), str(server_end.fileno())],
        pass_fds=[server_end.fileno()],
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    server_end.close()

    def stop():
        connection.close()
        process.wait()

    atexit.register(stop)
    return connection


class WarmProcess:
    """A process that was forked for a test, with the methods of `subprocess.Popen` that tests use."""

    stdin = None

    def __init__(self, code, *arguments, folder=None, environment=None):
        self.returncode = None
        (out, out_end), (err, err_end), (self._status, status_end) = (os.pipe() for _ in range(3))
        request = {
            "code": code,
            "arguments": list(map(str, arguments)),
            "folder": str(folder or Path.cwd()),
            "environment": {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        }
        with _asking:
            server, line = _server(), json.dumps(request).encode() + b"\n"
            sent = socket.send_fds(server, [line], [out_end, err_end, status_end])
            server.sendall(line[sent:])
            answer = b""
            while not answer.endswith(b"\n"):
                part = server.recv(64)
                assert part, "the process that forks others has ended"
                answer += part
        self.pid = int(answer)
        for descriptor in (out_end, err_end, status_end):
            os.close(descriptor)
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)

    def poll(self):
        """The exit status; None before the process has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout=None):
        """The exit status, once the process has ended."""
        if self.returncode is None:
            ready, _, _ = select.select([self._status], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired(["-c"], timeout)
            self.returncode = int(os.read(self._status, 16))
            os.close(self._status)
        return self.returncode

    def communicate(self, timeout=None):
        """What was printed to standard output and error, once the process has ended."""
        printed = {}
        readers = [
            threading.Thread(target=lambda pipe=pipe: printed.update({pipe: pipe.read()}))
            for pipe in (self.stdout, self.stderr)
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
        return printed[self.stdout], printed[self.stderr]

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


@contextlib.contextmanager
def started_warm(code, *arguments, **settings):
    """A process that runs `code` as `python -c` does, in a group of its own; it ends with the block."""
    process = WarmProcess(code, *arguments, **settings)
    try:
        yield process
    finally:
        end(process)


def finished_warm(code, *arguments, timeout=HANG, **settings):
    """Run code to its end in a process that is warm."""
    with started_warm(code, *arguments, **settings) as process:
        out, err = process.communicate(timeout)
    return subprocess.CompletedProcess(["-c", *arguments], process.returncode, out, err)
