"""Where results are stored, and what made them: code, machine and date."""

from __future__ import annotations

import ast
import datetime as dt
import hashlib
import platform
import subprocess
from functools import lru_cache
from pathlib import Path

import torch

import learnrate

__all__ = ["RESULTS", "ROOT", "SCRATCH", "code_hash", "provenance"]

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


class _WithoutSentences(ast.NodeTransformer):
    """Replaces each text that has a space by an empty one: docstrings and messages, but not names."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if _is_sentence(node) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        if any(_is_sentence(part) for part in node.values):
            return ast.Constant("")
        self.generic_visit(node)
        return node


def _is_sentence(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def code_hash(*packages: Path) -> str:
    """Eight digits that change with the code of some packages, but not with its comments and sentences.

    Args:
        packages: their folders.
    """
    files = sorted(path for package in packages for path in package.glob("*.py"))
    trees = [_WithoutSentences().visit(ast.parse(path.read_text())) for path in files]
    return hashlib.sha256("".join(map(ast.dump, trees)).encode()).hexdigest()[:8]
