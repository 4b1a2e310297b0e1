"""Names: they say what they hold, and a class has its name to itself."""

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bindings import FOLDERS, ROOT, bindings_in, is_placeholder, python_files

SOURCE = ROOT / "src" / "learnrate"
FEW_ARGUMENTS = 2


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_is_a_placeholder(folder):
    placeholders = [
        f"{file.relative_to(ROOT)}:{binding.line}: {binding.name}"
        for file in python_files(ROOT / folder)
        for binding in bindings_in(file.read_text())
        if is_placeholder(binding.name)
    ]
    assert placeholders == []


def test_a_placeholder_is_seen_wherever_a_name_is_bound():
    source = (
        "def f(one, *, at=0):\n"
        "    found: int = 1\n"
        "    for held in [own for own in ()]:\n"
        "        self.made = held\n"
        "    import x as seen\n"
        "    with y as (kept, _): pass\n"
    )
    names = {binding.name for binding in bindings_in(source) if is_placeholder(binding.name)}
    assert names == {"one", "at", "found", "held", "own", "made", "seen", "kept"}


def test_a_class_name_stands_once_in_the_package():
    names = Counter(
        node.name
        for file in python_files(SOURCE)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def public_functions():
    """Every public function and method of the package, with its file."""
    for file in python_files(SOURCE):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from ((file, child) for child in node.body)
            else:
                yield file, node


def test_a_public_function_of_three_or_more_arguments_describes_them():
    undescribed = [
        f"{file.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for file, node in public_functions()
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and "cli" not in file.parts  # commands describe their options in --help
        and len(arguments_of(node)) > FEW_ARGUMENTS
        and "Args:" not in (ast.get_docstring(node) or "")
        and not {ast.unparse(line) for line in node.decorator_list} & {"override", "overload"}
    ]
    assert undescribed == []


def arguments_of(node):
    """The names of a function's arguments, without self and cls."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument.arg for argument in arguments if argument.arg not in {"self", "cls"}]
