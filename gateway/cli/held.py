"""The commands on services that wait for a person: see what changed at their provider, and accept it."""

from collections.abc import Iterable
from functools import partial
from typing import Final

import msgspec
import rich_click as click

from gateway.cli.moments import shown as moment
from gateway.cli.session import actor, command, in_books, now, printable, table
from gateway.core.errors import GatewayError
from gateway.core.holds import Held
from gateway.settings.values import split_route
from gateway.store.engine import Store
from gateway.store.holds import accept as accept_one
from gateway.store.holds import held_services

NAME_SHOWN: Final = 36  # characters
_HEAD: Final = ("service", "since", "why", "rate", "now", "name", "now")


class BadService(GatewayError):
    """What was named on the command line is no service of a provider."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a service.")
@command
def held(*, as_json: bool) -> None:
    """List what waits for a person: services of providers whose price jumped, that were gone, or are others now.

    `price` is sold at its former price while that covers cost and min_margin; `changed` and `returned` are off sale.
    Rates are the provider's, per 1000 or flat, in its currency.
    """
    found = waiting(in_books(lambda store: store.read_at_length(held_services)).values())
    if as_json:
        for each in found:
            click.echo(msgspec.json.encode(each))
        return
    if not found:
        click.echo("nothing waits")
        return
    click.echo(table(_HEAD, [_row(each) for each in found]))
    click.echo(f"{len(found)} wait; gateway catalogue accept PROVIDER/ID --reason … sells them as they are now")


@click.command()
@click.argument("services", nargs=-1, metavar="PROVIDER/ID…")
@click.option("--all-of", "provider", help="Everything of this provider that waits.")
@click.option("--reason", required=True, help="Why; it is kept with the acceptance.")
@command
def accept(services: tuple[str, ...], provider: str | None, reason: str) -> None:
    """Sell services of a provider by what its list says of them now; PROVIDER/ID as `gateway catalogue held` has it.

    Look at them first: whatever their list says at this moment is what is accepted, and printed.
    """
    if not reason.strip():
        raise click.UsageError("an acceptance needs a reason")
    if not services and provider is None:
        raise click.UsageError("name what is accepted: PROVIDER/ID, or --all-of PROVIDER")
    named = [split_route(each) for each in services]
    for (name, key), each in zip(named, services, strict=True):
        if not name or not key:
            raise BadService(f"{each} is not PROVIDER/ID, such as panel-a/101")
    done = in_books(lambda store: _accept(store, named, provider, reason=reason.strip()))
    for sold in done:
        rate = "" if sold.now_rate is None else f", {sold.now_rate:f}"
        click.echo(f"accepted: {sold.provider}/{sold.key} {printable(sold.now_name)} ({sold.now_type}{rate})")
    click.echo("running gateways sell them so within half a minute" if done else f"nothing of {provider} waits")


def waiting(found: Iterable[Held]) -> list[Held]:
    """Those of all holds that a person has to look at, the longest waiting first."""
    return sorted((each for each in found if each.waits), key=lambda each: (each.since, each.provider, each.key))


async def _accept(store: Store, named: list[tuple[str, str]], provider: str | None, *, reason: str) -> list[Held]:
    """Accept one by one, each in a transaction of its own."""
    if provider is not None:
        found = waiting((await store.read_at_length(held_services)).values())
        named = [*named, *((each.provider, each.key) for each in found if each.provider == provider)]
    done = []
    for name, key in dict.fromkeys(named):
        done.append(await store.run(partial(accept_one, name, key, actor=actor(), reason=reason, now=now())))
    return done


def _row(each: Held) -> tuple[str, ...]:
    now_rate = "" if each.now_rate is None else f"{each.now_rate:f}"
    names = (printable(each.name)[:NAME_SHOWN], printable(each.now_name)[:NAME_SHOWN])
    return (
        *(f"{each.provider}/{printable(each.key)}", moment(each.since), each.reason.value),
        *(f"{each.rate:f}", now_rate, names[0], "the same" if each.name == each.now_name else names[1]),
    )
