"""Events: written with the change itself or not at all, cut to length, and never rewritten."""

from functools import partial

import pytest

from gateway.core.outcome import Accepted
from gateway.core.user import User
from gateway.store.engine import Refused, Steps, Store
from gateway.store.events import REASON_MAX, record
from tests.store.trade import ME, NOW, ask, bring, sending, told


async def test_event_is_kept_as_it_was_told(store: Store, database_url: str) -> None:
    """Every column; an empty reason is none."""
    full = partial(
        record, "order.x", actor="user:1", now=NOW, user_id=1, order_id=2, before="{}", after='{"a":1}', reason="why"
    )
    await store.run(full)
    await store.run(partial(record, "user.y", actor="operator", now=NOW + 1))
    columns = "kind, actor, created_at, user_id, order_id, before, after, reason, published_at"
    rows = await ask(database_url, f"SELECT {columns} FROM events ORDER BY id")  # noqa: S608 - ours
    assert rows == [
        ("order.x", "user:1", NOW, 1, 2, "{}", '{"a":1}', "why", 0),
        ("user.y", "operator", NOW + 1, None, None, None, None, None, 0),
    ]


async def test_long_reason_is_cut(store: Store, database_url: str) -> None:
    """Panels send whole pages."""
    await store.run(partial(record, "order.x", actor="a", now=NOW, reason="é" * (REASON_MAX + 1)))
    assert await ask(database_url, "SELECT reason FROM events") == [("é" * REASON_MAX,)]


async def test_refused_command_tells_nothing(store: Store, database_url: str) -> None:
    """The event is undone with the change it told of."""

    def tell_and_refuse() -> Steps[None]:
        yield from record("order.x", actor="a", now=NOW)
        raise Refused("no")

    with pytest.raises(Refused):
        await store.run(tell_and_refuse)
    assert await ask(database_url, "SELECT id FROM events") == []


async def test_life_of_an_order_is_told(store: Store, alpha: User, database_url: str) -> None:
    """Each step once, by whom, from what to what."""
    attempt = await sending(store, alpha)
    for _ in range(2):
        await bring(store, attempt, Accepted("77"))
    assert await told(database_url) == ["order.reserved", "order.placing", "order.active"]
    (last,) = await ask(database_url, "SELECT actor, before, after, reason FROM events WHERE kind = 'order.active'")
    assert last == (
        ME,
        '{"state":"placing","shown":"Pending","refunded":0}',
        '{"state":"active","shown":"Pending","refunded":0}',
        "panel-a has it as 77",
    )


@pytest.mark.parametrize("text", ["UPDATE events SET actor = 'me' RETURNING id", "DELETE FROM events RETURNING id"])
async def test_audit_trail_is_appended_to_only(store: Store, database_url: str, text: str) -> None:
    """The database itself forbids to rewrite it; only that an event was published may be noted."""
    await store.run(partial(record, "order.x", actor="a", now=NOW))
    with pytest.raises(Exception, match="append only"):
        await ask(database_url, text)
    assert await ask(database_url, "SELECT actor FROM events") == [("a",)]
    assert len(await ask(database_url, "UPDATE events SET published_at = 5 RETURNING id")) == 1
