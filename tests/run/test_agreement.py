"""The ranks of a job apply edits at the same steps and in the same order."""

import threading
import time

from torch import distributed

from learnrate.run._agreement import Agreement


def apply_edits(agreement, step, count, applied):
    """Train from a step until `count` edits are applied."""
    while len(applied) < count and not agreement._closed:
        step += 1
        document = agreement.due(step)
        if document is not None:
            applied.append((step, document))
        time.sleep(0.001)


def test_ranks_at_different_steps_apply_edits_at_the_same_step():
    keys = distributed.HashStore()
    ranks = [Agreement(keys, rank, 2) for rank in range(2)]
    applied = [[], []]
    for agreement, step in zip(ranks, (0, 40), strict=True):
        assert agreement.due(step) is None
    for factor in (0.5, 0.1):
        ranks[0].offer({"factor": factor})
    threads = [
        threading.Thread(target=apply_edits, args=(ranks[rank], 40 * rank, 2, applied[rank]))
        for rank in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for agreement in ranks:
        agreement.close()
    assert applied[0] == applied[1]
    assert [document["factor"] for _, document in applied[0]] == [0.5, 0.1]
    assert applied[0][0][0] > 40
