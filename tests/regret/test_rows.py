import json

from regret.rows import read, tidy


def row(seed, rate):
    return {"cell": "one", "method": "plan", "seed": seed, "rate": rate}


def test_a_later_row_replaces_an_earlier_one_and_an_incomplete_line_is_ignored(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(stored) for stored in (row(2, 0.1), row(1, 0.2), row(2, 0.3))]
    path.write_text("\n".join(lines) + "\n" + lines[0][:20])
    assert read(path) == {("one", "plan", 1): row(1, 0.2), ("one", "plan", 2): row(2, 0.3)}


def test_tidying_keeps_the_latest_rows_in_order_and_removes_the_rest(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps(row(seed, rate)) + "\n" for seed, rate in [(2, 0.1), (1, 0.2), (2, 0.3)]
        )
    )
    before = read(path)
    tidy(path)
    assert read(path) == before
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [1, 2]


def test_without_a_file_there_are_no_rows(tmp_path):
    tidy(tmp_path / "rows.jsonl")
    assert read(tmp_path / "rows.jsonl") == {}
