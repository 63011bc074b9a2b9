"""The command that prints what is sold: our id and name, from whom, at which cost, rate and margin; and what waits."""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec
import rich_click as click

from gateway.actions.wanted import upstream_of, wanted_of
from gateway.cli.held import accept, held, waiting
from gateway.cli.session import command, config_path, in_books, now, printable, table
from gateway.core.catalogue import EVERYBODY, Catalogue, Route, Service, build_catalogue, missing_ids
from gateway.core.duration import write_duration
from gateway.core.errors import GatewayError
from gateway.core.holds import Held
from gateway.core.messages import ServicesReply, ServicesRequest
from gateway.core.money import format_amount, scale_of
from gateway.core.provider import ProviderList, normalise
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.settings.load import load_file
from gateway.settings.values import ProvidersFile
from gateway.store.engine import Store
from gateway.store.figures import read_paces
from gateway.store.holds import held_services
from gateway.store.services import allotted_ids, kept_lists

# Stand-ins for the ids of services whose real ones will be allotted when the gateway itself takes up the list: beyond
# 2^31, where no id of ours is.
NO_ID = 2**31
NAME_SHOWN = 44  # characters

_HEAD = ("id", "name", "type", "takes", "provider", "service", "cost", "rate", "margin", "%", "rule")


class NothingKnown(GatewayError):
    """There is nothing to print; the message says what to do."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One route of one service; amounts are plain decimals of our currency, per 1000 or flat."""

    id: int | None  # None for a service that has none yet
    name: str
    type: str
    category: str
    provider: str
    service: str  # the provider's own id
    cost: str
    rate: str
    margin: str
    margin_percent: str
    rule: str
    currency: str
    sold: bool  # False where the rate leaves no margin over this route's cost, so that orders pass it over
    says_seconds: int | None  # how long an order takes, as the first route's panel says
    took_seconds: int | None  # how long those of the last days took that were completed, by our own books
    held: str | None  # why it waits for a person, and is sold at its former price meanwhile


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the books have of providers' lists."""

    lists: Mapping[str, ProviderList | None]
    ids: dict[tuple[str, str], int]  # of ours, by provider and its own id
    holds: dict[tuple[str, str], Held]  # what waits for a person
    paces: dict[int, int]  # seconds that orders took lately, by our service


@click.group(invoke_without_command=True)
@click.option("--fetch", is_flag=True, help="Ask the providers now; otherwise the lists the gateway has kept.")
@click.option("--tier", default=EVERYBODY, help="The rates of this tier; everybody's otherwise.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a service and route.")
@click.pass_context
@command
def catalogue(context: click.Context, /, *, fetch: bool, tier: str, as_json: bool) -> None:
    """Print what is sold: id, name, providers, cost, rate and margin; all amounts in our currency, per 1000 or flat."""
    if context.invoked_subcommand is not None:
        return
    file, _ = load_file(config_path(None), os.environ)
    if tier and tier not in file.tiers:
        raise NothingKnown(f"there is no tier {tier} in providers.yaml")
    kept = in_books(kept_in_books)
    wanted = wanted_of(file)
    known = asyncio.run(_fetched(file)) if fetch else usable_lists(file, kept.lists)
    if not known:
        raise NothingKnown("no provider's list is known yet: start the gateway once, or say --fetch")
    fresh = {service: NO_ID + number for number, service in enumerate(missing_ids(wanted, known, kept.ids))}
    made = build_catalogue(wanted, known, {**kept.ids, **fresh}, held=kept.holds)
    if as_json:
        for service in made.services:
            for line in _lines(made, service, tier=tier, kept=kept):
                click.echo(json.dumps(msgspec.to_builtins(line), ensure_ascii=False))
    else:
        rows = [
            _row(line, first=n == 0)
            for each in made.services
            for n, line in enumerate(_lines(made, each, tier=tier, kept=kept))
        ]
        click.echo(table(_HEAD, rows))
        click.echo(f"{len(made.services)} services in {made.currency}, generation {made.generation}")
        for told in _lacking(file):
            click.echo(told)
    for name in made.missing:
        click.echo(f"no list of {name} is known", err=True)
    for what in made.left_out:
        click.echo(f"left out: {printable(what)}", err=True)
    wait = len(waiting(kept.holds.values()))
    if wait:
        click.echo(f"{wait} services of providers wait for a person: gateway catalogue held", err=True)


catalogue.add_command(held)
catalogue.add_command(accept)


def _lacking(file: ProvidersFile) -> Iterable[str]:
    """What each provider in use cannot do, as its dialect says."""
    for name, provider in file.providers.items():
        if provider.enabled and provider.dialect.lacks:
            yield f"{name} speaks {provider.dialect.preset}, without {', '.join(provider.dialect.lacks)}"


def _lines(made: Catalogue, service: Service, *, tier: str, kept: Kept) -> Iterable[Line]:
    """A line for each route, best first."""
    scale = scale_of(made.currency)
    rate = service.rates.get(tier, service.rates[EVERYBODY])

    def line(route: Route) -> Line:
        cost = route.price.cost
        hold = kept.holds.get((route.provider, route.service))
        return Line(
            id=service.id if service.id < NO_ID else None,
            name=service.name,
            type=service.type,
            category=service.category,
            provider=route.provider,
            service=route.service,
            cost=format_amount(cost, scale),
            rate=format_amount(rate, scale),
            margin=format_amount(rate - cost, scale),
            margin_percent=f"{Decimal(rate - cost) * 100 / cost:.1f}" if cost else "",
            rule=route.price.rule,
            currency=made.currency,
            sold=route.price.floor <= rate,
            says_seconds=service.average_seconds,
            took_seconds=kept.paces.get(service.id),
            held=hold.why if hold is not None and hold.waits else None,
        )

    return map(line, service.routes)


def _row(line: Line, *, first: bool) -> tuple[str, ...]:
    """A line of the table; the service's own words stand on its first route only."""
    number = "new" if line.id is None else str(line.id)
    words = (number, printable(line.name)[:NAME_SHOWN], line.type, _takes(line)) if first else ("", "", "", "")
    rule = line.rule if line.sold else f"{line.rule}, passed over: no margin"
    rule = rule if line.held is None else f"{rule}, HELD: {line.held}"
    figures = (line.cost, line.rate, line.margin, line.margin_percent)
    return (*words, line.provider, line.service, *figures, printable(rule))


def _takes(line: Line) -> str:
    """How long an order takes: by our own books where they know, else as its panel says."""
    if line.took_seconds is not None:
        return write_duration(line.took_seconds)
    return "" if line.says_seconds is None else f"says {write_duration(line.says_seconds)}"


def usable_lists(file: ProvidersFile, kept: Mapping[str, ProviderList | None]) -> dict[str, ProviderList]:
    """The lists of providers in use that were read as the settings say now."""
    usable: dict[str, ProviderList] = {}
    for name, provider in file.providers.items():
        found = kept.get(name)
        comma = provider.dialect.decimal_comma
        if provider.enabled and found is not None and found.read_as(provider.rate_per, decimal_comma=comma):
            usable[name] = found
    return usable


async def kept_in_books(store: Store) -> Kept:
    """What the books have of providers' lists."""
    return Kept(
        lists=await store.read_at_length(kept_lists),
        ids=await store.read_at_length(allotted_ids),
        holds=await store.read_at_length(held_services),
        paces=await store.read_at_length(read_paces),
    )


async def _fetched(file: ProvidersFile) -> dict[str, ProviderList]:
    """The lists of all enabled providers, asked for at once; a failure is told and leaves its provider out."""

    async def one(name: str) -> ProviderList | None:
        provider = file.providers[name]
        client = ProviderClient(upstream_of(name, provider), Metrics())
        try:
            said = await client.ask(ServicesRequest())
        finally:
            await client.aclose()
        if isinstance(said, ServicesReply):
            comma = provider.dialect.decimal_comma
            return normalise(name, said, fetched_at=now(), rate_per=provider.rate_per, decimal_comma=comma)
        why = getattr(said, "why", None) or getattr(said, "error", None) or type(said).__name__
        click.echo(f"{name}: {printable(why)}", err=True)
        return None

    names = [name for name, provider in file.providers.items() if provider.enabled]
    found = await asyncio.gather(*(one(name) for name in names))
    return {each.provider: each for each in found if each is not None}
