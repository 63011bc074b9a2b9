"""Users in the books: made with two accounts, credited once a reference, suspended, changed."""

from functools import partial

import pytest

from gateway.core.dialects import UserDialect
from gateway.store.engine import Store
from gateway.store.ledger import KeyTaken, NotEnoughFunds
from gateway.store.users import (
    Choices,
    NameTaken,
    NoSuchUser,
    create_user,
    credit_user,
    list_users,
    set_choices,
    set_state,
    user_named,
)

NOW = 1_700_000_000_000


async def make(store: Store, name: str = "alpha") -> None:
    """A user with no money."""
    await store.run(partial(create_user, name, "USD", Choices(), actor="test", now=NOW))


async def test_new_user_has_two_empty_accounts(store: Store) -> None:
    """A user starts with nothing to spend and nothing held."""
    await make(store)
    (listed,) = await store.read(partial(list_users, "alpha"))
    assert (listed.avail, listed.held, listed.currency) == (0, 0, "USD")
    assert listed.user.avail_account != listed.user.held_account


async def test_name_is_taken_once(store: Store) -> None:
    """A second user of the same name is refused and the first is untouched."""
    await make(store)
    with pytest.raises(NameTaken, match="alpha"):
        await make(store)
    assert len(await store.read(list_users)) == 1


async def test_reference_is_credited_once(store: Store) -> None:
    """A deposit told twice moves money once; the same reference with another amount is refused."""
    await make(store)
    credit = partial(credit_user, "alpha", 500, reference="invoice-1", actor="test", now=NOW)
    assert await store.run(credit) is True
    assert await store.run(credit) is False
    with pytest.raises(KeyTaken):
        await store.run(partial(credit_user, "alpha", 501, reference="invoice-1", actor="test", now=NOW))
    (listed,) = await store.read(partial(list_users, "alpha"))
    assert listed.avail == 500


async def test_money_is_taken_back_down_to_nought_only(store: Store) -> None:
    """A negative credit takes what is there, and nothing that is not."""
    await make(store)
    await store.run(partial(credit_user, "alpha", 500, reference="invoice-1", actor="test", now=NOW))
    await store.run(partial(credit_user, "alpha", -200, reference="mistake-1", actor="test", now=NOW))
    with pytest.raises(NotEnoughFunds):
        await store.run(partial(credit_user, "alpha", -301, reference="mistake-2", actor="test", now=NOW))
    (listed,) = await store.read(partial(list_users, "alpha"))
    assert listed.avail == 300


async def test_suspended_user_can_be_let_in_again(store: Store) -> None:
    """The state changes, is told in an event once, and changes back."""
    await make(store)
    suspend = partial(set_state, "alpha", "suspended", actor="test", reason="unpaid", now=NOW)
    await store.run(suspend)
    await store.run(suspend)
    assert (await store.read(partial(user_named, "alpha"))).state == "suspended"
    await store.run(partial(set_state, "alpha", "active", actor="test", reason="", now=NOW))
    assert (await store.read(partial(user_named, "alpha"))).state == "active"


async def test_choices_are_kept(store: Store) -> None:
    """Tier, dialect and habits come back as they were set."""
    await make(store)
    dialect = UserDialect(name="legacy", order_id="number", escaped_newlines=True, average_time=True)
    choices = Choices(tier="reseller", dialect=dialect, duplicate_window=120, answer="immediate")
    user = await store.run(partial(set_choices, "alpha", choices, actor="test", reason="test", now=NOW))
    assert (user.tier, user.dialect, user.duplicate_window, user.answer) == ("reseller", dialect, 120, "immediate")
    assert await store.run(partial(set_choices, "alpha", choices, actor="test", reason="test", now=NOW)) == user


async def test_unknown_name_is_an_error_of_its_own(store: Store) -> None:
    """Nobody is credited by mistake: a name that does not exist is refused by every command."""
    with pytest.raises(NoSuchUser, match="nobody"):
        await store.run(partial(credit_user, "nobody", 1, reference="r", actor="test", now=NOW))
    with pytest.raises(NoSuchUser):
        await store.read(partial(user_named, "nobody"))
