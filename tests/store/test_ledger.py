"""The ledger's commands: money moves once, never below nought, and what was written stays."""

import asyncio
from functools import partial

import pytest

from gateway.core import ledger
from gateway.core.ledger import Kind, Transfer
from gateway.core.user import User
from gateway.store.engine import ConstraintBroken, Query, Steps, Store, StoreError, Value
from gateway.store.ledger import Balance, KeyTaken, NotEnoughFunds, balance_of, lock_accounts, post, post_all
from tests.store.trade import NOW, ask, make_user, money_of


def hold(user: User, number: int, amount: int = 100) -> Transfer:
    """The hold of an order."""
    (transfer,) = ledger.hold(number, user.id, amount, currency="USD")
    return transfer


async def test_transfer_is_posted_once(store: Store, alpha: User) -> None:
    """The same key twice moves money once; the second run is told so."""
    assert await store.run(partial(post, hold(alpha, 1), NOW)) is True
    assert await store.run(partial(post, hold(alpha, 1), NOW)) is False
    assert await money_of(store) == (900, 100)


@pytest.mark.parametrize(
    ("change", "column"),
    [({"amount": 101}, "amount"), ({"order_id": 2}, "order_id"), ({"dest": "sales:USD"}, "dest")],
)
async def test_key_stands_for_one_content(store: Store, alpha: User, change: dict[str, object], column: str) -> None:
    """One moment cannot be told in two ways: the second telling is refused, and the first stands."""
    first = hold(alpha, 1)
    await store.run(partial(post, first, NOW))
    values = {name: getattr(first, name) for name in first.__struct_fields__}
    other = Transfer(**{**values, **change})
    with pytest.raises(KeyTaken, match=f"hold:1 is in the books with {column}"):
        await store.run(partial(post, other, NOW))
    assert await money_of(store) == (900, 100)


async def test_nothing_is_given_that_is_not_there(store: Store, alpha: User) -> None:
    """A hold of all is taken, one of a unit more is refused, and nothing of it is kept."""
    with pytest.raises(NotEnoughFunds, match="holds less than 1001 units"):
        await store.run(partial(post, hold(alpha, 1, 1001), NOW))
    assert await money_of(store) == (1_000, 0)
    await store.run(partial(post, hold(alpha, 1, 1_000), NOW))
    assert await money_of(store) == (0, 1_000)


async def test_wrong_currency_moves_nothing(store: Store, alpha: User) -> None:
    """A user's account is of one currency; a transfer in another is refused."""
    transfer = ledger.deposit(alpha.id, 5, currency="EUR", reference="wrong")
    with pytest.raises(NotEnoughFunds):
        await store.run(partial(post, transfer, NOW))
    assert await money_of(store) == (1_000, 0)


async def test_racing_holds_take_no_more_than_there_is(store: Store, rival: Store, alpha: User) -> None:
    """80 holds at once, by two processes, for money for 10: exactly 10 are taken."""
    racing = (
        (store, rival)[number % 2].run(partial(post, hold(alpha, number), NOW)) for number in range(1, 81)
    )  # fmt: skip
    ended = await asyncio.gather(*racing, return_exceptions=True)
    assert ended.count(True) == 10
    assert sum(isinstance(one, NotEnoughFunds) for one in ended) == 70
    assert await money_of(store) == (0, 1_000)


async def test_one_key_raced_for_is_posted_once(store: Store, rival: Store, alpha: User) -> None:
    """Two processes tell the same moment twenty times at once: one posts it, the others find it."""
    racing = ((store, rival)[n % 2].run(partial(post, hold(alpha, 1), NOW)) for n in range(20))
    assert sorted(await asyncio.gather(*racing)) == [False] * 19 + [True]
    assert await money_of(store) == (900, 100)


async def test_crossing_transfers_do_not_wait_in_a_ring(store: Store, rival: Store, alpha: User) -> None:
    """Holds and voids of one user from two processes lock its two accounts in one order: none is lost to a deadlock."""

    async def there_and_back(books: Store, number: int) -> None:
        await books.run(partial(post_all, ledger.hold(number, alpha.id, 1, currency="USD"), NOW))
        await books.run(partial(post_all, ledger.void(number, alpha.id, 1, currency="USD"), NOW))

    await asyncio.gather(*(there_and_back((store, rival)[n % 2], n) for n in range(1, 101)))
    assert await money_of(store) == (1_000, 0)
    assert store.counts.refused + rival.counts.refused == 0


async def test_house_accounts_appear_with_their_first_transfer(
    store: Store, alpha: User, database_url: str
) -> None:  # fmt: skip
    """They keep no balance of their own: they are sums, so that none is a hot row."""
    await store.run(partial(post_all, ledger.cost(1, "panel-a", 7, currency="EUR"), NOW))
    assert await ask(
        database_url, "SELECT code, enforced, balance FROM accounts WHERE currency = 'EUR' ORDER BY id"
    ) == [
        ("provider:panel-a:EUR", 0, 0),
        ("cost:panel-a:EUR", 0, 0),
    ]
    assert alpha.id == 1


async def test_all_of_a_command_or_nothing(store: Store, alpha: User) -> None:
    """A second transfer that is refused takes the first of the same command with it."""
    with pytest.raises(NotEnoughFunds):
        await store.run(partial(post_all, (hold(alpha, 1), hold(alpha, 2, 901)), NOW))
    assert await money_of(store) == (1_000, 0)
    await store.run(partial(post_all, (hold(alpha, 1), hold(alpha, 2, 900)), NOW))
    assert await money_of(store) == (0, 1_000)


async def test_transfer_of_nobody_is_refused(store: Store) -> None:
    """A user's account is opened with the user and never by a transfer."""
    transfer = ledger.deposit(77, 5, currency="USD", reference="nobody")
    with pytest.raises(NotEnoughFunds):
        await store.run(partial(post, transfer, NOW))


async def test_accounts_are_locked_in_order_and_told(store: Store, alpha: User) -> None:
    """Whatever order they are named in; an account that does not exist is left out."""
    avail, held = alpha.avail_account, alpha.held_account
    locked = await store.run(partial(lock_accounts, [held, avail, avail, 9_999]))
    assert list(locked) == sorted([avail, held])
    assert locked[avail] == Balance(account=avail, currency="USD", balance=1_000)


async def test_balance_of_an_account(store: Store, alpha: User) -> None:
    """What it holds, without a lock; None where there is no such account."""
    assert await store.read(partial(balance_of, alpha.avail_account)) == Balance(
        account=alpha.avail_account, currency="USD", balance=1_000
    )
    assert await store.read(partial(balance_of, 9_999)) is None


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE transfers SET amount = 1 WHERE 1 = 1 RETURNING id",
        "DELETE FROM transfers WHERE 1 = 1 RETURNING id",
        "UPDATE accounts SET currency = 'EUR' WHERE enforced = 1 RETURNING id",
        "DELETE FROM accounts WHERE enforced = 1 RETURNING id",
        "UPDATE accounts SET balance = -1 WHERE enforced = 1 RETURNING id",
        "UPDATE accounts SET balance = 1 WHERE enforced = 0 RETURNING id",
    ],
)
async def test_books_are_appended_to_only(alpha: User, database_url: str, text: str) -> None:
    """The database itself forbids to rewrite a transfer or an account, or a balance below nought, whoever asks."""
    assert alpha.id == 1
    before = await ask(database_url, "SELECT id, amount FROM transfers")
    with pytest.raises(Exception, match=r"append only|only a balance|never deleted|(?i:check)"):
        await ask(database_url, text)
    assert await ask(database_url, "SELECT id, amount FROM transfers") == before


async def test_amount_of_nothing_is_refused_by_the_database_too(store: Store, alpha: User) -> None:
    """Checked where a transfer is made and where it is written: not even a query of our own gets past the CHECK."""

    def post_nothing() -> Steps[None]:
        params: dict[str, Value] = {
            "tx_key": "x", "kind": Kind.HOLD.value, "order_id": None, "source": ledger.available(alpha.id),
            "dest": ledger.held(alpha.id), "currency": "USD", "amount": 0, "now": NOW,
        }  # fmt: skip
        yield Query("transfer_post", params)

    with pytest.raises(ConstraintBroken):
        await store.run(post_nothing)
    with pytest.raises(AssertionError):
        Transfer(tx_key="x", kind=Kind.HOLD, source="a", dest="b", amount=0, currency="USD")


async def test_second_user_has_money_of_its_own(store: Store, alpha: User) -> None:
    """One user's hold leaves another's balance alone."""
    await make_user(store, "beta", money=5)
    await store.run(partial(post, hold(alpha, 1), NOW))
    assert await money_of(store, "beta") == (5, 0)
    assert issubclass(NotEnoughFunds, StoreError)
