"""The command that prints what is sold: our id and name, from whom, at which cost, rate and margin."""

import asyncio
import json
import os
from collections.abc import Sequence
from decimal import Decimal

import rich_click as click

from gateway.actions.wanted import upstream_of, wanted_of
from gateway.cli.session import command, config_path, in_books, now, table
from gateway.core.catalogue import EVERYBODY, Catalogue, Service, build_catalogue, missing_ids
from gateway.core.errors import GatewayError
from gateway.core.messages import ServicesReply, ServicesRequest
from gateway.core.money import format_amount, scale_of, to_decimal
from gateway.core.provider import ProviderList, normalise
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.settings.load import load_file
from gateway.settings.values import ProvidersFile
from gateway.store.services import allotted_ids, kept_lists

# Shown for an imported service whose id will only be allotted when the gateway itself takes up the list.
NO_ID = 2**31 - 1
NAME_SHOWN = 44  # characters


class NothingKnown(GatewayError):
    """There is nothing to print; the message says what to do."""


@click.command()
@click.option("--fetch", is_flag=True, help="Ask the providers now; otherwise the lists the gateway has kept.")
@click.option("--tier", default=EVERYBODY, help="The rates of this tier; everybody's otherwise.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a service and route.")
@command
def catalogue(*, fetch: bool, tier: str, as_json: bool) -> None:
    """Print what is sold: id, name, providers, cost, rate and margin; all amounts in our currency, per 1000 or flat."""
    file, _ = load_file(config_path(None), os.environ)
    if tier and tier not in file.tiers:
        raise NothingKnown(f"there is no tier {tier} in providers.yaml")
    lists = asyncio.run(_fetched(file)) if fetch else in_books(lambda store: store.read(kept_lists))
    ids = in_books(lambda store: store.read(allotted_ids))
    wanted = wanted_of(file)
    known = {name: found for name, found in lists.items() if name in wanted.sources}
    if not known:
        raise NothingKnown("no provider's list is known yet: start the gateway once, or say --fetch")
    fresh = {service: NO_ID - number for number, service in enumerate(missing_ids(wanted, known, ids))}
    made = build_catalogue(wanted, known, {**ids, **fresh})
    rows = [row for service in made.services for row in _rows(made, service, tier)]
    if as_json:
        for row in rows:
            click.echo(json.dumps(dict(zip(_HEAD, row, strict=True)), ensure_ascii=False))
        return
    click.echo(table(_HEAD, rows))
    click.echo(f"{len(made.services)} services in {made.currency}, generation {made.generation}")
    for name in made.missing:
        click.echo(f"no list of {name} is known", err=True)
    for what in made.left_out:
        click.echo(f"left out: {what}", err=True)


_HEAD = ("id", "name", "type", "provider", "service", "cost", "rate", "margin", "%", "rule")


def _rows(made: Catalogue, service: Service, tier: str) -> Sequence[tuple[str, ...]]:
    """A row for each route, the service's own words only on its first."""
    scale = scale_of(made.currency)
    rate = service.rates.get(tier, service.rates[EVERYBODY])
    number = "new" if service.id > NO_ID - 10**6 else str(service.id)
    rows = []
    for place, route in enumerate(service.routes):
        margin = rate - route.price.cost
        share = Decimal(margin) * 100 / route.price.cost if route.price.cost else Decimal(0)
        rows.append(
            (
                *((number, service.name[:NAME_SHOWN], service.type) if place == 0 else ("", "", "")),
                *(route.provider, route.service, format_amount(route.price.cost, scale), format_amount(rate, scale)),
                *(f"{to_decimal(margin, scale):f}".rstrip("0").rstrip("."), f"{share:.1f}"),
                route.price.rule if route.price.floor <= rate else f"{route.price.rule}, passed over: no margin",
            )
        )
    return rows


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
            return normalise(name, said, fetched_at=now(), rate_per=provider.rate_per)
        click.echo(f"{name}: {said}", err=True)
        return None

    names = [name for name, provider in file.providers.items() if provider.enabled]
    found = await asyncio.gather(*(one(name) for name in names))
    return {each.provider: each for each in found if each is not None}
