"""Two hundred requests made up from openapi.json; `make explore` has it do as many as one likes."""

from pathlib import Path

from tests.explore import explore


async def test_whatever_is_asked_is_answered_by_the_contract(tmp_path: Path) -> None:
    """No 5xx, always JSON of the schema, an answer or an `error`, in time; and afterwards the books are exact."""
    found = await explore(tmp_path, 200)
    assert found.problems == []
    assert found.requests >= 200
    # It got past the door: orders, lists, and balances and statuses, beside what is refused.
    taken = {name: found.answered[name] for name in ("order", "list", "error")}
    assert min(taken.values()) > 3, found.answered
    assert found.answered.total() - sum(taken.values()) > 0, found.answered
