"""The page on PostgreSQL runs on a PostgreSQL."""

import re
from pathlib import Path

from warm import finished_warm

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "postgres.md"


def test_the_code_of_the_page_runs_if_learnrate_store_names_a_server(
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
    code = f"import warnings\nwarnings.simplefilter('ignore')\n{snippet}\nimport sys\nfrom learnrate.cli import main\n{calls}"
    process = finished_warm(code, folder=tmp_path)
    assert process.returncode == 0, process.stderr
    assert "on this machine 50" in process.stdout
    assert (tmp_path / "run.csv").read_text().count("\n") == 51
    assert not (tmp_path / "learnrate.db").exists()
