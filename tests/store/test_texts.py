"""Texts nobody has classified in the books: counted once, bounded, and and given a meaning by a person."""

import json
from functools import partial

import pytest

from gateway.core.rejections import RejectKind
from gateway.store.engine import Store
from gateway.store.owners import beat, leave
from gateway.store.texts import (
    TEXTS_MAX,
    Batch,
    NoSuchText,
    NotClassified,
    PanelText,
    Told,
    classify_text,
    keep_texts,
    list_texts,
    meanings,
    text_of,
    waiting_texts,
)
from tests.store.test_orders_again import unheard
from tests.store.trade import ME, NOW, RIVAL, ask


def told(pattern: str = "account # is private", *, provider: str = "panel-a", seen: int = 1) -> Told:
    """One pattern that was heard."""
    example = pattern.replace("#", "17")
    return Told(provider=provider, pattern=pattern, action="add", example=example, seen=seen)


async def bring(store: Store, *texts: Told, number: int = 1, owner: str = ME, now: int = NOW) -> None:
    """A batch of a process that lives."""
    await store.run(partial(beat, owner, now=now))
    await store.run(partial(keep_texts, Batch(owner=owner, number=number, texts=texts), now=now))


async def listed(store: Store, provider: str | None = None, *, every: bool = False) -> tuple[PanelText, ...]:
    """The list."""
    return await store.read(partial(list_texts, provider, every=every))


async def test_text_is_one_row_however_often_it_is_heard(store: Store, rival: Store) -> None:
    """By every process; a batch that is brought twice counts once, and the first example stays."""
    await bring(store, told(seen=3), told("b"), told(provider="panel-b"))
    await bring(store, told(seen=3), told("b"), told(provider="panel-b"), now=NOW + 1)
    await bring(rival, told(seen=4), owner=RIVAL, now=NOW + 2)
    await bring(store, told(seen=5), number=2, now=NOW + 3)
    first, *rest = await listed(store)
    assert (first.pattern, first.seen, first.action) == ("account # is private", 12, "add")
    assert (first.first_seen_at, first.last_seen_at) == (NOW, NOW + 3)
    assert (first.example, first.classified, first.meaning) == ("account 17 is private", False, None)
    assert [(each.provider, each.pattern, each.seen) for each in rest] == [
        ("panel-a", "b", 1),
        ("panel-b", "account # is private", 1),
    ]
    assert [each.provider for each in await listed(store, "panel-b")] == ["panel-b"]
    assert await store.read(waiting_texts) == {"panel-a": 2, "panel-b": 1}


async def test_batch_whose_commit_nobody_heard_of_counts_once(store: Store) -> None:
    """The store runs it again; its number is found there."""
    await store.run(partial(beat, ME, now=NOW))
    await unheard(store, partial(keep_texts, Batch(owner=ME, number=1, texts=(told(seen=2),)), now=NOW))
    assert [each.seen for each in await listed(store)] == [2]


async def test_batch_of_a_process_that_has_left_is_dropped(store: Store) -> None:
    """Nobody could tell whether it was kept before."""
    await store.run(partial(beat, ME, now=NOW))
    await store.run(partial(leave, ME))
    await store.run(partial(keep_texts, Batch(owner=ME, number=1, texts=(told(),)), now=NOW))
    assert await listed(store) == ()


async def test_panel_that_says_something_new_each_time_fills_no_disk(store: Store) -> None:
    """The rarest go, then those heard longest ago; what was classified and other panels' texts stay."""
    await bring(store, told("classified"), told("frequent", seen=9), told("b", provider="panel-b"))
    number = next(each.id for each in await listed(store) if each.pattern == "classified")
    await store.run(partial(classify_text, number, RejectKind.LINK, actor="anna", reason="r", now=NOW))
    for batch in range(2, 5):
        texts = [told(f"new {batch} {n}") for n in range(100)]
        await bring(store, *texts, number=batch, now=NOW + batch)
    kept = await listed(store, "panel-a", every=True)
    assert len(kept) == TEXTS_MAX
    patterns = {each.pattern for each in kept}
    assert {"classified", "frequent"} <= patterns
    assert sum(each.startswith("new 4") for each in patterns) == 100
    assert not any(each.startswith("new 2") for each in patterns)
    assert len(await listed(store, "panel-b")) == 1


async def test_person_says_what_a_text_means(store: Store, database_url: str) -> None:
    """Once, and again another thing; each change is an event, and saying the same again is none."""
    await bring(store, told(), told("wait #"))
    number = (await listed(store))[0].id
    for meaning in (RejectKind.LINK, RejectKind.LINK, None):
        said = partial(classify_text, number, meaning, actor="anna", reason="seen there", now=NOW)
        assert (await unheard(store, said)).meaning is meaning
    assert [each.pattern for each in await listed(store)] == ["wait #"]
    assert [each.classified for each in await listed(store, every=True)] == [False, True]
    assert await store.read(meanings) == {"panel-a": {"account # is private": None}}
    events = await ask(database_url, "SELECT actor, before, after, reason FROM events WHERE kind = 'text.classified'")
    assert [(json.loads(before)["meaning"], json.loads(after)["meaning"]) for _, before, after, _ in events] == [
        (None, "link"),
        ("link", "nothing"),
    ]
    assert {(actor, reason) for actor, _, _, reason in events} == {("anna", "seen there")}
    assert json.loads(events[0][2])["pattern"] == "account # is private"


async def test_count_goes_on_after_a_text_was_classified(store: Store) -> None:
    """Heard by a process that did not know yet: it is one row still, and keeps its meaning."""
    await bring(store, told())
    number = (await listed(store))[0].id
    await store.run(partial(classify_text, number, RejectKind.LINK, actor="anna", reason="r", now=NOW))
    await bring(store, told(), number=2)
    assert (await store.read(partial(text_of, number))).seen == 2
    assert await store.read(meanings) == {"panel-a": {"account # is private": RejectKind.LINK}}
    assert await store.read(waiting_texts) == {}


async def test_what_cannot_be_classified_is_refused_in_words(store: Store) -> None:
    """A number that is none, a text that says too little; nothing is written."""
    await bring(store, told("error #"), told("temporarily closed"))
    with pytest.raises(NoSuchText, match="there is no text 99"):
        await store.run(partial(classify_text, 99, None, actor="anna", reason="r", now=NOW))
    numbers = {each.pattern: each.id for each in await listed(store)}
    for pattern, sure in (("error #", True), ("temporarily closed", False)):
        said = partial(classify_text, numbers[pattern], RejectKind.LINK, actor="a", reason="r", now=NOW, sure=sure)
        with pytest.raises(NotClassified, match=r"cannot be link: it"):
            await store.run(said)
    assert await store.read(meanings) == {}
    said = partial(classify_text, numbers["temporarily closed"], RejectKind.LINK, actor="a", reason="r", now=NOW)
    assert (await store.run(partial(said, sure=True))).meaning is RejectKind.LINK
