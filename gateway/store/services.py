"""Commands of the catalogue: allot permanent ids to imported services, keep each provider's last good list."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from gateway.core.provider import ProviderList
from gateway.store.engine import Query, Steps, Value

# Imported services are numbered from here, so that the small numbers are left for declared ones.
FIRST: Final = 1_001
ALLOT_MAX: Final = 500  # ids allotted in one command; a long list takes several
# A kept list that is this much newer than a fresh one was dated by a clock that was wrong.
CLOCKS_APART_MS: Final = 3_600_000
_COUNTER: Final = "service_ids"
_LIST: Final = msgspec.json.Decoder(ProviderList)


def allotted_ids() -> Steps[dict[tuple[str, str], int]]:
    """Every id that was ever allotted, by provider and its own id."""
    rows = yield Query("service_ids_all")
    return {(row["provider"], row["provider_service"]): row["id"] for row in rows}


def allot_ids(services: Sequence[tuple[str, str]], taken: Collection[int], *, now: int) -> Steps[None]:
    """Give each of at most ALLOT_MAX services an id of its own; `taken` are declared ids, which are left out.

    Whoever allots first counts: another replica's id for a service stays, and the number meant for it here is lost.
    """
    assert len(services) <= ALLOT_MAX, f"{len(services)} ids in one command"
    numbers: list[int] = []
    while len(numbers) < len(services):
        count = len(services) - len(numbers)
        rows = yield Query("counter_advance", {"name": _COUNTER, "first": FIRST - 1, "count": count})
        end = rows[0]["value"]
        numbers += [number for number in range(end - count + 1, end + 1) if number not in taken]
    for number, (provider, key) in zip(numbers, services, strict=True):
        params: dict[str, Value] = {"id": number, "provider": provider, "provider_service": key, "now": now}
        yield Query("service_id_allot", params)


def keep_list(provider: str, body: str, *, fetched_at: int) -> Steps[None]:
    """Keep a provider's list, as JSON, unless a newer one is kept."""
    ahead = fetched_at + CLOCKS_APART_MS
    yield Query("list_keep", {"provider": provider, "body": body, "fetched_at": fetched_at, "ahead": ahead})


def kept_lists() -> Steps[dict[str, ProviderList | None]]:
    """The last good list of each provider that ever had one; None where this version cannot read what was kept."""
    return {row["provider"]: _list(row["body"]) for row in (yield Query("lists_kept"))}


def kept_list(provider: str) -> Steps[ProviderList | None]:
    """The same of one provider."""
    rows = yield Query("list_kept", {"provider": provider})
    return _list(rows[0]["body"]) if rows else None


def list_dated(provider: str) -> Steps[int | None]:
    """When the list of a provider that is kept was fetched, in ms."""
    rows = yield Query("list_dated", {"provider": provider})
    return int(rows[0]["fetched_at"]) if rows else None


def _list(body: str) -> ProviderList | None:
    try:
        return _LIST.decode(body)
    except msgspec.DecodeError:
        return None
