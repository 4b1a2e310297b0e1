"""Child processes of the tests: waited for patiently, and ended with the test that started them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback

HANG = 300.0  # seconds after which a process is taken to hang; a busy machine is not a failure
_GRACE = 60.0  # seconds that a process has to end what it started, before it is killed


@contextlib.contextmanager
def started(command, **settings):
    """A child process in a process group of its own, which ends with the block."""
    process = subprocess.Popen(command, start_new_session=True, **settings)
    try:
        yield process
    finally:
        end(process)


def end(process):
    """Ask a process to end, then kill what is left of its group, and close its pipes.

    It is asked first because torchrun starts its workers in groups of their own, and ends them.
    """
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def finished(command, timeout=HANG, **settings):
    """Run a command to its end, as `subprocess.run` does; what it started ends with it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with started(command, **pipes, **settings) as process:
        out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def forked(function, *arguments):
    """The exit status of a call in a process forked from this one, as if a script made it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function(*arguments)
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        except BaseException:  # noqa: BLE001 - whatever it is, it must not reach the parent's code
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def wait_until(condition, process=None, interval=0.02):
    """Wait until `condition()` holds; returns its result.

    Fails if it does not hold after minutes, or if `process`, which is to bring it about, has ended.
    """
    end_of_patience = time.monotonic() + HANG
    while not (result := condition()):
        assert time.monotonic() < end_of_patience, f"still waiting after {HANG:.0f} s"
        assert process is None or process.poll() is None, _last_words(process)
        time.sleep(interval)
    return result


def _last_words(process):
    written = process.stderr.read() if process.stderr is not None else ""
    return f"the process ended with status {process.returncode}: {written}"
