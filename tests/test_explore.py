"""A few hundred requests made up from openapi.json; `make explore` has it do as many as one likes."""

from pathlib import Path

from tests.explore import explore


async def test_whatever_is_asked_is_answered_by_the_contract(tmp_path: Path) -> None:
    """No 5xx, always JSON of the schema, an answer or an `error`, in time; and afterwards the books are exact."""
    found = await explore(tmp_path, 320)
    assert found.problems == []
    assert found.requests >= 320
    # It got past the door: orders, lists, statuses and balances, beside what is refused.
    assert found.answered["order"] > 3
    assert found.answered["balance,currency"] > 0
    assert found.answered["list"] > 3
    assert found.answered["error"] > 30
