"""The commands on users: make one, see what it has, credit it, set what is chosen for it, suspend it."""

import os
from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, Final, Literal

import rich_click as click

from gateway.cli.session import actor, command, config_path, in_books, now, reason_option, table
from gateway.core.dialects import UserDialect
from gateway.core.errors import GatewayError
from gateway.core.ledger import REFERENCE_MAX
from gateway.core.money import format_amount, parse_amount, scale_of
from gateway.core.spending import ADDS_AT_ONCE_DEFAULT, ADDS_AT_ONCE_MAX, ORDERS_PER_MINUTE_MAX, UserLimits
from gateway.settings.faults import SettingsError, suggestion
from gateway.settings.load import load_file
from gateway.settings.values import ProvidersFile
from gateway.store.keys import keys_of
from gateway.store.spending import spending_of
from gateway.store.users import (
    Choices,
    Listed,
    NoSuchUser,
    adjust_user,
    chosen_by,
    create_user,
    credit_user,
    list_users,
    set_choices,
    set_state,
)

NAME_MAX = 64
_AT_ONCE_HELP = f"Orders that one process hands to panels at once; 0 is the default, {ADDS_AT_ONCE_DEFAULT}."

# What may be chosen for a user, when it is made and later.
_DIALECTS: Final = click.Choice(["standard", "legacy"])
_DIALECT_HELP: Final = "`legacy` says Cancelled, types in small letters, and `charge` as a number in multi-status."
_ORDER_IDS: Final = click.Choice(["string", "number"])
_ORDER_ID_HELP: Final = "How `add` answers an order's id in JSON."
_NEWLINES_HELP: Final = "The two characters \\n part the lines of comments."
_TIME_HELP: Final = "The list says how long an order takes, as `average_time`; the contract does not."
_SECONDS: Final = click.IntRange(0, 86_400)
_WINDOW_HELP: Final = "Seconds in which an identical add is answered with the same order; 0 is off."
_ANSWERS: Final = click.Choice(["wait", "immediate"])
_REASON_HELP: Final = "Why; it is kept in the audit trail."
_ANSWER_HELP: Final = "Whether `add` waits for the panel's word, or answers an id as soon as the order is stored."


class BadOption(GatewayError):
    """What was asked for on the command line cannot be done; the message says why."""


def limits(to: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that limit a user."""
    for option in (
        click.option("--adds-at-once", type=click.IntRange(0, ADDS_AT_ONCE_MAX), help=_AT_ONCE_HELP),
        click.option("--spend-per-day", metavar="AMOUNT", help="Cap of charges in a day (UTC); 0 is none."),
        click.option("--spend-per-hour", metavar="AMOUNT", help="Cap of charges in an hour of the clock; 0 is none."),
        click.option("--orders-per-minute", type=click.IntRange(0, ORDERS_PER_MINUTE_MAX), help="0 is no limit."),
    ):
        to = option(to)
    return to


@click.group()
def user() -> None:
    """Users: panels that hold a key and a prepaid balance with us."""


@user.command("create")
@click.argument("name")
@click.option("--tier", default="", help="One of the tiers of providers.yaml; everybody's prices otherwise.")
@click.option("--dialect", type=_DIALECTS, default="standard", show_default=True, help=_DIALECT_HELP)
@click.option("--order-id", type=_ORDER_IDS, default="string", show_default=True, help=_ORDER_ID_HELP)
@click.option("--escaped-newlines", is_flag=True, help=_NEWLINES_HELP)
@click.option("--average-time", is_flag=True, help=_TIME_HELP)
@click.option("--duplicate-window", type=_SECONDS, default=0, show_default=True, help=_WINDOW_HELP)
@click.option("--answer", type=_ANSWERS, default="wait", show_default=True, help=_ANSWER_HELP)
@limits
@reason_option("Who it is, or on whose word; kept in the audit trail.", required=False)
@command
def create(name: str, *, reason: str, **chosen: Any) -> None:
    """Make a user in the currency of providers.yaml; then `gateway key create` and `gateway user credit`."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= NAME_MAX:
        raise BadOption(f"a user's name is 1 to {NAME_MAX} printable characters without a space around it")
    ours = _file().currency
    choices = _choices(Choices(), chosen, currency=ours)
    in_books(
        lambda store: store.run(partial(create_user, name, ours, choices, actor=actor(), reason=reason, now=now()))
    )
    click.echo(f"user {name} made, balance 0 {ours}")


@user.command("list")
@command
def list_all() -> None:
    """All users with what they have."""
    listed = in_books(lambda store: store.read(list_users))
    rows = [
        (
            *(each.user.name, each.user.state, each.user.tier or "–", each.user.dialect.name),
            *(_amount(each.avail, each), _amount(each.held, each), each.currency),
        )
        for each in listed
    ]
    click.echo(table(("name", "state", "tier", "dialect", "balance", "held", "currency"), rows))


@user.command("show")
@click.argument("name")
@command
def show(name: str) -> None:
    """One user: settings, balance, keys (never the keys themselves)."""
    each = _one(name)
    keys = in_books(lambda store: store.read(partial(keys_of, name)))
    chosen = each.user
    for label, value in (
        ("name", chosen.name),
        ("state", chosen.state),
        ("tier", chosen.tier or "everybody's"),
        ("dialect", f"{chosen.dialect.name}, order id as {chosen.dialect.order_id}"),
        ("escaped newlines", "yes" if chosen.dialect.escaped_newlines else "no"),
        ("average time", "in the list" if chosen.dialect.average_time else "no"),
        ("duplicate window", f"{chosen.duplicate_window} s" if chosen.duplicate_window else "off"),
        ("answer", chosen.answer),
        *_limits(each),
        ("balance", f"{_amount(each.avail, each)} {each.currency}"),
        ("held", f"{_amount(each.held, each)} {each.currency}"),
        ("keys", ", ".join(f"{key.prefix}… ({'alive' if key.alive(now()) else 'dead'})" for key in keys) or "none"),
    ):
        click.echo(f"{label:<17} {value}")


def _limits(each: Listed) -> tuple[tuple[str, str], ...]:
    """What limits a user, and how much of it is used."""
    set_now = each.user.limits
    used = in_books(lambda store: store.read(partial(spending_of, each.user.id, now=now())))

    def money(cap: int, spent: int) -> str:
        return f"{_amount(spent, each)} of {_amount(cap, each)} {each.currency} used" if cap else "no limit"

    orders = f"{used.orders} of {set_now.orders_per_minute} used" if set_now.orders_per_minute else "no limit"
    return (
        ("orders per minute", orders),
        ("spend per hour", money(set_now.spend_per_hour, used.hour_spent)),
        ("spend per day", money(set_now.spend_per_day, used.day_spent)),
        ("adds at once", str(set_now.adds_at_once or ADDS_AT_ONCE_DEFAULT)),
    )


@user.command("credit")
@click.argument("name")
@click.argument("amount")
@click.option("--reference", required=True, help="The payment's own number: one reference moves money once.")
@command
def credit(name: str, amount: str, reference: str) -> None:
    """Credit AMOUNT to a user; a negative one takes back (write it after --: `credit NAME --reference R -- -5`)."""
    _check_word(reference)
    before = _one(name)
    units = parse_amount(amount, scale_of(before.currency))
    if units == 0:
        raise BadOption("nothing to credit")
    work = partial(credit_user, name, units, reference=reference, actor=actor(), now=now())
    posted = in_books(lambda store: store.run(work))
    after = _one(name)
    told = f"credited {amount} {after.currency}" if posted else f"{reference} was credited before, nothing moved"
    click.echo(f"{told}; balance {_amount(after.avail, after)} {after.currency}")


# A negative amount begins like an option; with this it is taken as it stands.
@user.command("adjust", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("amount")
@click.option("--reference", required=True, help="The ticket: one reference moves money once.")
@click.option("--reason", required=True, help="Why, for the audit trail.")
@command
def adjust(name: str, amount: str, reference: str, reason: str) -> None:
    """Correct a user's balance by AMOUNT, which may be negative (-2.50) but takes no more than is there."""
    _check_word(reference)
    if not reason.strip():
        raise BadOption("an adjustment needs a reason")
    before = _one(name)
    units = parse_amount(amount, scale_of(before.currency))
    if units == 0:
        raise BadOption("nothing to adjust")
    work = partial(adjust_user, name, units, reference=reference, reason=reason.strip(), actor=actor(), now=now())
    posted = in_books(lambda store: store.run(work))
    after = _one(name)
    told = f"adjusted by {amount} {after.currency}" if posted else f"{reference} was adjusted before, nothing moved"
    click.echo(f"{told}; balance {_amount(after.avail, after)} {after.currency}")


def _check_word(reference: str) -> None:
    if not 0 < len(reference) <= REFERENCE_MAX or reference != reference.strip() or not reference.isprintable():
        raise BadOption(f"a reference has 1 to {REFERENCE_MAX} printable characters without a space around it")


@user.command("set")
@click.argument("name")
@click.option("--tier", help="One of the tiers of providers.yaml; an empty text for everybody's prices.")
@click.option("--dialect", type=_DIALECTS, help=_DIALECT_HELP)
@click.option("--order-id", type=_ORDER_IDS, help=_ORDER_ID_HELP)
@click.option("--escaped-newlines/--no-escaped-newlines", default=None, help=_NEWLINES_HELP)
@click.option("--average-time/--no-average-time", default=None, help=_TIME_HELP)
@click.option("--duplicate-window", type=_SECONDS, help=_WINDOW_HELP)
@click.option("--answer", type=_ANSWERS, help=_ANSWER_HELP)
@limits
@reason_option(_REASON_HELP)
@command
def set_(name: str, *, reason: str, **chosen: Any) -> None:
    """Set what is chosen for a user; what is not named stays. A running gateway keeps to it within a second."""
    if all(value is None for value in chosen.values()):
        raise BadOption(f"nothing was named to be set; `gateway user show {name}` shows how {name} is set")
    kept = _one(name)
    before = chosen_by(kept.user)
    choices = _choices(before, chosen, currency=kept.currency)
    in_books(lambda store: store.run(partial(set_choices, name, choices, actor=actor(), reason=reason, now=now())))
    click.echo(f"user {name} is set" if choices != before else f"user {name} was set so before")


# The name it had first.
_change = copy(set_)
_change.hidden = True
user.add_command(_change, "change")


@user.command("suspend")
@click.argument("name")
@reason_option(_REASON_HELP)
@command
def suspend(name: str, reason: str) -> None:
    """Let a user's keys answer like unknown ones; its running orders go on."""
    _set_state(name, "suspended", reason)


@user.command("resume")
@click.argument("name")
@reason_option(_REASON_HELP)
@command
def resume(name: str, reason: str) -> None:
    """Let a suspended user in again."""
    _set_state(name, "active", reason)


def _set_state(name: str, state: Literal["active", "suspended"], reason: str) -> None:
    in_books(lambda store: store.run(partial(set_state, name, state, actor=actor(), reason=reason, now=now())))
    click.echo(f"user {name} is {state}")


def _one(name: str) -> Listed:
    found = in_books(lambda store: store.read(partial(list_users, name)))
    if not found:
        raise NoSuchUser(f"there is no user {name!r}")
    return found[0]


def _choices(before: Choices, chosen: dict[str, Any], *, currency: str) -> Choices:
    """What was chosen, over what was; a tier has to be one of the file's, amounts are in the user's currency."""
    given = {key: value for key, value in chosen.items() if value is not None}
    tier = given.get("tier", before.tier)
    if tier and tier != before.tier:
        tiers = _file().tiers
        if tier not in tiers:
            raise BadOption(f"there is no tier {tier} in providers.yaml{suggestion(tier, tiers)}")
    return Choices(
        tier=tier,
        dialect=UserDialect(
            name=given.get("dialect", before.dialect.name),
            order_id=given.get("order_id", before.dialect.order_id),
            escaped_newlines=given.get("escaped_newlines", before.dialect.escaped_newlines),
            average_time=given.get("average_time", before.dialect.average_time),
        ),
        duplicate_window=given.get("duplicate_window", before.duplicate_window),
        answer=given.get("answer", before.answer),
        limits=UserLimits(
            orders_per_minute=given.get("orders_per_minute", before.limits.orders_per_minute),
            spend_per_hour=_cap(given.get("spend_per_hour"), before.limits.spend_per_hour, currency),
            spend_per_day=_cap(given.get("spend_per_day"), before.limits.spend_per_day, currency),
            adds_at_once=given.get("adds_at_once", before.limits.adds_at_once),
        ),
    )


def _cap(text: str | None, before: int, currency: str) -> int:
    """A cap of money in units; it cannot be negative, and 0 is none."""
    if text is None:
        return before
    units = parse_amount(text, scale_of(currency))
    if units < 0:
        raise BadOption(f"a cap of {text} {currency} is below nought; 0 takes the cap away")
    return units


def _file() -> ProvidersFile:
    try:
        return load_file(config_path(None), os.environ)[0]
    except SettingsError as error:
        raise BadOption(f"this needs providers.yaml, which cannot be read:\n{error}") from error


def _amount(units: int, each: Listed) -> str:
    return format_amount(units, scale_of(each.currency))
