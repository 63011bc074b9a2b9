"""The commands on orders: find them, and tell the whole life of one on a screen."""

from functools import partial
from typing import Any, Final

import msgspec
import rich_click as click

from gateway.cli.moments import Moment, shown
from gateway.cli.session import command, in_books, table
from gateway.core.attempt import AttemptState
from gateway.core.error_type import of_history
from gateway.core.exchange import Exchange
from gateway.core.money import format_amount, scale_of
from gateway.core.order import OrderState
from gateway.core.routing import PlannedRoute
from gateway.store.history import ORDERS_LISTED_MAX, AttemptTold, Life, OrderTold, Wanted, life_of, list_orders

# Characters of a value that was sent, or of an answer, on the screen; --json has them as they were kept.
_SHOWN_CHARS: Final = 100
_LABEL: Final = 11  # the width of the left column


@click.group()
def order() -> None:
    """Orders: find them, and see what became of one and why."""


@order.command("list")
@click.option("--user", help="Only this user's.")
@click.option("--state", type=click.Choice([state.value for state in OrderState]), help="Only those in this state.")
@click.option("--review", is_flag=True, help="Only those a person should look at.")
@click.option("--since", type=Moment(), default=0, help="Only those stored from then on: 24h, 2026-01-31.")
@click.option("--limit", type=click.IntRange(1, ORDERS_LISTED_MAX), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON array; amounts in units.")
@command
def list_all(*, as_json: bool, **wanted: Any) -> None:
    """Orders, the newest first."""
    listed = in_books(lambda store: store.read_at_length(partial(list_orders, Wanted(**wanted))))
    if as_json:
        click.echo(msgspec.json.encode(listed))
        return
    rows = [
        (
            *(str(each.id), shown(each.created_at), each.user_name, str(each.service_id), str(each.quantity)),
            *(_amount(each.charge, each.currency), _amount(each.refunded, each.currency), each.currency),
            *(each.state, each.review or "–"),
        )
        for each in listed
    ]
    head = ("order", "time", "user", "service", "quantity", "charge", "refunded", "currency", "state", "review")
    click.echo(table(head, rows))
    if len(listed) == wanted["limit"]:
        click.echo(f"the newest {len(listed)}; --limit shows more", err=True)


@order.command("show")
@click.argument("number", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object; amounts in units.")
@command
def show(number: int, *, as_json: bool) -> None:
    """The life of an order: what was asked, the price, the routes, each attempt, money, polls, refills, events.

    Of a subscription also the orders that its panel made for it.
    """
    life = in_books(lambda store: store.read_at_length(partial(life_of, number)))
    if as_json:
        click.echo(msgspec.json.encode(life))
        return
    for part in (_asked, _routes, _attempts, _money, _after, _events):
        for line in part(life):
            click.echo(line)


def _asked(life: Life) -> list[str]:
    told = life.order
    fields = msgspec.json.decode(told.fields, type=tuple[tuple[str, str], ...])
    lines = [
        f"order {told.id} of {told.user_name}: {told.state}, shown as {told.shown}",
        _line(
            "asked", f"service {told.service_id} ({told.type}), {told.quantity} pieces, {shown(told.created_at)} UTC"
        ),
        *(_line("", f"{name} = {_cut(value)}") for name, value in fields),
        _line("price", _price(told)),
        _line("delivered", f"start count {_or_dash(told.start_count)}, remains {_or_dash(told.remains)}"),
        _line("answered", _answered(told)),
    ]
    for label, value in (("key", told.idem_key), ("failure", told.failure), ("REVIEW", told.review)):
        if value is not None:
            lines.append(_line(label, value))
    return lines + _cancel(life)


def _cancel(life: Life) -> list[str]:
    """Whether it was asked for, and how far its panel was told; not told yet is told as well."""
    asked, told = life.order.cancel_requested_at, life.cancel
    lines = [] if asked is None else [_line("cancel", f"asked for {shown(asked)}")]
    if told is None:
        last = life.attempts[-1].state if life.attempts else ""
        if asked is not None and last in (AttemptState.SENDING, AttemptState.UNKNOWN):
            lines.append(_line("", "its panel is told once it is known to have the order"))
        return lines
    times = {0: "not told yet", 1: "told"}.get(told.sends, f"told {told.sends} times")
    at = "" if told.sent_at is None or not told.sends else f" {shown(told.sent_at)}"
    if told.answer is not None and told.answered_at is not None:
        said = f"{told.answer} {shown(told.answered_at)}"
    elif told.due_at is not None:
        said = f"owed since {shown(told.created_at)}, {'again' if told.sends else 'next'} from {shown(told.due_at)} on"
    else:
        said = "nothing was heard, and it is told no more"
    label = "cancel" if asked is None else ""
    return [*lines, _line(label, f"{told.provider} as {told.upstream_order}: {times}{at}, {said}")]


def _price(told: OrderTold) -> str:
    rate, charge = _amount(told.rate, told.currency), _amount(told.charge, told.currency)
    refunded = f", refunded {_amount(told.refunded, told.currency)}" if told.refunded else ""
    return f"rate {rate} by the rule {told.rule}, charge {charge} {told.currency}{refunded}"


def _answered(told: OrderTold) -> str:
    replays = f", given again {told.replays} times" if told.replays else ""
    if told.answered_at is not None:
        return f"{shown(told.answered_at)}{replays}"
    if told.unheard_at is not None:
        return f"the caller was gone {shown(told.unheard_at)}{replays}"
    return f"not that we know{replays}"


def _routes(life: Life) -> list[str]:
    routes = msgspec.json.decode(life.order.routes, type=tuple[PlannedRoute, ...])
    tried = {(each.provider, each.provider_service) for each in life.attempts}
    lines = ["", "routes"]
    for n, route in enumerate(routes, 1):
        word = "tried" if (route.provider, route.service) in tried else "in reserve"
        cost = f"costs {route.cost:f} {route.currency} at {route.exchange_rate:f}"
        lines.append(f"  {n}. {route.provider}/{route.service}  {word}, {cost}")
    reserved = next((each for each in life.events if each.kind == "order.reserved"), None)
    passed = (reserved.reason or "") if reserved is not None else ""
    lines += [f"  –  {each}" for each in passed.split("; ") if each]
    return lines


def _attempts(life: Life) -> list[str]:
    lines = ["", "attempts"]
    for each in life.attempts:
        accepted = f" as {each.upstream_order}" if each.upstream_order else ""
        lines.append(f"  {each.n}. {each.provider}/{each.provider_service}  {each.state}{accepted}")
        lines.append(_deep("times", _times(each)))
        lines.append(_deep("cost", f"{each.cost} {each.currency}, by {each.owner}"))
        if each.not_before is not None and each.state == AttemptState.PLANNED:
            lines.append(_deep("waits", _waits(each.not_before, each.waits_for)))
        fault = of_history(AttemptState(each.state), each.reason or "", each.exchange)
        if fault is not None:
            lines.append(_deep("fault", fault))
        if each.reason:
            lines.append(_deep("reason", _cut(each.reason)))
        if each.exchange is not None:
            lines += _exchange(each.exchange)
    return lines


def _waits(not_before: int, holder: int | None) -> str:
    if holder is None:
        return f"for its link to come free there; asked again at {shown(not_before)}"
    return f"for order {holder}, which has its link there, to end; sent at {shown(not_before)} at the latest"


def _times(each: AttemptTold) -> str:
    parts = [f"planned {shown(each.created_at)}"]
    if each.sending_at is not None:
        parts.append(f"armed +{each.sending_at - each.created_at} ms")
    if each.resolved_at is not None:
        parts.append(f"decided +{each.resolved_at - each.created_at} ms")
    return ", ".join(parts)


def _exchange(told: Exchange) -> list[str]:
    asked = ", ".join(f"{name}={_cut(value)}" for name, value in told.asked)
    lines = [_deep("sent" if told.sent else "not sent", f"service={told.service}, {asked}")]
    if told.status is not None:
        whole = "" if told.complete else ", cut off"
        about = f"HTTP {told.status} {told.content_type or 'without a content type'}, {told.body_bytes} bytes{whole}"
        lines.append(_deep("answer", about))
        if told.body:
            lines.append(_deep("", _cut(told.body)))
    if told.failure:
        lines.append(_deep("failure", _cut(told.failure)))
    if told.trace:
        lines.append(_deep("trace", told.trace))
    return lines


def _money(life: Life) -> list[str]:
    lines = ["", "money"]
    for each in life.transfers:
        amount = f"{_amount(each.amount, each.currency)} {each.currency}"
        lines.append(f"  {shown(each.created_at)}  {each.kind:<8} {amount}  {each.source} → {each.dest}  {each.tx_key}")
    return lines


def _after(life: Life) -> list[str]:
    lines = []
    if life.poll is not None:
        misses = f", nothing heard {life.poll.misses} times in a row" if life.poll.misses else ""
        lines += ["", f"polled     {life.poll.provider} is asked about {life.poll.upstream_order} next at"]
        lines[-1] += f" {shown(life.poll.due_at)}{misses}"
    if life.children:
        lines += ["", "made by its panel"]
    for child in life.children:
        heard = f"{child.status}, charge {child.charge or 'not known'}" if child.status else "nothing heard of it yet"
        misses = f", nothing heard {child.misses} times in a row" if child.misses else ""
        following = f"asked about next at {shown(child.due_at)}" if child.due_at is not None else "asked about no more"
        lines.append(f"  {child.provider}/{child.upstream_order}  {heard}, {following}{misses}")
    if life.refills:
        lines += ["", "refills"]
    for each in life.refills:
        upstream = f" as {each.upstream_refill}" if each.upstream_refill else ""
        lines.append(f"  {each.id}  {each.provider}{upstream}  {each.state}, shown as {each.shown}")
        lines.append(_deep("times", f"asked {shown(each.created_at)}, last {shown(each.updated_at)}"))
    return lines


def _events(life: Life) -> list[str]:
    lines = ["", "events"]
    for each in life.events:
        lines.append(f"  {shown(each.created_at)}  {each.kind:<18} by {each.actor}")
        changes = _changes(each.before, each.after)
        if changes:
            lines.append(_deep("", changes))
        if each.reason:
            lines.append(_deep("", _cut(each.reason)))
    return lines


def _changes(before: str | None, after: str | None) -> str:
    """What an event changed: each value that is another one after it."""
    was, now = _values(before), _values(after)
    return ", ".join(
        f"{name} {was[name]} → {now.get(name, '–')}" if name in was else f"{name} {now[name]}"
        for name in {**was, **now}
        if was.get(name) != now.get(name)
    )


def _values(text: str | None) -> dict[str, object]:
    """The values of one side of an event, which is a JSON object or a single value."""
    value = {} if text is None else msgspec.json.decode(text)
    return value if isinstance(value, dict) else {"value": value}


def _line(label: str, value: str) -> str:
    return f"{label:<{_LABEL}}{value}".rstrip()


def _deep(label: str, value: str) -> str:
    return f"     {label:<9}{value}".rstrip()


def _cut(value: str) -> str:
    """A text on one line, short; what a panel or a user sent draws nothing on a terminal."""
    flat = "".join(each if each.isprintable() else "·" for each in value)
    return flat if len(flat) <= _SHOWN_CHARS else f"{flat[:_SHOWN_CHARS]}…"


def _or_dash(number: int | None) -> str:
    return "–" if number is None else str(number)


def _amount(units: int, currency: str) -> str:
    return format_amount(units, scale_of(currency))
