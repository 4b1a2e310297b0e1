"""A training that obeys the edits in its store, at 100 updates a second.

    python trainer.py STORE TOTAL
"""

import sys
import time

import numpy as np

import learnrate
from learnrate.steer import Edited, edits_of
from learnrate.store import EditStatus, Recorder, Store


def main(place, total):
    course = learnrate.schedule("0.05 * constant()").over(total)
    recorder = Recorder(
        place,
        names=("lr", "loss"),
        name="<i>watched</i>",
        total=total,
        schedule=course,
        limits={"highest": 0.1},
        facts={"group_lr": [0.05]},
    )
    recorder.flush()
    store = Store(place)
    print(recorder.run, flush=True)
    rng = np.random.default_rng(0)
    weights, kept = np.full(8, 3.0), {}
    edited, step = Edited(course), 0
    while step < (edited.total or total):
        if step == 60:
            kept[step] = weights.copy()
            store.add_snapshot(recorder.run, step, "memory")
        for asked in store.edits(recorder.run, status=EditStatus.PENDING) if step % 10 == 0 else ():
            (edit,) = edits_of([asked], step)
            edited = edited.with_edit(edit)
            store.answer_edit(recorder.run, asked.sequence, "applied", step=step)
            if asked.kind == "stop":
                recorder.close("stopped")
                return
            if asked.kind == "rollback":
                step, weights = asked.value, kept[asked.value].copy()
                recorder.go_on(step, f"rolled back: {asked.reason}")
        lr = edited.schedule(step)
        noise = rng.normal(0, 1, 8)
        loss = float(np.square(weights).mean())
        recorder.step = step + 1
        recorder.add((step, (lr, loss), None))
        weights = weights - lr * (weights + noise)
        step += 1
        time.sleep(0.01)
    recorder.close("finished")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
