"""Texts on their way between a process and the books: nothing is counted twice, and new clients know what is known."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from gateway.actions.desk import Desk
from gateway.core.messages import Action
from gateway.core.rejections import RejectKind
from gateway.jobs.texts import Texts
from gateway.store.engine import StoreUnavailable
from gateway.store.owners import beat
from gateway.store.store import open_store
from gateway.store.texts import classify_text, list_texts
from tests.cut_books import CutBooks
from tests.gateway_process import NOBODY
from tests.stocked import NOW, Time, close_desk, make_desk


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[CutBooks]:
    """Books behind a line that can be cut."""
    made = CutBooks(open_store(database_url))
    await made.open()
    await made.migrate()
    await made.run(partial(beat, "me", now=NOW))
    yield made
    made.away = made.keeps = False
    await made.close()


@pytest.fixture
async def desk(books: CutBooks) -> AsyncIterator[Desk]:
    """A desk with two providers nobody asks anything."""
    made = make_desk(books, {"panel-a": NOBODY, "panel-b": NOBODY}, Time())
    yield made
    await close_desk(made)


async def seen(books: CutBooks) -> list[tuple[str, str, int]]:
    """What the books have."""
    return [(each.provider, each.pattern, each.seen) for each in await books.read(list_texts)]


def hear(desk: Desk, provider: str, text: str, *, times: int = 1) -> None:
    """A provider says something, so often."""
    for _ in range(times):
        desk.providers[provider].heard.note(Action.ADD, text)


async def test_what_was_heard_is_brought_and_counted_once(desk: Desk, books: CutBooks) -> None:
    """While the books are away it waits; what they kept without a word is not added again."""
    texts = Texts(desk)
    hear(desk, "panel-a", "Konto 1 ist privat", times=3)
    books.away = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await texts.run()
    books.away, books.keeps = False, True
    hear(desk, "panel-a", "Konto 2 ist privat")
    hear(desk, "panel-b", "Geschlossen")
    with pytest.raises(StoreUnavailable):
        await texts.run()
    assert await seen(books) == [("panel-a", "konto # ist privat", 3)]
    await texts.run()
    assert await seen(books) == [("panel-a", "konto # ist privat", 3)]
    await texts.run()
    assert await seen(books) == [("panel-a", "konto # ist privat", 4), ("panel-b", "geschlossen", 1)]
    await texts.run()
    assert len(await seen(books)) == 2


async def test_client_that_is_made_meanwhile_is_taught_at_once(desk: Desk, books: CutBooks) -> None:
    """After a reload nothing is in doubt for want of what was said before, and no other provider is meant by it."""
    texts = Texts(desk)
    hear(desk, "panel-a", "Konto 1 ist privat")
    await texts.run()
    number = (await books.read(list_texts))[0].id
    await books.run(partial(classify_text, number, RejectKind.LINK, actor="anna", reason="r", now=NOW))
    await texts.run()
    assert desk.providers["panel-a"].classified == {"konto # ist privat": RejectKind.LINK}
    assert desk.providers["panel-b"].classified == {}
    desk.providers["panel-a"].classified = {}
    books.away = True
    texts.teach()
    assert desk.providers["panel-a"].classified == {"konto # ist privat": RejectKind.LINK}
