"""What the findings say of runs from eighteen families of work that no rule was made for.

    PYTHONPATH=benchmarks python -m watch_families train    # an hour of one core; what is stored stays
    PYTHONPATH=benchmarks python -m watch_families score    # a minute or two, no training
    PYTHONPATH=benchmarks python -m watch_families table --page docs/findings/measured.md

Every command takes `--families WORD,WORD` (families whose names contain a word). `train` takes
`--data FOLDER` (or LEARNRATE_DATA) and `--again`, which trains stored runs anew, as is needed when
`attach` records more than before. The sweeps are kept then.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from .families import FAMILIES


def main() -> None:
    """Run the command."""
    arguments = _arguments()
    words = [word for word in arguments.families.split(",") if word]
    families = [
        family for family in FAMILIES if not words or any(word in family for word in words)
    ]
    if arguments.command == "train":
        from .corpus import train_family  # noqa: PLC0415 - it needs the data

        if arguments.data is not None:
            os.environ["LEARNRATE_DATA"] = arguments.data
        torch.set_num_threads(1)
        for family in families:
            train_family(family, again=arguments.again)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="watch_families", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("command", choices=["train", "score", "table"])
    parser.add_argument("--families", default="", help="words in names, separated by commas")
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--again", action="store_true", help="train stored runs anew")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
