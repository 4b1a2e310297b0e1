"""Two ranks, with what torchrun gives each, from processes that have loaded torch.

For what ranks do together; tests/trials/test_torchrun.py starts torchrun itself.
"""

import contextlib
import threading

from torch import distributed

from processes import HANG
from warm import started_warm

RUN_SCRIPT = """
import runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def finished_ranks(*words, folder, size=2):
    """Run a script on ranks to their end: for each its exit status, standard output and error.

    Args:
        words: the path of the script, and its arguments.
        folder: where it runs.
        size: the number of ranks.
    """
    meeting = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    everyone = {
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(meeting.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # it listens in this process
    }
    results = [None] * size

    def wait(rank, process):
        out, err = process.communicate(HANG)
        results[rank] = (process.returncode, out, err)

    with contextlib.ExitStack() as stack:
        waiting = []
        for rank in range(size):
            environment = {**everyone, "RANK": str(rank), "LOCAL_RANK": str(rank)}
            process = stack.enter_context(
                started_warm(RUN_SCRIPT, *words, folder=folder, environment=environment)
            )
            waiting.append(threading.Thread(target=wait, args=(rank, process)))
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
    return results
