"""Two hundred requests made up from openapi.json; `make explore` has it do as many as one likes."""

from pathlib import Path

import pytest

from gateway.panel.switches import Switch
from tests.explore import SLOW_TIMES, explore


async def test_whatever_is_asked_is_answered_by_the_contract(tmp_path: Path) -> None:
    """No 5xx, always JSON of the schema, an answer or an `error`, in time; and afterwards the books are exact."""
    found = await explore(tmp_path, 200)
    assert found.problems == []
    assert found.requests >= 200
    # It got past the door: orders, lists, and balances and statuses, beside what is refused.
    taken = {name: found.answered[name] for name in ("order", "list", "error")}
    assert min(taken.values()) > 3, found.answered
    assert found.answered.total() - sum(taken.values()) > 0, found.answered


async def test_answer_that_is_always_slow_is_found(tmp_path: Path) -> None:
    """A panel that takes 1.2 s makes every `add` that reaches it slow: each of the tries is told with its time."""
    with pytest.raises(AssertionError, match=rf"slow on a quiet machine: ([0-9.]+, ){{{SLOW_TIMES - 1}}}[0-9.]+ s"):
        await explore(tmp_path, 80, misdeeds=(Switch(name="latency", value="1200", action="add"),))


async def test_answer_that_was_held_up_once_is_asked_for_again(tmp_path: Path) -> None:
    """The same, once: it is seen, and quick when it is sent again."""
    found = await explore(tmp_path, 80, misdeeds=(Switch(name="latency", value="1200", action="add", times=1),))
    assert found.held_up > 0
