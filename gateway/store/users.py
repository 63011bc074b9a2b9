"""Commands on users: make one with its two accounts, change what it may choose, credit it, suspend it, list all."""

from typing import Final, Literal

import msgspec

from gateway.core import ledger
from gateway.core.dialects import UserDialect
from gateway.core.money import format_amount, scale_of
from gateway.core.spending import UserLimits
from gateway.core.user import User
from gateway.store.engine import Query, Refused, Row, Steps
from gateway.store.events import record
from gateway.store.ledger import KeyTaken, NotEnoughFunds, balance_of_code, post
from gateway.store.spending import read_limits

USERS_LISTED_MAX: Final = 10_000  # users of one list; a bigger house asks by name


class NameTaken(Refused):
    """A user of that name exists with other settings, or in another currency."""


class NoSuchUser(Refused):
    """There is no user of that name."""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What may be set for one user."""

    tier: str = ""
    dialect: UserDialect = UserDialect()
    duplicate_window: int = 0  # seconds
    answer: Literal["wait", "immediate"] = "wait"
    limits: UserLimits = UserLimits()


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One user with what it has."""

    user: User
    currency: str
    avail: int  # units
    held: int  # units
    created_at: int  # ms


def create_user(  # noqa: PLR0913 - what a user needs to be accounted for
    name: str, currency: str, choices: Choices, *, actor: str, reason: str = "", now: int
) -> Steps[User]:
    """Make a user with an empty balance; raises NameTaken."""
    made = yield Query("user_insert", {"name": name, "currency": currency, "now": now, **_columns(choices)})
    if not made:
        raise NameTaken(f"there is a user {name!r} already")
    user_id = made[0]["id"]
    accounts: dict[str, int] = {}
    for column, code in (("avail", ledger.available(user_id)), ("held", ledger.held(user_id))):
        opened = yield Query("account_open_user", {"code": code, "user_id": user_id, "currency": currency})
        accounts[column] = opened[0]["id"]
    yield Query("user_accounts", {"id": user_id, **accounts})
    made_as = _json(choices)
    yield from record("user.created", actor=actor, user_id=user_id, after=made_as, reason=reason, now=now)
    return (yield from user_named(name))


def user_named(name: str) -> Steps[User]:
    """The user of that name; raises NoSuchUser."""
    rows = yield Query("user_by_name", {"name": name})
    if not rows:
        raise NoSuchUser(f"there is no user {name!r}")
    return read_user(rows[0])


def list_users(name: str | None = None) -> Steps[tuple[Listed, ...]]:
    """Users with their balances, first made first; with a name only that one."""
    rows = yield Query("users_list", {"name": name, "limit": USERS_LISTED_MAX})
    return tuple(
        Listed(
            user=read_user(row),
            currency=row["currency"],
            avail=row["avail"],
            held=row["held"],
            created_at=row["created_at"],
        )
        for row in rows
    )


def users_elsewhere(currency: str) -> Steps[dict[str, int]]:
    """How many users have their balance in other currencies than this one."""
    rows = yield Query("users_in_another_currency", {"currency": currency})
    return {row["currency"]: row["users"] for row in rows}


def credit_user(name: str, amount: int, *, reference: str, actor: str, now: int) -> Steps[bool]:
    """Credit a deposit, or take back with a negative amount; one reference moves money once.

    Answers False when the reference was credited before with the same amount. Raises NoSuchUser, KeyTaken when the
    reference stands for another amount or user, NotEnoughFunds when more is taken back than is there.
    """
    user_id, currency = yield from _account_holder(name)
    if amount > 0:
        transfer = ledger.deposit(user_id, amount, currency=currency, reference=reference)
    else:
        transfer = ledger.adjust(user_id, amount, currency=currency, ticket=reference)
    posted = yield from _post_by_hand(transfer, name, reference, now=now)
    if posted:
        after = f'{{"amount":{amount}}}'
        yield from record("user.credited", actor=actor, user_id=user_id, after=after, reason=reference, now=now)
    return posted


def adjust_user(  # noqa: PLR0913 - what an adjustment needs to be accounted for
    name: str, amount: int, *, reference: str, reason: str, actor: str, now: int
) -> Steps[bool]:
    """Correct a balance up or down, never below nought, for a reason; one reference moves money once.

    Answers False when it was done before with the same amount. Raises NoSuchUser, KeyTaken, NotEnoughFunds.
    """
    user_id, currency = yield from _account_holder(name)
    before = yield from balance_of_code(ledger.available(user_id))
    transfer = ledger.adjust(user_id, amount, currency=currency, ticket=reference)
    posted = yield from _post_by_hand(transfer, name, reference, now=now)
    if posted:
        yield from record(
            "user.adjusted",
            actor=actor,
            user_id=user_id,
            before=f'{{"balance":{before}}}',
            after=f'{{"balance":{before + amount},"amount":{amount},"reference":{_text(reference)}}}',
            reason=reason,
            now=now,
        )
    return posted


def _account_holder(name: str) -> Steps[tuple[int, str]]:
    rows = yield Query("user_by_name", {"name": name})
    if not rows:
        raise NoSuchUser(f"there is no user {name!r}")
    return rows[0]["id"], rows[0]["currency"]


def _post_by_hand(transfer: ledger.Transfer, name: str, reference: str, *, now: int) -> Steps[bool]:
    """Write what a person typed; a refusal is in that person's words, with amounts as they are typed."""
    try:
        return (yield from post(transfer, now))
    except KeyTaken as error:
        rows = yield Query("transfer_by_key", {"tx_key": transfer.tx_key})
        holder = yield Query("account_holder", {"source": rows[0]["source"], "dest": rows[0]["dest"]})
        taken = -rows[0]["amount"] if ledger.is_user_account(rows[0]["source"]) else rows[0]["amount"]
        moved = f"{format_amount(taken, scale_of(rows[0]['currency']))} {rows[0]['currency']}"
        whose = holder[0]["name"] if holder else "nobody"
        raise KeyTaken(f"reference {reference} was used before, for {moved} to {whose}; nothing was moved") from error
    except NotEnoughFunds as error:
        asked = format_amount(transfer.amount, scale_of(transfer.currency))
        raise NotEnoughFunds(f"{name} has less than {asked} {transfer.currency} to spend; nothing was moved") from error


def set_state(name: str, state: Literal["active", "suspended"], *, actor: str, reason: str, now: int) -> Steps[None]:
    """Suspend a user, whose keys then answer like unknown ones while orders go on; or let it in again."""
    user = yield from user_named(name)
    if user.state == state:
        return
    yield Query("user_state", {"id": user.id, "state": state})
    yield from record(
        f"user.{state}",
        actor=actor,
        user_id=user.id,
        before=f'"{user.state}"',
        after=f'"{state}"',
        reason=reason,
        now=now,
    )


def set_choices(name: str, choices: Choices, *, actor: str, reason: str, now: int) -> Steps[User]:
    """Change a user's tier, dialect or habits; answers the user as it is then."""
    user = yield from user_named(name)
    before = chosen_by(user)
    if choices != before:
        yield Query("user_settings", {"id": user.id, **_columns(choices)})
        yield from record(
            "user.changed",
            actor=actor,
            user_id=user.id,
            before=_json(before),
            after=_json(choices),
            reason=reason,
            now=now,
        )
    return (yield from user_named(name))


def read_user(row: Row) -> User:
    """A row of users as the value the house speaks in."""
    return User(
        id=row["id"],
        name=row["name"],
        state=row["state"],
        tier=row["tier"],
        dialect=UserDialect(
            name=row["dialect"],
            order_id=row["order_id"],
            escaped_newlines=bool(row["escaped_newlines"]),
            average_time=bool(row["average_time"]),
        ),
        duplicate_window=row["duplicate_window"],
        answer=row["answer"],
        limits=read_limits(row),
        avail_account=row["avail_account"],
        held_account=row["held_account"],
    )


def chosen_by(user: User) -> Choices:
    """What is set for a user now."""
    return Choices(
        tier=user.tier,
        dialect=user.dialect,
        duplicate_window=user.duplicate_window,
        answer=user.answer,
        limits=user.limits,
    )


def _columns(choices: Choices) -> dict[str, int | str]:
    return {
        "tier": choices.tier,
        "dialect": choices.dialect.name,
        "order_id": choices.dialect.order_id,
        "escaped_newlines": int(choices.dialect.escaped_newlines),
        "average_time": int(choices.dialect.average_time),
        "duplicate_window": choices.duplicate_window,
        "answer": choices.answer,
        **msgspec.structs.asdict(choices.limits),
    }


def _json(choices: Choices) -> str:
    return msgspec.json.encode(choices).decode()


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()
