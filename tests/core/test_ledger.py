"""Transfers: one for each moment of trade, under the key that makes it happen once."""

import pytest

from gateway.core import ledger
from gateway.core.ledger import AMOUNT_MAX, Kind, Transfer


def test_each_moment_has_its_transfer() -> None:
    """From where, to where, under which key: the table in the file's opening lines."""
    moments = [
        ledger.deposit(7, 5, currency="USD", reference="r1"),
        ledger.adjust(7, 5, currency="USD", ticket="t1"),
        ledger.adjust(7, -5, currency="USD", ticket="t2"),
        *ledger.hold(3, 7, 5, currency="USD"),
        *ledger.capture(3, 7, 5, currency="USD"),
        *ledger.void(3, 7, 5, currency="USD"),
        *ledger.refund(3, 7, 5, refunded=2, currency="USD"),
        *ledger.cost(3, "panel-a", 4, currency="EUR"),
        *ledger.cost(3, "panel-a", -1, currency="EUR", n=1),
        *ledger.loss(3, "panel-a", 4, currency="EUR"),
    ]
    assert [(each.tx_key, each.source, each.dest, each.amount) for each in moments] == [
        ("dep:r1", "world:USD", "user:7:avail", 5),
        ("adj:t1", "world:USD", "user:7:avail", 5),
        ("adj:t2", "user:7:avail", "world:USD", 5),
        ("hold:3", "user:7:avail", "user:7:held", 5),
        ("capture:3", "user:7:held", "sales:USD", 5),
        ("void:3", "user:7:held", "user:7:avail", 5),
        ("refund:3:5", "refunds:USD", "user:7:avail", 3),
        ("cost:3:0", "provider:panel-a:EUR", "cost:panel-a:EUR", 4),
        ("cost:3:1", "cost:panel-a:EUR", "provider:panel-a:EUR", 1),
        ("cost:3:0", "provider:panel-a:EUR", "losses:unknown:EUR", 4),
    ]


def test_moment_that_moves_nothing_makes_no_transfer() -> None:
    """A free order, a refund that was paid already, a cost of nought."""
    assert ledger.hold(3, 7, 0, currency="USD") == ()
    assert ledger.refund(3, 7, 5, refunded=5, currency="USD") == ()
    assert ledger.refund(3, 7, 2, refunded=5, currency="USD") == ()
    assert ledger.cost(3, "panel-a", 0, currency="EUR") == ()


def test_only_users_accounts_are_enforced() -> None:
    """The house may be below nought, a user may not."""
    assert ledger.is_user_account(ledger.available(7))
    assert ledger.is_user_account(ledger.held(7))
    assert not ledger.is_user_account(ledger.world("USD"))


@pytest.mark.parametrize(
    "change",
    [{"amount": 0}, {"amount": -1}, {"amount": AMOUNT_MAX + 1}, {"dest": "a"}, {"tx_key": ""}, {"currency": ""}],
)
def test_transfer_the_books_could_not_mean_is_refused(change: dict[str, object]) -> None:
    """What is checked where it is written is checked where it is made too."""
    good: dict[str, object] = {
        "tx_key": "k", "kind": Kind.HOLD, "source": "a", "dest": "b", "amount": 1, "currency": "USD",
    }  # fmt: skip
    Transfer(**good)  # type: ignore[arg-type] # the fields by name
    with pytest.raises(AssertionError):
        Transfer(**{**good, **change})  # type: ignore[arg-type] # the fields by name


@pytest.mark.parametrize("reference", ["", "x" * 201, " a", "a\nb"])
def test_reference_is_a_short_word(reference: str) -> None:
    """It becomes a part of a key."""
    with pytest.raises(AssertionError):
        ledger.deposit(7, 5, currency="USD", reference=reference)


def test_negative_charge_or_refund_is_our_own_mistake() -> None:
    """Neither can come from the rules."""
    with pytest.raises(AssertionError):
        ledger.hold(3, 7, -1, currency="USD")
    with pytest.raises(AssertionError):
        ledger.refund(3, 7, 5, refunded=-1, currency="USD")
