"""The README cannot lie: its snippets and commands run, in its order, in an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()
COMMAND = [sys.executable, "-c", "from learnrate.cli import main; main()"]


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def shell_lines():
    lines = "\n".join(blocks("bash")).splitlines()
    return [line.split("#")[0].strip() for line in lines if line.startswith("learnrate ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    task, *_ = blocks("python")
    assert task.startswith("# my_task.py\n")
    (folder / "my_task.py").write_text(task)
    return folder


def run(command, folder):
    return subprocess.run(
        command, check=False, cwd=folder, capture_output=True, text=True, timeout=120
    )


def test_every_command_of_the_readme_runs(folder):
    import shlex

    lines = shell_lines()
    assert len(lines) == 4
    for line in lines:
        done = run([*COMMAND, *shlex.split(line)[1:]], folder)
        assert done.returncode == 0, (line, done.stderr)
    assert (folder / "plans" / "report.html").exists()


@pytest.mark.parametrize("index", range(1, len(blocks("python"))))
def test_every_snippet_of_the_readme_runs(folder, index):
    done = run([sys.executable, "-c", blocks("python")[index]], folder)
    assert done.returncode == 0, done.stderr


def test_every_make_target_named_exists():
    makefile = (Path(__file__).parent.parent / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z]+)", README)) - {"is"}
    assert named <= set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
