"""The page on PostgreSQL runs on a PostgreSQL."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "postgres.md"


def test_what_the_page_shows_runs_where_learnrate_store_names_a_server(
    postgres, tmp_path, monkeypatch
):
    monkeypatch.setenv("LEARNRATE_STORE", postgres())
    text = PAGE.read_text()
    (snippet,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    lines = re.findall(r"^learnrate (.*)$", text, flags=re.MULTILINE)
    assert lines == ["runs", "export last --to run.csv"]
    calls = "".join(
        f"sys.argv = {['learnrate', *line.split()]!r}\ntry: main()\nexcept SystemExit as end: assert not end.code\n"
        for line in lines
    )
    code = f"{snippet}\nimport sys\nfrom learnrate.cli import main\n{calls}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "on this machine 50" in done.stdout
    assert (tmp_path / "run.csv").read_text().count("\n") == 51
    assert not (tmp_path / "learnrate.db").exists()
