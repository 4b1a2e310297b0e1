"""Weights that FSDP splits over two ranks: right as if they were whole, or refused in a sentence."""

import json
from pathlib import Path

import pytest

from ranks import finished_ranks

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each of two ranks answers."""
    folder = tmp_path_factory.mktemp("split")
    for status, _, errors in finished_ranks(HERE / "split_job.py", folder, folder=HERE):
        assert status == 0, errors
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_the_usual_rate_of_split_weights_is_that_of_whole_ones(results):
    for result in results:
        assert result["split"] == result["found"] == result["whole"] > 0


def test_a_range_test_of_a_loop_restores_split_weights_to_the_bit(results):
    assert all(result["restored"] for result in results)


def test_flat_parts_of_matrices_have_no_usual_rate(results):
    for result in results:
        assert "FullyShardedDataParallel has made flat parts of them" in result["flat"]


def test_a_task_whose_model_is_split_is_refused_on_all_ranks(results):
    for result in results:
        assert "FSDP or tensor parallelism has split them" in result["planned"]
        assert "rank" not in result["planned"].split("must make a model")[0]
