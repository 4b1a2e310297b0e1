"""Trains the scripts in tests/scripts: python script_harness.py FOLDER NAME... writes what it logs.

Each training is a process of its own, forked from one that has loaded the frameworks.

plain     the script without learnrate
kept      with a run attached, which leaves the rates to the script
killed    the same, killed with SIGKILL in the middle
resumed   the same script again, from its last checkpoint; late in it the rate is halved
longer    frameworks alone: a finished training under a schedule that is trained further
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import torch

import learnrate
from learnrate.run import Run
from processes import forked

UPDATES, SAVE_EVERY, KILLED_AT, STEERED_AT, LONGER = 72, 12, 31, 50, 18
SHORTER = 12
SCHEDULE = "0.02 * warmup(25%) >> linear()"
SCRIPTS = Path(__file__).parent / "scripts"
LOADED_BY_ALL = ("learnrate.store", "learnrate.watch", "cattrs", "sqlalchemy.dialects.sqlite")
LOOPS = (
    "mnist_steplr",
    "vae_summed",
    "gcn",
    "nanogpt",
    "lstm_lbfgs",
    "reinforce",
    "dcgan",
    "vit_timm",
    "ddp",
)
FRAMEWORKS = (
    "lightning_gan",
    "lightning_language_model",
    "accelerate_loop",
    "trainer",
    "sft_lora",
    "keras_convnet",
)


class NoRun:
    """What a script attaches without learnrate."""

    stopped = None

    def step(self, *_, **__):
        pass

    def validation(self, *_):
        pass

    def finish(self):
        pass


@dataclass
class Session:
    """What a script is given: its attach or callback, a folder for checkpoints, a log of losses."""

    mode: str
    folder: Path
    name: str
    losses: dict = field(default_factory=dict)
    rates: list = field(default_factory=list)
    runs: list = field(default_factory=list)

    @property
    def updates(self):
        return {"shorter": SHORTER, "longer": LONGER}.get(self.mode, UPDATES)

    @property
    def options(self):
        """Arguments of attach, or of a callback."""
        stem = self.mode if self.mode == "kept" else "resumed"
        stem = "longer" if self.mode in {"shorter", "longer"} else stem
        return {"store": self.folder / f"{self.name}.{stem}.db", "name": self.name}

    @property
    def schedule(self):
        return SCHEDULE if self.mode in {"shorter", "longer"} else None

    def attach(self, optimizer, **options):
        """The line that learnrate adds to a loop of one's own."""
        if self.mode == "plain":
            return NoRun()
        options = {"total_steps": self.updates, **self.options, **options}
        return learnrate.attach(optimizer, self.schedule, **options)

    def callbacks(self, cls, **options):
        """The callback that learnrate adds to a framework's training."""
        if self.mode == "plain":
            return []
        change = {"change_schedule": True} if self.mode == "longer" else {}
        schedule = options.pop("schedule", self.schedule)
        return [cls(schedule, **self.options, **change, **options)]

    def log(self, step, loss):
        self.losses[step] = float(loss).hex()
        self.write()

    def keep(self, step, loss, **states):
        """Log an update, and save a checkpoint every few of them."""
        self.log(step, loss)
        self.save(step + 1, **states)

    def write(self, error=None):
        document = {"losses": self.losses, "error": error}
        path = self.folder / f"{self.name}.{self.mode}.json"
        scratch = path.with_suffix(".part")
        scratch.write_text(json.dumps(document))
        scratch.replace(path)

    @property
    def checkpoints(self):
        stem = {"killed": "resumed", "shorter": "longer"}.get(self.mode, self.mode)
        return self.folder / f"{self.name}.{stem}.checkpoints"

    def save(self, step, **states):
        """Save a checkpoint of a loop of one's own, every few updates."""
        if step % SAVE_EVERY == 0:
            saved = {
                name: part.state_dict()
                for name, part in states.items()
                if not isinstance(part, NoRun)
            }
            self.checkpoints.mkdir(exist_ok=True)
            rng = torch.get_rng_state()
            torch.save({"step": step, "rng": rng, **saved}, self.checkpoints / "last.part")
            (self.checkpoints / "last.part").replace(self.checkpoints / "last.pt")

    def load(self, **states):
        """The step of the last checkpoint, which is loaded; 0 without one."""
        place = self.checkpoints / "last.pt"
        if not place.exists():
            return 0
        saved = torch.load(place, weights_only=False)
        for name, part in states.items():
            part.load_state_dict(saved[name])
        torch.set_rng_state(saved["rng"])
        return saved["step"]

    def after_update(self, step, steer, flush):
        """Called after the run has recorded an update: kill it, or steer it.

        Args:
            step: the number of updates made.
            steer: takes the words of an edit.
            flush: writes what was recorded.
        """
        if self.mode == "killed" and step == KILLED_AT:
            flush()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.mode == "resumed" and step == STEERED_AT:
            steer("scale 0.5")


def watch_runs(session):
    """Let a session know of every update of a run."""
    original = Run.step

    def step(run, *arguments, **options):
        before = run.next_step
        original(run, *arguments, **options)
        if run.next_step == before + 1:
            flush = run.recorder.flush if run.recorder is not None else bool
            session.after_update(run.next_step, run.steer, flush)

    Run.step = step


def train(name, mode, folder):
    """One training, in this process."""
    session = Session(mode, folder, name)
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    watch_runs(session)
    try:
        importlib.import_module(name).train(session)
        session.write()
    except BaseException:
        session.write(traceback.format_exc())
        raise


def main(folder, names):
    sys.path.insert(0, str(SCRIPTS))
    torch.optim.AdamW([torch.zeros(1)])  # torch loads much of itself here
    for module in LOADED_BY_ALL:
        importlib.import_module(module)
    for name in names:
        importlib.import_module(name)
        began = time.monotonic()
        modes = ["plain", "kept", "killed", "resumed"]
        modes += ["shorter", "longer"] if name in FRAMEWORKS else []
        ended = {mode: forked(train, name, mode, folder) for mode in modes}
        (folder / f"{name}.json").write_text(json.dumps(ended))
        print(name, ended, f"{time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or [*LOOPS, *FRAMEWORKS])
