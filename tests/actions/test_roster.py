"""The providers of a text as the desk needs them: what is kept over a change, and what may not change."""

import pytest

from gateway.actions.roster import CannotReload, check_change, moved, roster_of
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.providers.upstream import Upstream
from tests.settings.files import GOOD, read


def make(upstream: Upstream) -> ProviderClient:
    """A client that is never used."""
    return ProviderClient(upstream, Metrics())


def test_client_is_kept_unless_its_provider_changed() -> None:
    """What it knows of its provider, such as that it fails, is worth keeping."""
    before = roster_of(read(GOOD), make)
    dearer = roster_of(read(GOOD.replace("version: 1", "version: 1\nmarkup: {percent: 77}")), make, before)
    assert dearer.clients == before.clients
    other = roster_of(read(f"{GOOD}    concurrency: 3\n"), make, before)
    assert other.clients["panel-a"] is not before.clients["panel-a"]
    assert moved(before.clients, other.clients) == frozenset()


def test_provider_that_is_gone_is_followed_and_gets_no_new_orders() -> None:
    """Its client, pace and rules stay; its list is wanted no more."""
    before = roster_of(read(GOOD), make)
    gone = GOOD.replace("panel-a", "panel-z")
    after = roster_of(read(gone), make, before)
    assert after.clients["panel-a"] is before.clients["panel-a"]
    assert (after.switched_off, set(after.readings)) == (frozenset({"panel-a"}), {"panel-z"})
    assert after.paces.keys() == after.unknown_rules.keys() == {"panel-a", "panel-z"}


def test_provider_at_another_address_has_moved() -> None:
    """What was heard from the address before says nothing of it."""
    file = read(GOOD)
    url = file.providers["panel-a"].url
    before = roster_of(file, make)
    after = roster_of(read(GOOD.replace(url, "https://panel-a.example/moved/api")), make, before)
    assert moved(before.clients, after.clients) == {"panel-a"}


def test_currencies_stay() -> None:
    """Ours and each provider's; everything else may change."""
    check_change(read(GOOD), read(f"{GOOD}    concurrency: 3\n"))
    with pytest.raises(CannotReload, match=r"providers\.panel-a\.currency: USD becomes EUR"):
        check_change(read(GOOD), read(f"{GOOD}    currency: EUR\n    exchange_rate: 1.1\n"))
    ours = GOOD.replace("version: 1", "version: 1\ncurrency: EUR") + "    currency: EUR\n"
    with pytest.raises(CannotReload, match="users pay in USD"):
        check_change(read(GOOD), read(ours))
