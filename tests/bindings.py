"""Which names the code binds, and which of them say nothing of what they hold.

python tests/bindings.py [PATH ...]     counts, and every placeholder with its place
"""

import ast
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "benchmarks", "docs/hooks", "tests", "examples")

PLACEHOLDERS = frozenset(
    [
        "one",
        "ones",
        "found",
        "held",
        "own",
        "made",
        "kept",
        "asked",
        "said",
        "seen",
        "told",
        "given",
        "got",
        "at",
        "took",
        "meant",
        "each",
        "ours",
        "theirs",
        "its",
        "begun",
        "gone",
        "here",
        "there",
        "thing",
        "things",
        "stuff",
        "it",
        "what",
        "who",
        "whose",
        "also",
        "both",
        "knew",
        "heard",
    ]
)


class Binding(NamedTuple):
    """A name that is given a value, and where."""

    name: str
    line: int


def bindings_in(source):
    """Every variable, parameter, loop variable and alias that a module's text binds."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield Binding(node.id, node.lineno)
        elif isinstance(node, ast.arg):
            yield Binding(node.arg, node.lineno)
        elif isinstance(node, ast.alias) and node.asname:
            yield Binding(node.asname, node.lineno)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield Binding(node.name, node.lineno)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield Binding(node.attr, node.lineno)


def is_placeholder(name):
    """Whether a name says nothing of what it holds."""
    return name.strip("_") in PLACEHOLDERS


def python_files(*paths):
    """The Python files in folders, or the files themselves."""
    for path in map(Path, paths):
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def main(paths):
    """Print every placeholder, then the counts."""
    counts, bindings = Counter(), 0
    for file in python_files(*paths):
        for binding in bindings_in(file.read_text()):
            bindings += 1
            if is_placeholder(binding.name):
                counts[binding.name.strip("_")] += 1
                print(f"{file}:{binding.line}: {binding.name}")
    share = counts.total() / max(1, bindings)
    print(f"{counts.total()} of {bindings} bindings ({share:.1%}): {dict(counts.most_common())}")


if __name__ == "__main__":
    main(sys.argv[1:] or [ROOT / folder for folder in FOLDERS])
