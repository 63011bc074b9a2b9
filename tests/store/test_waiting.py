"""What is traced of commands and of the transactions that serve them, on both databases; nothing where nobody looks."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

import pytest

from gateway.store.engine import Query, Refused, Steps, Store, StoreUnavailable
from gateway.store.sqlite import SqliteStore
from gateway.store.store import open_store
from gateway.store.users import Choices, create_user
from gateway.store.waiting import reading
from gateway.tracing import NOTHING, Kind, Recorded, Tracer, trace, turn_off, turn_on


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """Empty books."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
def kept() -> Iterator[list[Recorded]]:
    """Every finished span, with every trace kept."""
    found: list[Recorded] = []
    turn_on(Tracer(found.append, ratio=1.0))
    yield found
    turn_off()


def advance(name: str) -> Steps[int]:
    """A command that writes."""
    rows = yield Query("counter_advance", {"name": name, "first": 0, "count": 1})
    return int(rows[0]["value"])


def refuse() -> Steps[int]:
    """A command that says no."""
    yield from advance("never")
    raise Refused("for gw_reasons")


async def test_commands_of_many_share_a_transaction_that_names_them(store: Store, kept: list[Recorded]) -> None:
    """Linked both ways, and with the numbers of all of it: also of a command that nobody traces."""

    async def ask(n: int) -> None:
        with trace(f"request {n}"):
            await store.run(partial(advance, "traced"))

    await store.run(partial(advance, "first"))  # on PostgreSQL the writer's line stands now
    kept.clear()
    await asyncio.gather(store.run(partial(advance, "untraced")), *(ask(n) for n in range(3)))
    commands = [each for each in kept if each.name == "store advance"]
    transactions = [each for each in kept if each.name == "transaction"]
    assert len(commands) == 3
    assert sorted(place.span_id for each in transactions for place in each.links) == sorted(
        each.span_id for each in commands
    )
    for each in commands:
        ((link,),) = (each.links,)
        assert link in [transaction.place for transaction in transactions]
        assert [happening.name for happening in each.happenings] == ["begun"]
    served = sum(int(str(each.facts["commands"])) for each in transactions)
    assert served in (3, 4)  # the fourth may have been alone, and then nobody is told of its transaction
    assert sum(int(str(each.facts["statements"])) for each in transactions) == served
    assert [each.name for each in kept].count("COMMIT") == len(transactions)


async def test_no_is_an_outcome_and_no_failure(store: Store, kept: list[Recorded]) -> None:
    """By its type, without its words; the transaction that it was undone in is none either.

    On SQLite that is run twice, for it wrote before it said so: once is told of.
    """
    with pytest.raises(Refused), trace("request"):
        await store.run(refuse)
    command = next(each for each in kept if each.name == "store refuse")
    assert command.facts == {"outcome": "refused", "why": "Refused"}
    assert (command.failed, len(command.links), len(command.happenings)) == ("", 1, 1)
    assert [each.facts.get("error_type") for each in kept if each.name == "transaction"] == [None]


async def test_books_that_are_away_are_the_gateways_fault(store: Store, kept: list[Recorded]) -> None:
    """Told of whoever waited."""

    def away() -> Steps[int]:
        yield from ()
        raise StoreUnavailable("the disk is full")

    with pytest.raises(StoreUnavailable), trace("request"):
        await store.run(away)
    command = next(each for each in kept if each.name == "store away")
    assert (command.facts["error_type"], command.failed) == ("gateway_books", "")


async def test_untraced_command_has_an_untraced_transaction(store: Store, kept: list[Recorded]) -> None:
    """Sweeps and signs of life would be most of what is sent."""
    await store.run(partial(advance, "job"))
    assert kept == []


def look(names: Sequence[str]) -> Steps[int]:
    """A read of two statements."""
    found = 0
    for name in names:
        found += len((yield Query("user_by_name", {"name": name})))
    yield Query("books_time")
    return found


@pytest.mark.parametrize("at_length", [False, True], ids=["small", "long"])
async def test_read_is_told_of_by_its_statements_and_rows(
    store: Store, kept: list[Recorded], *, at_length: bool
) -> None:
    """Each statement once, the rows of all; and the wait for a connection apart from the rest."""
    await store.run(partial(create_user, "panel", "USD", Choices(), actor="test", now=1))
    kept.clear()
    read = store.read_at_length if at_length else store.read
    with trace("request") as whole:
        assert await read(partial(look, ["panel", "nobody"])) == 1
    told, request = kept
    assert (told.name, told.kind, told.parent) == ("read look", Kind.CLIENT, whole)
    assert request is whole
    assert told.facts == {"database": _system(store), "query": "user_by_name books_time", "rows": 2}
    ((name, at),) = [(each.name, each.at) for each in told.happenings]
    assert (name, told.failed) == ("begun", "")
    assert told.began <= at <= told.ended


async def test_read_that_says_no_or_cannot_be_made_is_told_so(store: Store, kept: list[Recorded]) -> None:
    """In the words of commands; what was read by then is told as well."""

    def refuse_after_look() -> Steps[int]:
        yield from look(["nobody"])
        raise Refused("for gw_reasons")

    with pytest.raises(Refused), trace("request"):
        await store.read(refuse_after_look)
    await store.close()
    with pytest.raises(StoreUnavailable), trace("request"):
        await store.read(partial(look, []))
    said = next(each for each in kept if each.name == "read refuse_after_look")
    assert (said.facts["outcome"], said.facts["why"], said.failed) == ("refused", "Refused", "")
    assert said.facts["query"] == "user_by_name books_time"
    away = next(each for each in kept if each.name == "read look")
    assert away.facts == {"database": _system(store), "error_type": "gateway_books"}
    assert (away.failed, away.happenings) == ("", [])


async def test_untraced_read_is_run_as_it_is(store: Store, kept: list[Recorded]) -> None:
    """Nothing is wrapped where nobody looks: off, not drawn, or a job's."""
    command = partial(look, ["nobody"])
    assert reading(command, "sqlite") == (NOTHING, command)
    assert await store.read(command) == 0
    turn_on(Tracer(kept.append, ratio=0.0))
    with trace("request"):
        assert reading(command, "sqlite") == (NOTHING, command)
    assert kept == []


def _system(store: Store) -> str:
    return "sqlite" if isinstance(store, SqliteStore) else "postgresql"
