"""What is traced of commands and of the transactions that serve them, on both databases; nothing where nobody looks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial

import pytest

from gateway.store.engine import Query, Refused, Steps, Store, StoreUnavailable
from gateway.store.store import open_store
from gateway.tracing import Recorded, Tracer, trace, turn_off, turn_on


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
