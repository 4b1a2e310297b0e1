"""Runs examples: python run_examples.py JOBS.json, each job [path, arguments, warning filters, folder].

Each example is a process of its own, forked from one that has loaded the packages that all of them
load. What it prints is in the files `stdout` and `stderr` of its folder, and its exit status in `status`.
"""

import builtins
import json
import os
import runpy
import sys
import warnings
from pathlib import Path

import plotly.offline  # noqa: F401 - loaded here once, for all
import sklearn.datasets  # noqa: F401
import torch

import learnrate
from processes import forked


def run(path, arguments, filters, folder):
    """Run an example as `python PATH ARGUMENTS` does, with its output in files of the folder."""
    os.chdir(folder)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = [path, *arguments]
    sys.path[0] = str(Path(path).parent)
    for action, category in filters:
        warnings.simplefilter(action, getattr(builtins, category))
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    torch.optim.AdamW([torch.zeros(1)])  # torch loads much of itself here
    for verb in ("plan", "train", "attach"):
        getattr(learnrate, verb)
    for job in json.loads(Path(sys.argv[1]).read_text()):
        status = forked(run, *job)
        (Path(job[-1]) / "status").write_text(str(status))
