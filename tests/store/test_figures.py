"""Figures for the metrics: orders by state, how far polling is behind, what is stuck, and money."""

from functools import partial

from gateway.core.funds import DAY_MS
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.outcome import NotSent, Unknown
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.figures import (
    KNOWN_LEAST,
    STUCK_UNKNOWN_MS,
    Figures,
    Money,
    OpenAt,
    Polls,
    open_at,
    read_figures,
    read_money,
    read_paces,
    read_stuck,
)
from gateway.store.polls import apply, poll_soon
from tests.store.trade import NOW, ORDER, active, ask, bring, planned, sending


async def test_empty_books_have_no_figures(store: Store) -> None:
    """Nothing is counted that is not there."""
    assert await store.read_at_length(read_figures) == Figures(orders={}, unknown=0, in_doubt={}, polls={})


async def test_figures_are_those_of_the_books(store: Store, alpha: User) -> None:
    """Two in doubt for 150 units, one failed, one reserved, two active of which the first was due a second ago."""
    await bring(store, await sending(store, alpha), Unknown("time is up"))
    await bring(store, await sending(store, alpha, ORDER + 1, charge=50), Unknown("time is up"))
    await bring(store, await planned(store, alpha, ORDER + 2), NotSent("away"))
    await planned(store, alpha, ORDER + 3)
    await active(store, alpha, ORDER + 4)
    await active(store, alpha, ORDER + 5)
    await store.run(partial(poll_soon, ORDER + 4, due_at=NOW - 1000))
    assert await store.read_at_length(read_figures) == Figures(
        orders={"unknown": 2, "failed": 1, "reserved": 1, "active": 2},
        unknown=2,
        in_doubt={"USD": 150},
        polls={"panel-a": Polls(waiting=2, due_at=NOW - 1000)},
    )


async def test_what_is_open_at_a_provider_is_what_nobody_could_follow_without_it(store: Store, alpha: User) -> None:
    """In doubt, on its way and under way; not what is planned, which goes elsewhere, nor what has ended."""
    await bring(store, await sending(store, alpha), Unknown("time is up"))
    await sending(store, alpha, ORDER + 1, charge=50)
    await active(store, alpha, ORDER + 2)
    await planned(store, alpha, ORDER + 3)
    await bring(store, await planned(store, alpha, ORDER + 4), NotSent("away"))
    due = await active(store, alpha, ORDER + 5)
    said = StatusReply(status=StatusWord.COMPLETED)
    await store.run(partial(apply, due, said, provider="panel-a", pace=60_000, now=NOW))
    found = OpenAt(provider="panel-a", orders=3, charge=250, currency="USD")
    assert await store.read_at_length(partial(open_at, ["panel-a", "panel-b"])) == (found,)
    assert await store.read_at_length(partial(open_at, ["panel-b"])) == ()


async def test_money_of_empty_books(store: Store) -> None:
    """Nobody, nothing."""
    nothing = Money(available={}, held={}, sold={}, refunded={}, costs={}, first_at=None)
    assert await store.read_at_length(partial(read_money, since=NOW - DAY_MS)) == nothing


async def test_money_is_what_is_owed_and_what_moved_lately(store: Store, alpha: User) -> None:
    """Of 1000 units 100 are held in doubt and 100 were sold; half of those came back, and it cost half a euro."""
    due = await active(store, alpha)
    await bring(store, await sending(store, alpha, ORDER + 1), Unknown("time is up"))
    said = StatusReply(status=StatusWord.PARTIAL, remains=5, charge="0.5")
    await store.run(partial(apply, due, said, provider="panel-a", pace=60_000, now=NOW))
    money = await store.read_at_length(partial(read_money, since=NOW - DAY_MS))
    cost = 50_000_000  # EUR are kept to eight places
    assert money == Money(
        available={"USD": 850},
        held={"USD": 100},
        sold={"USD": 100},
        refunded={"USD": 50},
        costs={("panel-a", "EUR"): cost},
        first_at=NOW,
    )
    later = await store.read_at_length(partial(read_money, since=NOW + 1))
    assert (later.sold, later.costs, later.held) == ({}, {}, {"USD": 100})


async def test_stuck_is_measured_by_the_services_own_pace(store: Store, alpha: User, database_url: str) -> None:
    """Orders of a service that takes an hour are stuck after more than four; of an unknown one, a week (Q86)."""
    for n in range(KNOWN_LEAST + 2):
        await active(store, alpha, ORDER + n, charge=10)
    other = await active(store, alpha, ORDER + 50, charge=10, service_id=2)
    hour = 3600 * 1000
    done = f"order_id < {ORDER + KNOWN_LEAST}"
    await ask(database_url, f"UPDATE polls SET terminal_at = accepted_at + {hour} WHERE {done} RETURNING 1")  # noqa: S608 - numbers of ours
    before = f"UPDATE orders SET state = 'completed' WHERE id < {ORDER + KNOWN_LEAST} RETURNING 1"  # noqa: S608 - as above
    await ask(database_url, before)

    async def stuck_after(ms: int) -> dict[str, int]:
        return await store.read_at_length(partial(read_stuck, now=NOW + ms))

    assert await stuck_after(4 * hour) == {}
    assert await stuck_after(4 * hour + 1) == {"panel-a": 2}
    assert await stuck_after(STUCK_UNKNOWN_MS + 1) == {"panel-a": 3}
    assert other.order_id == ORDER + 50


async def test_q69_our_own_time_is_taken_from_what_was_completed(store: Store, alpha: User, database_url: str) -> None:
    """The mean of what the books have of a service, once that is enough; of others nothing is said."""
    for n in range(KNOWN_LEAST + 1):
        await active(store, alpha, ORDER + n, charge=10)
    await active(store, alpha, ORDER + 50, charge=10, service_id=2)
    assert await store.read_at_length(read_paces) == {}
    await ask(database_url, "UPDATE polls SET terminal_at = accepted_at + 7200000 RETURNING 1")
    done = f"UPDATE orders SET state = 'completed' WHERE id < {ORDER + KNOWN_LEAST} OR service_id = 2 RETURNING 1"  # noqa: S608 - numbers of ours
    await ask(database_url, done)
    assert await store.read_at_length(read_paces) == {1: 7200}
