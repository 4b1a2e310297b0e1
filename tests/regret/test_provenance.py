"""What counts as a change of a method."""

import pytest
from regret.provenance import code_hash

CODE = '''"""Peaks."""

SHAPE = "cosine"


def peak(lr):
    """Half of the rate."""
    # below the cliff
    assert lr > 0, f"the rate must be above 0; got {lr}"
    return 0.5 * lr
'''


def hash_of(folder, code):
    (folder / "peaks.py").write_text(code)
    return code_hash(folder)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Half of the rate.", "The rate times one half."),
        ("# below the cliff", "# the cliff is steep\n"),
        ("the rate must be above 0; got {lr}", "{lr} must be above 0"),
    ],
    ids=["docstring", "comment", "message"],
)
def test_sentences_and_comments_do_not_count(tmp_path, before, after):
    assert before in CODE
    assert hash_of(tmp_path, CODE.replace(before, after)) == hash_of(tmp_path, CODE)


@pytest.mark.parametrize(
    ("before", "after"),
    [("0.5 * lr", "0.4 * lr"), ('"cosine"', '"linear"'), ("lr > 0", "lr >= 0")],
)
def test_numbers_names_and_conditions_count(tmp_path, before, after):
    assert before in CODE
    assert hash_of(tmp_path, CODE.replace(before, after)) != hash_of(tmp_path, CODE)
