"""What providers.yaml was: another text is told once, with what changed and the reason that is new with it."""

import asyncio
from collections.abc import Sequence
from functools import partial

import msgspec

from gateway.store.engine import Store
from gateway.store.settings_seen import NO_REASON, PARTS_TOLD, Seen, see_settings, settings_seen
from tests.store.trade import NOW, ask

FIRST = Seen(hash="one", parts={"markup": "a"}, reason="opening")
SECOND = Seen(hash="two", parts={"markup": "b"}, reason="cheaper in spring")


async def see(store: Store, seen: Seen, changed: Sequence[str] = ("markup",)) -> bool:
    """Use a text, as a process does."""
    before = await store.read(settings_seen)
    return await store.run(partial(see_settings, seen, changed, before, actor="house-1", now=NOW))


async def told(database_url: str) -> list[tuple[str, ...]]:
    """The events."""
    return await ask(database_url, "SELECT kind, actor, before, after, reason FROM events ORDER BY id")


async def test_first_text_is_kept_and_no_change(store: Store, database_url: str) -> None:
    """Books that never saw one have nothing to compare it with."""
    assert await see(store, FIRST)
    assert await store.read(settings_seen) == FIRST
    assert await told(database_url) == []


async def test_another_text_is_told_with_its_reason(store: Store, database_url: str) -> None:
    """What changed and why; used again it is no news."""
    await see(store, FIRST)
    assert await see(store, SECOND)
    assert not await see(store, SECOND)
    after = '{"hash":"two","changed":["markup"],"more":0}'
    assert await told(database_url) == [
        ("settings.changed", "house-1", '{"hash":"one"}', after, "cheaper in spring"),
    ]


async def test_reason_of_the_text_before_is_none_for_this_one(store: Store, database_url: str) -> None:
    """It was left standing, or there is none: the trail says that nobody gave one."""
    await see(store, FIRST)
    await see(store, msgspec.structs.replace(SECOND, reason=FIRST.reason))
    await see(store, msgspec.structs.replace(SECOND, hash="three", reason=""))
    assert [row[4] for row in await told(database_url)] == [NO_REASON, NO_REASON]


async def test_many_parts_are_counted(store: Store, database_url: str) -> None:
    """A thousand services that changed are no page of an event."""
    await see(store, FIRST)
    await see(store, SECOND, [f"services.{n}" for n in range(PARTS_TOLD + 7)])
    after = msgspec.json.decode((await told(database_url))[0][3])
    assert (len(after["changed"]), after["more"]) == (PARTS_TOLD, 7)


async def test_of_two_processes_one_tells(store: Store, rival: Store, database_url: str) -> None:
    """Both read the text before, both use the new one."""
    await see(store, FIRST)
    assert sorted(await asyncio.gather(see(store, SECOND), see(rival, SECOND))) == [False, True]
    assert len(await told(database_url)) == 1
