"""The providers of one text of the file as the desk needs them, and what of them a new text may change."""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from gateway.actions.restock import Reading
from gateway.actions.wanted import upstream_of
from gateway.core.errors import GatewayError
from gateway.core.money import format_amount, scale_of
from gateway.providers.client import ProviderClient
from gateway.providers.upstream import Upstream
from gateway.settings.values import Provider, ProvidersFile, UnknownRules
from gateway.store.engine import Store
from gateway.store.figures import OpenAt, open_at


class CannotReload(GatewayError):
    """What a new text of the file says can only be had by a restart; the message says why."""


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked and how, by provider."""

    clients: dict[str, ProviderClient]
    paces: dict[str, int]  # how often an order under way is asked about, ms
    unknown_rules: dict[str, UnknownRules]
    switched_off: frozenset[str]  # their orders are followed, and they get no new ones
    readings: dict[str, Reading]  # of those whose lists are wanted
    refresh_seconds: dict[str, float]  # of the same


def roster_of(file: ProvidersFile, make: Callable[[Upstream], ProviderClient], before: Roster | None = None) -> Roster:
    """The providers of a file. A client that nothing changed for is kept, with all it knows of its provider.

    A provider that is no longer in the file stays until a restart as if it were switched off: its orders can still be
    asked about, which later they cannot.
    """
    known = {} if before is None else before.clients
    clients = {name: _client(upstream_of(name, each), known.get(name), make) for name, each in file.providers.items()}
    enabled = {name: each for name, each in file.providers.items() if each.enabled}
    paces = {name: int(each.poll_seconds * 1000) for name, each in file.providers.items()}
    rules = {name: each.unknown for name, each in file.providers.items()}
    if before is not None:
        clients, paces, rules = before.clients | clients, before.paces | paces, before.unknown_rules | rules
    return Roster(
        clients=clients,
        paces=paces,
        unknown_rules=rules,
        switched_off=frozenset(clients.keys() - enabled.keys()),
        readings={name: _reading_of(each) for name, each in enabled.items()},
        refresh_seconds={name: float(each.refresh_seconds) for name, each in enabled.items()},
    )


def check_change(old: ProvidersFile, new: ProvidersFile) -> None:
    """Refuse what cannot change while orders are under way; raises CannotReload.

    Balances, charges and costs are in the currencies they were made in, and nobody converts them on the way.
    """
    if new.currency != old.currency:
        raise CannotReload(f"currency: users pay in {old.currency}, and no reload makes {new.currency} of it")
    for name in sorted(old.providers.keys() & new.providers.keys()):
        was, becomes = old.providers[name].currency, new.providers[name].currency
        if was != becomes:
            raise CannotReload(f"providers.{name}.currency: {was} becomes {becomes} by a restart only")


async def check_orphans(store: Store, old: ProvidersFile, new: ProvidersFile) -> None:
    """Refuse to lose a provider whose orders are open: nobody could follow them later; raises CannotReload."""
    gone = sorted(old.providers.keys() - new.providers.keys())
    orphans = await store.read_at_length(partial(open_at, gone)) if gone else ()
    if orphans:
        raise CannotReload("; ".join(map(in_words, orphans)))


def in_words(orphans: OpenAt) -> str:
    """What would be lost with a provider, and what to do instead."""
    amount = format_amount(orphans.charge, scale_of(orphans.currency))
    return (
        f"providers.{orphans.provider}: orders are open there that nobody could follow without it, {orphans.orders} "
        f"worth {amount} {orphans.currency}: say `enabled: false` until they have ended"
    )


def moved(before: Mapping[str, ProviderClient], after: Mapping[str, ProviderClient]) -> frozenset[str]:
    """Providers that are at another address now: what was heard from the one before says nothing of it."""
    both = before.keys() & after.keys()
    return frozenset(name for name in both if before[name].upstream.url != after[name].upstream.url)


def _client(
    upstream: Upstream, known: ProviderClient | None, make: Callable[[Upstream], ProviderClient]
) -> ProviderClient:
    return known if known is not None and known.upstream == upstream else make(upstream)


def _reading_of(provider: Provider) -> Reading:
    return Reading(
        rate_per=provider.rate_per,
        decimal_comma=provider.dialect.decimal_comma,
        price_jump_max=provider.price_jump_max,
        hold_changed=provider.hold_changed,
    )
