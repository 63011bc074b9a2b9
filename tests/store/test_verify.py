"""The verification of the books: sound books pass, and every invariant, once broken, is seen with its rows."""

import asyncio
from functools import partial
from typing import Final

import pytest

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.outcome import Accepted, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.store.engine import Store
from gateway.store.polls import Due, apply
from gateway.store.verify import MEANING, Found, Invariant, Progress, in_words, verify
from tests.store.trade import NOW, active, bring, make_user, planned, sending
from tests.tamper import tamper

ACTIVE, DOUBTED, FAILED, PARTIAL, RESERVED = range(100_001, 100_006)
DAY_MS: Final = 24 * 3600 * 1000


@pytest.fixture
async def books(store: Store) -> Store:
    """A user with an order in each kind of state, and another one without money."""
    user = await make_user(store)
    assert user.id == 1
    await active(store, user, ACTIVE)
    await bring(store, await sending(store, user, DOUBTED), Unknown("silence"))
    await bring(store, await sending(store, user, FAILED), Rejected(RejectKind.LINK, "no"))
    due = await active(store, user, PARTIAL)
    said = StatusReply(status=StatusWord.PARTIAL, remains=4)
    await store.run(partial(apply, due, said, provider="panel-a", pace=1000, now=NOW))
    await planned(store, user, RESERVED)
    await make_user(store, "beta", money=0)
    return store


def due_of(number: int) -> Due:
    """An order that is to be asked about."""
    return Due(order_id=number, upstream_order="u", due_at=NOW, accepted_at=NOW, terminal_at=None, misses=0)


async def found_in(store: Store, *, since: int | None = None) -> Found:
    """What a verification finds, in slices of two rows."""
    return await store.read_at_length(partial(verify, since=since, rows=2))


async def test_sound_books_pass(books: Store) -> None:
    """Every row is looked at, and nothing is found."""
    heard: list[Progress] = []
    found = await books.read_at_length(partial(verify, listener=heard.append, rows=2))
    assert (found.sound, found.violations) == (True, ())
    assert (found.orders, found.accounts, found.transfers) == (5, 9, 12)
    ended = {each.part: (each.done, each.of) for each in heard}
    assert ended == {"transfers": (12, 12), "accounts": (9, 9), "orders": (5, 5)}


async def test_empty_books_are_sound(store: Store) -> None:
    """A new house has nothing to be wrong."""
    assert (await found_in(store)).sound
    assert (await found_in(store, since=NOW)).sound


HOUSE: Final = "(SELECT id FROM accounts WHERE code = '{}')"
WORLD, AVAIL, BETA = HOUSE.format("world:USD"), HOUSE.format("user:1:avail"), HOUSE.format("user:2:avail")
REFUNDS, SPENT, HELD = HOUSE.format("refunds:USD"), HOUSE.format("provider:panel-a:EUR"), HOUSE.format("user:1:held")
COST: Final = HOUSE.format("cost:panel-a:EUR")
INSERT: Final = (
    "INSERT INTO transfers(tx_key, kind, order_id, source_id, dest_id, currency, amount, created_at) VALUES({}, 0)"
)

CHILD: Final = "INSERT INTO children(order_id, provider, upstream_order, created_at) VALUES({}, 'panel-a', '{}', 0)"


COST_WAY: Final = "from provider:panel-a:EUR to cost:panel-a:EUR"
KIND: Final = "kind: order 100001: {} of its transfers do not fit: {}"

CASES: Final[dict[str, tuple[list[str], list[str]]]] = {
    "balance": (
        ["UPDATE accounts SET balance = balance + 5 WHERE code = 'user:1:avail'"],
        ["balance: account user:1:avail: holds 0.00000645 USD, its transfers make 0.0000064 USD"],
    ),
    "below": (
        [
            INSERT.format(f"'adj:x', 'adjust', NULL, {BETA}, {WORLD}, 'USD', 50"),
            "UPDATE accounts SET balance = -50 WHERE code = 'user:2:avail'",
        ],
        ["below: account user:2:avail: holds -0.0000005 USD"],
    ),
    "held": (
        ["UPDATE orders SET charge = charge + 1 WHERE id = 100005"],
        [
            "held: account user:1:held: holds 0.000002 USD, orders in the open make 0.00000201 USD",
            "paid: order 100005: reserved, paid 0.000001 USD, charge 0.00000101 USD, refunded 0 USD",
        ],
    ),
    "paid": (
        ["UPDATE orders SET charge = charge + 1 WHERE id = 100001"],
        ["paid: order 100001: active, paid 0.000001 USD, charge 0.00000101 USD, refunded 0 USD"],
    ),
    "hold": (
        [
            "UPDATE transfers SET amount = 60 WHERE tx_key = 'hold:100001'",
            INSERT.format(f"'hold:100001:b', 'hold', 100001, {AVAIL}, {HELD}, 'USD', 40"),
        ],
        [
            "hold: order 100001: active, charge 0.000001 USD, 2 holds",
            KIND.format(1, "2 hold hold:100001, 3 capture capture:100001, 4 cost cost:100001:0, 13 hold hold:100001:b"),
        ],
    ),
    "accepted": (
        [
            (
                "INSERT INTO attempts(order_id, n, provider, provider_service, cost, currency, state, upstream_order, "
                "owner, created_at) VALUES(100001, 2, 'panel-b', '1', '1', 'EUR', 'accepted', 'twice', 'me', 0)"
            ),
        ],
        ["accepted: order 100001: active, 2 accepted attempts"],
    ),
    "failed": (
        ["UPDATE attempts SET state = 'planned' WHERE order_id = 100003"],
        ["failed: order 100003: charge 0.000001 USD, returned 0.000001 USD, 1 live attempts"],
    ),
    "captured": (
        [
            "DELETE FROM transfers WHERE tx_key = 'capture:100001'",
            "UPDATE accounts SET balance = balance + 100 WHERE code = 'user:1:held'",
        ],
        [
            "held: account user:1:held: holds 0.000003 USD, orders in the open make 0.000002 USD",
            "captured: order 100001: active, charge 0.000001 USD, 0 captures",
        ],
    ),
    "somewhere": (
        ["UPDATE transfers SET dest_id = 999 WHERE tx_key = 'cost:100001:0'"],
        ["somewhere: transfer 4: cost:100001:0: 0.5 EUR from provider:panel-a:EUR to ?"],
    ),
    "refunds": (
        [
            INSERT.format(f"'refund:100004:200', 'refund', 100004, {REFUNDS}, {AVAIL}, 'USD', 160"),
            "UPDATE accounts SET balance = balance + 160 WHERE code = 'user:1:avail'",
        ],
        [
            "paid: order 100004: partial, paid -0.000001 USD, charge 0.000001 USD, refunded 0.0000004 USD",
            "refunds: order 100004: charge 0.000001 USD, refunds 0.000002 USD",
            "refunded: order 100004: says 0.0000004 USD, refunds 0.000002 USD",
        ],
    ),
    "refunded": (
        ["UPDATE orders SET refunded = refunded + 1 WHERE id = 100004"],
        [
            "paid: order 100004: partial, paid 0.0000006 USD, charge 0.000001 USD, refunded 0.00000041 USD",
            "refunded: order 100004: says 0.00000041 USD, refunds 0.0000004 USD",
        ],
    ),
    "currency of a transfer": (
        ["UPDATE transfers SET currency = 'USD' WHERE tx_key = 'cost:100001:0'"],
        ["currency: transfer 4: cost:100001:0: 0.5 USD from provider:panel-a:EUR to cost:panel-a:EUR"],
    ),
    "currency of a user": (
        ["UPDATE users SET currency = 'EUR' WHERE name = 'beta'"],
        [
            "currency: account user:2:avail: is in USD, its user in EUR",
            "currency: account user:2:held: is in USD, its user in EUR",
        ],
    ),
    "currency of an order": (
        ["UPDATE orders SET currency = 'EUR' WHERE id = 100001"],
        ["currency: order 100001: is in EUR, 2 of its transfers are not"],
    ),
    "key of an order's transfer": (
        ["UPDATE transfers SET tx_key = 'void:100001' WHERE tx_key = 'capture:100001'"],
        [
            KIND.format(1, "2 hold hold:100001, 3 capture void:100001, 4 cost cost:100001:0"),
        ],
    ),
    "key of a deposit": (
        ["UPDATE transfers SET tx_key = 'gift:1' WHERE kind = 'deposit'"],
        ["kind: transfer 1: gift:1: 0.00001 USD from world:USD to user:1:avail"],
    ),
    "way of a capture": (
        ["UPDATE transfers SET dest_id = (SELECT id FROM accounts WHERE code = 'refunds:USD') WHERE id = 3"],
        ["kind: transfer 3: capture:100001: 0.000001 USD from user:1:held to refunds:USD"],
    ),
    "order": (
        [INSERT.format(f"'cost:424242:0', 'cost', 424242, {SPENT}, {COST}, 'EUR', 7")],
        [f"order: transfer 13: cost:424242:0: 0.00000007 EUR {COST_WAY}, order 424242"],
    ),
    "cost": (
        [INSERT.format(f"'cost:100003:0', 'cost', 100003, {SPENT}, {COST}, 'EUR', 7")],
        ["cost: order 100003: failed, 1 costs, no accepted attempt"],
    ),
    "child of an order that its panel does not have": (
        [CHILD.format(100003, "77")],
        ["child: order 100003: panel-a made 77 for it, and does not have it"],
    ),
    "child that is an order": (
        [CHILD.format(100001, "78"), CHILD.format(100001, "up-100004")],
        ["child: order 100001: panel-a made up-100004 for it, which is order 100004"],
    ),
}


@pytest.mark.parametrize(("statements", "told"), CASES.values(), ids=CASES)
async def test_broken_invariant_is_named_with_its_rows(
    books: Store, database_url: str, statements: list[str], told: list[str]
) -> None:
    """Exactly what was broken is found: the invariant, the row's id, the amounts; nothing else."""
    assert (await found_in(books)).sound
    await tamper(database_url, *statements)
    found = await found_in(books)
    assert sorted(in_words(found.violations)) == sorted(told)
    assert sum(found.counts.values()) == len(told)
    assert not found.sound


def test_every_invariant_is_broken_above() -> None:
    """No invariant without a test that sees it broken, and none without a sentence."""
    broken = {line.partition(":")[0] for _, told in CASES.values() for line in told}
    assert broken == {each.value for each in Invariant} == {each.value for each in MEANING}


async def test_lately_looks_only_at_what_moved(books: Store, database_url: str) -> None:
    """An old row that is broken is seen by a run over all; by one over the last day as soon as it is touched again."""
    now = NOW + 2 * DAY_MS
    await tamper(database_url, "UPDATE orders SET charge = charge + 1 WHERE id = 100001")
    found = await found_in(books, since=now - DAY_MS)
    assert (found.sound, found.orders, found.accounts, found.transfers) == (True, 0, 0, 0)
    assert (await found_in(books)).counts == {Invariant.PAID: 1}
    due = due_of(ACTIVE)
    for said, transfers in ((StatusWord.IN_PROGRESS, 0), (StatusWord.CANCELED, 1)):
        report = StatusReply(status=said)
        await books.run(partial(apply, due, report, provider="panel-a", pace=1000, now=now))
        found = await found_in(books, since=now - DAY_MS)
        assert (found.orders, found.transfers, found.counts[Invariant.PAID]) == (1, transfers, 1)
    assert found.accounts == 2


async def test_books_in_use_look_sound(store: Store) -> None:
    """While orders are stored, sent, decided and refunded, every snapshot of the books is sound."""
    user = await make_user(store, money=10**9)
    done = asyncio.Event()

    async def trade(first: int) -> None:
        for number in range(first, first + 40):
            await bring(store, await sending(store, user, number), Accepted(f"up-{number}"))
            due = due_of(number)
            said = StatusReply(status=StatusWord.PARTIAL, remains=number % 10)
            await store.run(partial(apply, due, said, provider="panel-a", pace=1000, now=NOW))

    async def look() -> int:
        looks = 0
        while not done.is_set():
            found = await found_in(store)
            assert found.sound, in_words(found.violations)
            looks += 1
        return looks

    looking = asyncio.create_task(look())
    await asyncio.gather(*(trade(200_000 + 1000 * n) for n in range(4)))
    done.set()
    assert await looking > 1
    found = await found_in(store)
    assert (found.orders, found.sound) == (160, True)


async def test_many_violations_are_counted_and_some_named(books: Store, database_url: str) -> None:
    """Ruined books do not fill memory or logs: the count is exact, the rows are the first hundred."""
    lost = [INSERT.format(f"'adj:x{n}', 'adjust', NULL, 999, 998, 'USD', 1") for n in range(250)]
    await tamper(database_url, *lost)
    found = await found_in(books)
    assert found.counts == {Invariant.SOMEWHERE: 250}
    assert len(found.violations) == 100
