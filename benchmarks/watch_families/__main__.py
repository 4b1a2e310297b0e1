"""How good the findings are on runs from eighteen families of tasks that no rule was developed on.

    PYTHONPATH=benchmarks python -m watch_families train    # minutes of one core; what is stored stays
    PYTHONPATH=benchmarks python -m watch_families score    # a minute or two, no training
    PYTHONPATH=benchmarks python -m watch_families table --page docs/findings/measured.md
    PYTHONPATH=benchmarks python -m watch_families soon --page docs/findings/measured.md
    PYTHONPATH=benchmarks python -m watch_families fit      # the estimates from paths, fitted anew

Every command takes `--families WORD,WORD` (families whose names contain a word). `train` takes
`--data FOLDER` (or LEARNRATE_DATA) and `--again`, which trains stored runs anew, as is needed when
`attach` records more than before (the sweeps are kept then), and `--half`, which trains every other
run. `score` judges with the default
thresholds and lists by name what is judged wrongly. `table` judges each family with thresholds that
are chosen without it, or with the defaults (`--defaults`).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from _page import show, write_section

from .corpus import train_family
from .families import FAMILIES
from .leave_out import left_out_scores
from .path_fit import fit_text
from .scoring import Score, scores
from .soon import soon_text
from .table import named_lists, page_text
from .views import VIEWS

__all__ = ["main"]

Scores = tuple[dict[str, Score], dict[str, dict[str, Score]]]


def main() -> None:
    """Run the command."""
    arguments = _arguments()
    if arguments.data is not None:
        os.environ["LEARNRATE_DATA"] = arguments.data
    words = [word for word in arguments.families.split(",") if word]
    families = [
        family for family in FAMILIES if not words or any(word in family for word in words)
    ]
    if arguments.command == "train":
        torch.set_num_threads(1)
        for family in families:
            train_family(family, again=arguments.again, half=arguments.half)
    elif arguments.command == "score":
        _score(families)
    elif arguments.command == "fit":
        print(fit_text(families))
    elif arguments.command == "soon":
        show(soon_text(families), arguments.page, "how-soon")
    else:
        text = page_text(*(_with_defaults if arguments.defaults else _left_out)(families))
        if arguments.page:
            write_section(arguments.page, "watch-families", text)
        print(text)


def _left_out(families: list[str]) -> Scores:
    return left_out_scores(families, VIEWS)


def _with_defaults(families: list[str]) -> Scores:
    by_family = {family: scores(families=[family]) for family in families}
    present = {family: by_view for family, by_view in by_family.items() if by_view["live"].healthy}
    return scores(families=families), present


def _score(families: list[str]) -> None:
    """Judge with the default thresholds, and list what is judged wrongly."""
    pooled, by_family = _with_defaults(families)
    print(page_text(pooled, by_family))
    print(named_lists(pooled))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="watch_families", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("command", choices=["train", "score", "table", "soon", "fit"])
    parser.add_argument("--families", default="", help="words in names, separated by commas")
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--again", action="store_true", help="train stored runs anew")
    parser.add_argument("--half", action="store_true", help="train only every other run")
    parser.add_argument("--defaults", action="store_true", help="table: the default thresholds")
    parser.add_argument("--page", type=Path, help="write the tables into this page")
    return parser.parse_args()


if __name__ == "__main__":
    main()
