"""Reading tables of runs."""

import gzip
import math

import numpy as np
import pytest

from learnrate import ArgumentError, FileError, sweep
from learnrate.scaling import fit, read_runs
from learnrate.testing import quadratic_task

PLAIN = "lr,loss,N,D,bs\n0.1,2,1e6,1e9,8\n0.2,,1e6,1e9,8\n0.4,nan,1e6,1e9,16\n"


@pytest.fixture
def written(tmp_path):
    def write(content, name="runs.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_plain_and_a_gzipped_file_and_a_dictionary_read_alike(written):
    columns = {
        "lr": [0.1, 0.2, 0.4],
        "loss": [2, None, math.nan],
        "N": [1e6] * 3,
        "D": [1e9] * 3,
        "bs": [8, 8, 16],
    }
    for table in (written(PLAIN), written(gzip.compress(PLAIN.encode()), "r.gz"), columns):
        runs = read_runs(table)
        assert runs.lr.tolist() == [0.1, 0.2, 0.4]
        assert runs.loss.tolist() == [2, math.inf, math.inf]
        assert {name: values.tolist() for name, values in runs.factors.items()} == {
            "N": [1e6] * 3,
            "D": [1e9] * 3,
            "B": [8, 8, 16],
        }


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_are_understood(written, delimiter):
    assert read_runs(written(PLAIN.replace(",", delimiter))).lr.tolist() == [0.1, 0.2, 0.4]


def test_names_repeated_by_cat_and_empty_lines_are_skipped(written):
    assert read_runs(written(PLAIN + "\n" + PLAIN)).lr.tolist() == [0.1, 0.2, 0.4] * 2


def test_columns_are_found_by_their_usual_names_or_as_given(written):
    text = "Learning_Rate,Val Loss,smooth loss,n params,width\n0.1,2,3,5,7\n"
    runs = read_runs(written(text))
    assert runs.columns == {"lr": "Learning_Rate", "loss": "Val Loss", "N": "n params"}
    named = read_runs(written(text), {"loss": "smooth loss", "W": "width"})
    assert (named.loss.tolist(), named.factors["W"].tolist()) == ([3.0], [7.0])
    assert read_runs(written(text), extra_factors=["width"]).factors["width"].tolist() == [7.0]


BAD = {
    "no rate": ("loss,N\n1,2\n", "looks like lr; name it: .* columns are: 'loss', 'N'"),
    "no loss": ("lr,N\n1,2\n", "looks like loss"),
    "no factor": ("lr,loss\n1,2\n", "nothing to scale with"),
    "a rate of zero": ("lr,loss,N\n0,2,3\n", "lr must be .* run 1 has '0'"),
    "a negative size": ("lr,loss,N\n1,2,3\n1,2,-3\n", "N must be .* run 2 has '-3'"),
    "a size that is not a number": ("lr,loss,N\n1,2,big\n", "N must be .* has 'big'"),
    "a loss in words": ("lr,loss,N\n1,bad,3\n", "loss: run 1 has 'bad', which is not a number"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_bad_table_is_one_clear_error(written, text, message):
    with pytest.raises(ArgumentError, match=message):
        read_runs(written(text))


BROKEN = {
    "short line": (PLAIN + "0.1,2\n", "line 5 has 2 cells; the first line names 5"),
    "empty": ("", "is empty"),
    "names alone": ("lr,loss,N\n", "a line of names, but no runs"),
    "not text": (b"\xff\xfe\x00lr", "not a text file"),
    "cut off": (gzip.compress(PLAIN.encode() * 50)[:-20], "is truncated"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_one_clear_error(written, content, message):
    with pytest.raises(FileError, match=message):
        read_runs(written(content))


def test_a_file_that_is_not_there_is_one_clear_error(tmp_path):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_runs(tmp_path / "no.csv")


def test_a_column_that_is_not_there_names_those_that_are(written):
    with pytest.raises(ArgumentError, match=r"no column 'batch'\. The columns are: 'lr', 'loss'"):
        read_runs(written(PLAIN), {"B": "batch"})
    with pytest.raises(ArgumentError, match="the table has no column 'width'"):
        read_runs(written(PLAIN), extra_factors=["width"])


def test_columns_of_different_length_are_refused():
    with pytest.raises(ArgumentError, match="equally long"):
        read_runs({"lr": [1, 2], "loss": [1], "N": [1, 1]})
    with pytest.raises(ArgumentError, match="no runs"):
        read_runs({"lr": [], "loss": [], "N": []})


def test_sweeps_of_several_lengths_joined_by_cat_are_fitted(tmp_path):
    task = quadratic_task()
    texts = []
    options = {"seeds": 1, "engine": "sequential", "progress": False}
    for steps in (20, 40, 80, 160):
        trials = sweep(task, np.geomspace(0.01, 3, 6), total_steps=steps, **options)
        trials.to_csv(tmp_path / "one.csv")
        texts.append((tmp_path / "one.csv").read_text())
    assert "diverged" in texts[0]
    (tmp_path / "all.csv").write_text("".join(texts))
    runs = read_runs(tmp_path / "all.csv", extra_factors=["steps"])
    assert set(runs.factors["steps"]) == {20, 40, 80, 160}
    assert np.isinf(runs.loss).any()
    assert len(fit(runs, progress=False, resamples=0).optima) >= 3
