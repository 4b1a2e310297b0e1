"""The README and the how-to pages cannot lie: their snippets and commands run, in an empty folder."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
COMMAND = [sys.executable, "-c", "from learnrate.cli import main; main()"]


def blocks(language, text=README):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


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
    assert len(lines) == 5
    for line in lines:
        done = run([*COMMAND, *shlex.split(line)[1:]], folder)
        assert done.returncode == 0, (line, done.stderr)
    assert (folder / "plans" / "report.html").exists()


@pytest.mark.parametrize("index", range(1, len(blocks("python"))))
def test_every_snippet_of_the_readme_runs(folder, index):
    done = run([sys.executable, "-c", blocks("python")[index]], folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "snippet",
    [
        pytest.param(snippet, id=f"{page.stem}-{index}")
        for page in PAGES
        for index, snippet in enumerate(blocks("python", page.read_text()))
    ],
)
def test_every_snippet_of_the_how_to_pages_runs(folder, snippet):
    done = run([sys.executable, "-W", "ignore", "-c", snippet], folder)
    assert done.returncode == 0, done.stderr


def test_every_make_target_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"make ([a-z]+)", README)) - {"is"}
    assert named <= set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
