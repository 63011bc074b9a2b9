"""The command that compares books which were put back with the panels, and ends safe mode when a person says so."""

import os
import sys
from collections.abc import Sequence
from functools import partial

import msgspec
import rich_click as click

from gateway.actions.compare import Asker, Compared, compare
from gateway.actions.wanted import upstream_of
from gateway.cli.moments import shown
from gateway.cli.session import actor, command, config_path, in_books, now
from gateway.core.errors import GatewayError
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.settings.load import load_file
from gateway.settings.values import Provider
from gateway.store.engine import Store
from gateway.store.safety import Safety, begin, doubt_planned, end, figures, recognise

CALLS_MAX = 1000


class NotReconciled(GatewayError):
    """Safe mode cannot be begun or ended as it was asked for; the message says why."""


@click.command()
@click.option("--reason", help="Why it may end: who looked, and at what. Without it nothing but a report is made.")
@click.option(
    "--without", multiple=True, metavar="PROVIDER", help="One that cannot be asked; you looked there yourself."
)
@click.option("--calls", type=click.IntRange(4, CALLS_MAX), help="Calls to each panel; its probe_calls_max otherwise.")
@click.option("--yes", is_flag=True, help="End it without being asked again.")
@click.option(
    "--begin", "begins", is_flag=True, help="Begin safe mode instead, after books were put back by other means."
)
@command
def reconcile(*, reason: str | None, without: tuple[str, ...], calls: int | None, yes: bool, begins: bool) -> None:
    """Compare books that were put back with the panels; with --reason, end safe mode after that.

    Asks each panel about the ids above our last known order. What answers under our key and is in no order of these
    books was ordered after the backup: it is listed, kept as nobody's, and nothing is booked for it. What was planned
    or in doubt stays in doubt, for `gateway unknown`. Exit code 2 while safe mode lasts.
    """
    if reason is not None and not (reason.strip() and reason.isprintable()):
        raise NotReconciled("a reason is a line of text")
    if begins:
        _begin(reason)
        return
    providers = load_file(config_path(None), os.environ)[0].providers
    for name in without:
        if name not in providers:
            raise NotReconciled(f"there is no provider {name} in providers.yaml")
    safety, compared, open_orders = in_books(lambda store: _compare(store, providers, without, calls=calls))
    if not safety.on:
        click.echo("these books are not in safe mode; there is nothing to reconcile")
        return
    for line in _report(safety, compared, open_orders):
        click.echo(line)
    unseen = [each.provider for each in compared if each.cannot]
    if reason is None:
        click.echo(
            "\nsafe mode lasts; to end it: gateway reconcile --reason …" + "".join(f" --without {n}" for n in unseen)
        )
        sys.exit(2)
    if unseen:
        raise NotReconciled(
            f"not compared with {', '.join(unseen)}: try again, or look there yourself and name "
            + " ".join(f"--without {name}" for name in unseen)
        )
    if not yes and not click.confirm("\nend safe mode: what was planned becomes unknown, new orders are placed"):
        sys.exit(2)
    found = {each.provider: sorted(each.lost) for each in compared} | dict.fromkeys(without, "not compared")
    doubted = in_books(lambda store: _end(store, reason.strip(), msgspec.json.encode(found).decode()))
    click.echo(
        f"safe mode is over; {doubted} order{'' if doubted == 1 else 's'} that had been planned: gateway unknown list"
    )


def _begin(reason: str | None) -> None:
    if reason is None:
        raise NotReconciled("--begin needs a --reason")

    async def run(store: Store) -> bool:
        begun = await store.run(partial(begin, reason.strip(), actor=actor(), now=now()))
        await store.run(partial(recognise, actor=actor(), now=now()))
        return begun

    if not in_books(run):
        raise NotReconciled("these books are in safe mode already")
    click.echo("safe mode: running gateways place nothing within seconds, until `gateway reconcile` ends it")


async def _compare(
    store: Store, providers: dict[str, Provider], without: Sequence[str], *, calls: int | None
) -> tuple[Safety, list[Compared], dict[str, int]]:
    safety = await store.run(partial(recognise, actor=actor(), now=now()))
    compared: list[Compared] = []
    for name, provider in providers.items() if safety.on else ():
        if name in without:
            continue
        client = ProviderClient(upstream_of(name, provider), Metrics())
        asker = Asker(
            owner=f"{actor()}:{os.getpid()}",
            known_until=safety.known_until,
            calls_max=calls or provider.unknown.probe_calls_max,
            now=now(),
        )
        try:
            click.echo(f"asking {name} …", err=True)
            compared.append(await compare(store, client, provider.unknown, asker=asker))
        finally:
            await client.aclose()
    return safety, compared, await store.read(figures)


async def _end(store: Store, reason: str, found: str) -> int:
    """What was planned is doubted first: whoever sees the end of safe mode finds nothing to send."""
    doubted = 0
    while True:
        more = await store.run(partial(doubt_planned, actor=actor(), now=now()))
        doubted += more
        if not more:
            break
    await store.run(partial(end, actor=actor(), reason=reason, found=found, now=now()))
    return doubted


def _report(safety: Safety, compared: Sequence[Compared], open_orders: dict[str, int]) -> list[str]:
    known = shown(safety.known_until)
    lines = [f"safe mode: {safety.reason}", f"these books know what happened until {known} UTC"]
    lines += [
        f"{open_orders.get('reserved', 0)} orders were planned then and may have been sent since: they become unknown"
    ]
    doubtful = open_orders.get("unknown", 0) + open_orders.get("placing", 0)
    lines += [f"{doubtful} were on their way or in doubt, {open_orders.get('active', 0)} are followed as before"]
    lines += [f"users, keys, credits and settings made after {known} are gone: make them again by their references"]
    for each in compared:
        lines += ["", *_of_one(each, known)]
    return lines


def _of_one(each: Compared, known: str) -> list[str]:
    lines = []
    if each.cannot:
        lines.append(f"{each.provider}: NOT compared: {each.cannot}")
        lines.append(f"  look at its own list of your orders since {known} UTC")
    else:
        lost = f"{len(each.lost)} order{'' if len(each.lost) == 1 else 's'} of yours that these books do not know"
        lines.append(f"{each.provider}: asked about its ids {each.first} to {each.last}: {lost}")
        lines += [f"  {number}: {said}" for number, said in each.lost.items()]
        if each.more:
            lines.append("  the last ids asked about were yours: there may be more, ask with more --calls")
    if each.money is not None:
        money = each.money
        lines.append(
            f"  our balance there: {money.before:f} {money.currency} at {shown(money.before_at)}, {money.after:f} now; "
            f"{money.known:f} of it for known orders, {money.residual:f} unexplained"
        )
    return lines
