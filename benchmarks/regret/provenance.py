"""Where results are stored, and what made them: code, machine and date."""

from __future__ import annotations

import datetime as dt
import platform
import subprocess
from functools import lru_cache
from pathlib import Path

import torch

import learnrate

__all__ = ["RESULTS", "ROOT", "SCRATCH", "provenance"]

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
SCRATCH = ROOT / "build" / "regret"  # all trials, so that a killed job can continue


@lru_cache
def provenance() -> dict[str, str]:
    """The code, the machine and the date of a result."""
    return {
        "commit": _commit(),
        "learnrate": learnrate.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {_processor()}",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }


def _commit() -> str:
    """The commit of the working tree; marked if the library has uncommitted changes."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "benchmarks/regret/*.py")
    return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
