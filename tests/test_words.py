"""One word for each idea, in the parameters and fields of the whole package."""

import ast
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "learnrate"
BANNED = {
    "step": {"t", "at", "iteration", "last_epoch"},
    "steps": {"num_steps", "total_iters", "T_max"},
    "total_steps": {"total", "num_training_steps"},
    "floor": {"eta_min", "min_lr", "lr_end"},
    "peak": {"max_lr", "base_lr"},
    "warmup": {"pct_start", "num_warmup_steps"},
    "factor": {"gamma", "decay_rate"},
    "boundaries": {"milestones"},
    "low, high": {"lower", "upper", "minimum", "maximum"},
    "confidence": {"level", "alpha"},
}
ALLOWED = {
    ("integrations/transformers.py", "num_training_steps"),  # transformers calls it by that name
    ("_progress.py", "total"),  # of anything, not only of steps
}


def public_names(source):
    """The parameters of public functions and the fields of public classes in a module's text."""
    nodes = [ast.parse(source)]
    for node in nodes:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
                nodes.append(child)
            elif isinstance(child, ast.FunctionDef) and (
                not child.name.startswith("_") or child.name in {"__init__", "__call__"}
            ):
                arguments = child.args
                for parameter in arguments.posonlyargs + arguments.args + arguments.kwonlyargs:
                    yield parameter.arg
            elif isinstance(node, ast.ClassDef) and isinstance(child, ast.AnnAssign):
                yield child.target.id


@cache
def used_names():
    """Each public name with the file that it is in, read once for all words."""
    return {
        (str(path.relative_to(SOURCE)), name)
        for path in SOURCE.rglob("*.py")
        for name in public_names(path.read_text())
    }


@pytest.mark.parametrize("word", BANNED)
def test_no_public_parameter_or_field_is_a_synonym_of_the_word_for_its_idea(word):
    used = {(file, name) for file, name in used_names() if name in BANNED[word]}
    assert used - ALLOWED == set()
