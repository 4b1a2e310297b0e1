"""What tests/warm.py starts: forks a process for every request, from one that has loaded torch.

A request is a line of JSON with file descriptors: standard output, standard error, and where the exit
status is written to. The process answers with its number and then runs its code, as `python -c` would.
"""

import importlib
import json
import os
import select
import signal
import socket
import sys

import torch

import learnrate

LOADED = ("learnrate.cli", "learnrate.store", "learnrate.watch", "sqlalchemy.dialects.sqlite")


def load():
    """Load what every training needs."""
    torch.optim.AdamW([torch.zeros(1)])  # torch loads much of itself here
    for verb in ("plan", "train", "sweep", "attach"):
        getattr(learnrate, verb)
    for module in LOADED:
        importlib.import_module(module)


def request_of(server):
    """The next request and its file descriptors; None where the tests have ended."""
    line, descriptors = b"", []
    while not line.endswith(b"\n"):
        part, received, *_ = socket.recv_fds(server, 2**16, 3)
        if not part:
            return None, []
        line += part
        descriptors += received
    return json.loads(line), descriptors


def reap(places):
    """Write the exit statuses of what has ended, to the descriptor of each process."""
    while places:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        place = places.pop(pid)
        os.write(place, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(place)


def serve(server):
    """Answer requests until the tests end; returns the request in each process that is forked."""
    awake, ended = os.pipe()
    os.set_blocking(ended, False)
    signal.set_wakeup_fd(ended, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    places = {}
    while True:
        ready, _, _ = select.select([server, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            reap(places)
        if server not in ready:
            continue
        request, descriptors = request_of(server)
        if request is None:
            os._exit(0)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (awake, ended, *places.values()):
                os.close(descriptor)
            return request, descriptors
        *pipes, place = descriptors
        for pipe in pipes:
            os.close(pipe)
        places[pid] = place


def become(request, descriptors, server):
    """Be the process that a request asks for; returns its code."""
    os.setsid()
    for standard, descriptor in zip((1, 2), descriptors, strict=False):
        os.dup2(descriptor, standard)
    for descriptor in descriptors:
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = ["-c", *request["arguments"]]
    sys.path[0] = ""
    server.sendall(f"{os.getpid()}\n".encode())
    server.close()
    return request["code"]


if __name__ == "__main__":
    load()
    connection = socket.socket(fileno=int(sys.argv[1]))
    program = become(*serve(connection), connection)
    exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
