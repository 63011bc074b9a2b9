"""The commands on orders in doubt: see them, and settle what only a person can."""

import os
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec
import rich_click as click

from gateway.actions.probe import LOOK, Cannot, View, ask_about, in_words, judge, ripe, view_of
from gateway.actions.resolve import in_short
from gateway.actions.wanted import upstream_of
from gateway.cli.session import actor, command, config_path, in_books, now, printable, table
from gateway.core.errors import GatewayError
from gateway.core.exchange import read_exchange
from gateway.core.money import format_amount, scale_of
from gateway.core.order import OrderState
from gateway.core.resolve import Leave
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.settings.load import load_file
from gateway.settings.values import Provider, ProvidersFile
from gateway.store.attempts import Decided
from gateway.store.brakes import claim_job, release_brake, return_job
from gateway.store.engine import Query, Steps, Store
from gateway.store.history import life_of
from gateway.store.readings import Equation, equation
from gateway.store.unknown import (
    NotInDoubt,
    OpenDoubt,
    Strange,
    Word,
    accept_by_hand,
    all_doubts,
    deny_by_hand,
    give_back_by_hand,
    strange_ids,
)

SHOWN_CHARS: Final = 60  # of a reason, in a row of the list
_ID_CHARS_MAX: Final = 64
_REASON = click.option("--reason", required=True, help="Why; it is kept with the order.")


class BadAnswer(GatewayError):
    """What was said on the command line cannot be taken; the message says why."""


@click.group()
def unknown() -> None:
    """Orders nobody can tell the outcome of: the charge is held, and nothing is sent again."""


@unknown.command("list")
@command
def list_all() -> None:
    """All of them, the longest in doubt first; then the brakes that are on and ids that are nobody's."""
    doubts, brakes, strange = in_books(_overview)
    if doubts:
        rows = [
            (
                *(str(each.attempt.order_id), each.attempt.provider, _age(each.sending_at), _amount(each)),
                *("refunded" if each.refunded_at is not None else "held", _short(each.note or each.reason)),
            )
            for each in doubts
        ]
        click.echo(table(("order", "provider", "age", "charge", "money", "what is known"), rows))
    else:
        click.echo("nothing is in doubt")
    for provider, why in brakes:
        click.echo(f"\n{provider} gets no new orders: {why}; gateway unknown release {provider} --reason …")
    if strange:
        click.echo("\nids that answer under our key and are in no order of ours:")
        found = [(each.provider, each.upstream_order, each.said) for each in strange]
        click.echo(table(("provider", "its id", "what it says"), found))


@unknown.command("show")
@click.argument("order", type=click.IntRange(1, 2**31 - 1))
@command
def show(order: int) -> None:
    """Everything that is known of ORDER: what was asked, what came back, where it may be, what hangs on it."""
    doubt, fields, balance = in_books(lambda store: _one(store, order))
    route = f"{doubt.attempt.provider}/{doubt.attempt.provider_service}"
    state = {OrderState.UNKNOWN: "held", OrderState.CANCELED: "refunded to the user from our own pocket"}
    lines = [
        ("order", f"{order}, attempt {doubt.attempt.n} at {route}"),
        ("in doubt for", f"{_age(doubt.sending_at)} (the order is {_age(doubt.created_at)} old)"),
        ("reason", doubt.reason),
        ("charge", f"{_amount(doubt)}, {state.get(doubt.order_state, doubt.order_state)}"),
        ("cost", f"{doubt.cost:f} {doubt.cost_currency}"),
        ("quantity", str(doubt.quantity)),
        *(("field", f"{name}: {_short(value)}") for name, value in fields),
        ("cancel", "asked for by the user" if doubt.cancel_requested else "not asked for"),
        ("quarantine", "over" if doubt.quarantined is not None else "not over, or nobody watches"),
        ("its id", _window(doubt)),
        *(("may be", f"{number}: {said}") for number, said in doubt.found),
        ("last look", f"{_age(doubt.looked_at)} ago: {doubt.note}" if doubt.looked_at else "none"),
        ("balance", _told(balance, doubt.cost)),
    ]
    for label, value in lines:
        click.echo(f"{label:<13} {printable(value)}")
    if doubt.evidence is not None:
        click.echo(_exchange(doubt.evidence))


@unknown.command("probe")
@click.argument("provider")
@command
def probe(provider: str) -> None:
    """Look at PROVIDER for its orders in doubt now; says what follows from it, and changes nothing."""
    rules = _file().providers.get(provider)
    if rules is None:
        raise BadAnswer(f"there is no provider {provider} in providers.yaml")
    for line in in_books(lambda store: _probe(store, provider, rules)):
        click.echo(printable(line))


@unknown.command("accept")
@click.argument("order", type=click.IntRange(1, 2**31 - 1))
@click.option("--upstream-id", required=True, help="The id the panel has it under.")
@_REASON
@command
def accept(order: int, upstream_id: str, reason: str) -> None:
    """The panel has ORDER: its charge is ours, and it is followed from now on."""
    if not (upstream_id.isascii() and upstream_id.isprintable() and 0 < len(upstream_id.strip()) <= _ID_CHARS_MAX):
        raise BadAnswer(f"an id of a panel has 1 to {_ID_CHARS_MAX} printable characters")
    word = _word(reason)
    decided = _run(partial(accept_by_hand, order, upstream_id.strip(), word, now=now()))
    if decided.state is OrderState.CANCELED:
        click.echo(f"order {order} was placed as {upstream_id}; its user was refunded before, so the cost is a loss")
    else:
        click.echo(f"order {order} is followed as {upstream_id}; its charge is captured")
    if decided.cancel is not None:
        click.echo(f"nobody wants it any more: a running gateway tells the panel to cancel {decided.cancel}")


@unknown.command("not-placed")
@click.argument("order", type=click.IntRange(1, 2**31 - 1))
@_REASON
@command
def not_placed(order: int, reason: str) -> None:
    """The panel never had ORDER: it is placed again if it is young enough, else the charge goes back to the user."""
    word, file = _word(reason), _file()
    (doubt,) = in_books(lambda store: store.read(partial(all_doubts, order))) or (None,)
    if doubt is None:
        raise NotInDoubt(f"order {order} has no attempt in doubt")
    provider = file.providers.get(doubt.attempt.provider)
    minutes = provider.unknown.replace_minutes if provider is not None else Decimal(0)
    decided = _run(partial(deny_by_hand, order, word, replace_ms=int(minutes * 60_000), now=now()))
    match decided.state:
        case OrderState.RESERVED:
            where = decided.next.provider if decided.next is not None else "a provider"
            click.echo(f"order {order} goes to {where} as soon as a gateway runs")
        case OrderState.FAILED:
            click.echo(f"order {order} has ended; its charge is given back")
        case _:
            click.echo(f"order {order} was not placed; its user was refunded before")


@unknown.command("refund")
@click.argument("order", type=click.IntRange(1, 2**31 - 1))
@_REASON
@command
def refund(order: int, reason: str) -> None:
    """Give the user of ORDER the charge back from our own pocket; whether it was placed stays open."""
    word = _word(reason)
    in_books(lambda store: store.run(partial(give_back_by_hand, order, word, now=now())))
    click.echo(f"order {order} is canceled and refunded; if it turns out placed, its cost is a loss")


@unknown.command("release")
@click.argument("provider")
@_REASON
@command
def release(provider: str, reason: str) -> None:
    """Let new orders go to PROVIDER again although orders are in doubt there."""
    word = _word(reason)
    work = partial(release_brake, provider, actor=word.actor, reason=word.reason, now=now())
    in_books(lambda store: store.run(work))
    click.echo(f"{provider} gets orders again; what is in doubt now does not stop it any more")


async def _probe(store: Store, provider: str, rules: Provider) -> list[str]:
    """One look as the gateway does it; what takes two looks, the gateway alone can prove."""
    owner = f"{actor()}:{os.getpid()}"
    client = ProviderClient(upstream_of(provider, rules), Metrics())

    async def hold() -> bool:
        return await store.run(partial(claim_job, provider, LOOK, owner))

    try:
        if not await hold():
            raise BadAnswer(
                f"somebody else is looking at {provider} right now; `gateway unknown show` has what it finds"
            )
        view = await view_of(store, client, rules.unknown)
        seen = await ask_about(client, view, rules.unknown, go_on=hold) if isinstance(view, View) else view
        if isinstance(seen, Cannot) or isinstance(view, Cannot):
            why = seen.why if isinstance(seen, Cannot) else ""
            raise BadAnswer(f"looking at {provider} proves nothing: {why}")
        judged = await judge(store, client, (view, seen), rules=rules.unknown, denials=lambda _: {})
    finally:
        await store.run(partial(return_job, provider, LOOK, owner))
        await client.aclose()
    asked = len(view.ids) + len(view.gaps) + len(view.ends)
    lines = [f"asked about {asked} ids in {seen.calls} calls, {len(seen.denied)} denied"]
    lines += [f"{number} is in no order of ours: {in_words(said)}" for number, said in sorted(judged.lost.items())]
    if judged.foreign:
        lines.append("somebody else orders with this key, so nothing that is found is taken as ours")
    for verdict in judged.settled.verdicts:
        doubt = judged.doubts[verdict.attempt]
        ready = "" if ripe(doubt) or not isinstance(verdict, Leave) else " (its quarantine is not over)"
        lines.append(f"order {doubt.attempt.order_id}: {in_short(verdict)}{ready}")
    return lines


def _run(work: partial[Steps[Decided]]) -> Decided:
    return in_books(lambda store: store.run(work))


async def _overview(
    store: Store,
) -> tuple[tuple[OpenDoubt, ...], tuple[tuple[str, str], ...], tuple[Strange, ...]]:
    doubts = await store.read(all_doubts)
    return doubts, await store.read(_brakes), await store.read(strange_ids)


def _brakes() -> Steps[tuple[tuple[str, str], ...]]:
    rows = yield Query("brakes_on")
    return tuple((row["provider"], row["reason"]) for row in rows)


async def _one(store: Store, order: int) -> tuple[OpenDoubt, tuple[tuple[str, str], ...], Equation | None]:
    """The doubt, what was asked for, and the balances around it; read without a lock, by whoever may read."""
    life = await store.read_at_length(partial(life_of, order))
    doubts = await store.read(partial(all_doubts, order))
    if not doubts:
        raise NotInDoubt(f"order {order} has no attempt in doubt")
    fields = msgspec.json.decode(life.order.fields, type=tuple[tuple[str, str], ...])
    around = partial(equation, doubts[0].attempt.provider, before=doubts[0].sending_at)
    return doubts[0], fields, await store.read(around)


def _word(reason: str) -> Word:
    if not reason.strip() or not reason.isprintable():
        raise BadAnswer("a reason is a line of text")
    return Word(actor=actor(), reason=reason.strip())


def _file() -> ProvidersFile:
    return load_file(config_path(None), os.environ)[0]


def _window(doubt: OpenDoubt) -> str:
    if doubt.lo is None:
        return "where it would lie is not known"
    return f"above {doubt.lo}" + (f" and below {doubt.hi}" if doubt.hi is not None else "")


def _told(found: Equation | None, cost: Decimal) -> str:
    """The balance equation in words; it proves nothing, panels lose updates themselves."""
    if found is None:
        return "no readings from before and after"
    told = (
        f"{found.before:f} before, {found.after:f} at the last reading, {found.known:f} of it for {found.orders} "
        f"known orders: {found.residual:f} {found.currency} is unexplained"
    )
    if found.residual < 0:
        return f"{told} (a deposit or a refund came in between)"
    near = "speaks for placed" if abs(found.residual - cost) <= cost / 50 else "speaks for neither"
    return f"{told} ({'speaks for not placed' if found.residual <= cost / 50 else near}; no proof)"


def _exchange(evidence: str) -> str:
    try:
        kept = msgspec.to_builtins(read_exchange(evidence))
    except msgspec.DecodeError:
        return f"exchange      {printable(evidence)}"
    return "\n".join(f"{'exchange':<13} {name}: {printable(str(value))}" for name, value in kept.items())


def _amount(doubt: OpenDoubt) -> str:
    return f"{format_amount(doubt.charge, scale_of(doubt.currency))} {doubt.currency}"


def _age(since: int | None) -> str:
    minutes = max(now() - (since or now()), 0) // 60_000
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else f"{line[: SHOWN_CHARS - 1]}…"
