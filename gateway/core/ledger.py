"""The ledger: which accounts there are, and which transfer each moment of trade makes, under which unique key.

Value flows from a source to a destination, so there are no signs to mistake and the sum of all balances is nought
by construction. A user has two accounts, *avail* (free to spend) and *held* (charged, outcome open); only those may
not fall below nought. House accounts (world, sales, refunds, provider, cost, losses) are sums of their transfers.

    moment                        transfer                              key
    deposit                       world    → user:avail                 dep:{reference}
    an operator's adjustment      world    ↔ user:avail                 adj:{ticket}
    an order is stored            avail    → held                       hold:{order}
    the panel took it             held     → sales                      capture:{order}
                                  provider → cost  (their currency)     cost:{order}:0
    never placed                  held     → avail                      void:{order}
    given back later              refunds  → avail                      refund:{order}:{due}
    its cost turns out otherwise  provider ↔ cost                       cost:{order}:{n}
    placed after all, though its
    user was refunded meanwhile   provider → losses:unknown             cost:{order}:0

The key makes a repeated moment harmless: the store writes a key once, whatever is asked twice. A moment that moves
nothing makes no transfer, so every builder answers a tuple of none or one. What must hold of a transfer is checked
where it is made (here) and where it is written (the CHECKs of 0001_books.sql).
"""

from enum import StrEnum
from typing import Final

import msgspec

# Balances are BIGINT columns; a transfer larger than half of one cannot come from any honest amount.
AMOUNT_MAX: Final = 2**62
# A reference or a ticket is a short word of an operator's or a payment system's; it becomes part of a key.
REFERENCE_MAX: Final = 200


class Kind(StrEnum):
    """What a transfer is for."""

    DEPOSIT = "deposit"
    ADJUST = "adjust"
    HOLD = "hold"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    COST = "cost"


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of value, under a key that is written once."""

    tx_key: str
    kind: Kind
    source: str  # account code
    dest: str  # account code
    amount: int  # units of `currency`, above 0
    currency: str
    order_id: int | None = None

    def __post_init__(self) -> None:
        """Refuse what the books could not mean; the store's CHECKs say the same."""
        assert 0 < self.amount <= AMOUNT_MAX, f"{self.tx_key}: amount {self.amount}"
        assert self.source != self.dest, f"{self.tx_key}: from {self.source} to itself"
        assert self.tx_key, "a transfer needs a key"
        assert self.currency, f"{self.tx_key}: no currency"


def available(user_id: int) -> str:
    """The code of the account a user spends from."""
    return f"user:{user_id}:avail"


def held(user_id: int) -> str:
    """The code of the account that keeps a user's charges while their outcome is open."""
    return f"user:{user_id}:held"


def world(currency: str) -> str:
    """The code of the account deposits come from."""
    return f"world:{currency}"


def sales(currency: str) -> str:
    """The code of the account captured charges go to."""
    return f"sales:{currency}"


def refunds(currency: str) -> str:
    """The code of the account refunds are paid from."""
    return f"refunds:{currency}"


def provider(name: str, currency: str) -> str:
    """The code of the account that stands for our money with a provider, in the provider's currency."""
    return f"provider:{name}:{currency}"


def costs(name: str, currency: str) -> str:
    """The code of the account that gathers what a provider's orders cost us, in the provider's currency."""
    return f"cost:{name}:{currency}"


def losses(currency: str) -> str:
    """The code of the account for orders that turned out placed after their users were given the charge back."""
    return f"losses:unknown:{currency}"


def is_user_account(code: str) -> bool:
    """Whether an account belongs to a user, so that its balance is enforced."""
    return code.startswith("user:")


def deposit(user_id: int, amount: int, *, currency: str, reference: str) -> Transfer:
    """Money a user paid in; one reference is credited once."""
    return Transfer(
        tx_key=f"dep:{_word(reference)}",
        kind=Kind.DEPOSIT,
        source=world(currency),
        dest=available(user_id),
        amount=amount,
        currency=currency,
    )


def adjust(user_id: int, amount: int, *, currency: str, ticket: str) -> Transfer:
    """An operator's correction; a negative amount takes money back. One ticket moves money once."""
    source, dest = world(currency), available(user_id)
    if amount < 0:
        source, dest = dest, source
    return Transfer(
        tx_key=f"adj:{_word(ticket)}",
        kind=Kind.ADJUST,
        source=source,
        dest=dest,
        amount=abs(amount),
        currency=currency,
    )


def hold(order_id: int, user_id: int, charge: int, *, currency: str) -> tuple[Transfer, ...]:
    """The charge of a new order leaves what the user can spend; an order that costs nothing holds nothing."""
    return _order_transfer(Kind.HOLD, order_id, (available(user_id), held(user_id)), charge=charge, currency=currency)


def capture(order_id: int, user_id: int, charge: int, *, currency: str) -> tuple[Transfer, ...]:
    """The panel took the order: the charge is ours."""
    return _order_transfer(Kind.CAPTURE, order_id, (held(user_id), sales(currency)), charge=charge, currency=currency)


def void(order_id: int, user_id: int, charge: int, *, currency: str) -> tuple[Transfer, ...]:
    """The order was never placed: the whole charge is the user's again."""
    return _order_transfer(Kind.VOID, order_id, (held(user_id), available(user_id)), charge=charge, currency=currency)


def refund(order_id: int, user_id: int, due: int, *, refunded: int, currency: str) -> tuple[Transfer, ...]:
    """What is still owed of a refund of `due` units in all, `refunded` of them paid; nothing is ever taken back."""
    if due <= refunded:
        return ()
    assert refunded >= 0, f"order {order_id}: {refunded} units refunded"
    return (
        Transfer(
            tx_key=f"refund:{order_id}:{due}",
            kind=Kind.REFUND,
            source=refunds(currency),
            dest=available(user_id),
            amount=due - refunded,
            currency=currency,
            order_id=order_id,
        ),
    )


def cost(order_id: int, name: str, amount: int, *, currency: str, n: int = 0) -> tuple[Transfer, ...]:
    """What an order costs us at provider `name`, in its currency; corrections count `n` up and may be negative."""
    if amount == 0:
        return ()
    source, dest = provider(name, currency), costs(name, currency)
    if amount < 0:
        source, dest = dest, source
    return (
        Transfer(
            tx_key=f"cost:{order_id}:{n}",
            kind=Kind.COST,
            source=source,
            dest=dest,
            amount=abs(amount),
            currency=currency,
            order_id=order_id,
        ),
    )


def loss(order_id: int, name: str, amount: int, *, currency: str) -> tuple[Transfer, ...]:
    """What an order costs us that was given up and then turned out placed: the key of any other order's cost."""
    return tuple(
        msgspec.structs.replace(each, dest=losses(currency)) for each in cost(order_id, name, amount, currency=currency)
    )


def _order_transfer(
    kind: Kind, order_id: int, way: tuple[str, str], *, charge: int, currency: str
) -> tuple[Transfer, ...]:
    """Move a whole charge one way; each of these moments happens at most once an order."""
    assert charge >= 0, f"order {order_id}: charge {charge}"
    if charge == 0:
        return ()
    source, dest = way
    key = f"{kind}:{order_id}"
    return (
        Transfer(tx_key=key, kind=kind, source=source, dest=dest, amount=charge, currency=currency, order_id=order_id),
    )


def _word(text: str) -> str:
    """Check that a reference or a ticket can stand in a key; the command line refuses others in its own words."""
    assert 0 < len(text) <= REFERENCE_MAX, f"a reference has 1 to {REFERENCE_MAX} characters"
    assert text.isprintable(), "a reference is printable"
    assert text == text.strip(), "a reference has no space around it"
    return text
