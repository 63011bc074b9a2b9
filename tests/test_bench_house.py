"""The house of the benchmarks: what it has started is gone when it cannot be had, and when it is closed."""

from pathlib import Path

import pytest

from bench.house import House


def started() -> set[str]:
    """Programs that this process has started and that are still there, by their ids."""
    return {pid for each in Path("/proc/self/task").iterdir() for pid in (each / "children").read_text().split()}


def test_house_that_cannot_be_had_leaves_nothing_running(tmp_path: Path) -> None:
    """Panel and gateway serve by then, and the user is there already: both are ended, and it is said what was wrong."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    before = started()
    house = House(first, None)
    try:
        its = started() - before
        assert len(its) == 2
        with pytest.raises(RuntimeError, match=r"gateway user create bench ended with 1: .*bench"):
            House(second, None, more={"GATEWAY_DATA_DIR": str(first)})
        assert started() - before == its
    finally:
        house.close()
    assert started() - before == set()


def test_house_whose_gateway_does_not_start_leaves_no_panel(tmp_path: Path) -> None:
    """Its last words are the error's."""
    before = started()
    with pytest.raises(AssertionError, match="GATEWAY_ANSWER_WITHIN"):
        House(tmp_path, None, more={"GATEWAY_ANSWER_WITHIN": "soon"})
    assert started() - before == set()
