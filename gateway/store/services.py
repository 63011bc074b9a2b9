"""Commands of the catalogue: allot permanent ids to imported services, keep each provider's last good list."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from gateway.core.provider import ProviderList
from gateway.store.engine import Query, Steps

# Imported services are numbered from here, so that the small numbers are left for declared ones.
FIRST: Final = 1_001
ALLOT_MAX: Final = 500  # ids allotted in one command; a long list takes several
_COUNTER: Final = "service_ids"
_LIST: Final = msgspec.json.Decoder(ProviderList)


def allotted_ids() -> Steps[dict[tuple[str, str], int]]:
    """Every id that was ever allotted, by provider and its own id."""
    rows = yield Query("service_ids_all")
    return {(row["provider"], row["provider_service"]): row["id"] for row in rows}


def allot_ids(services: Sequence[tuple[str, str]], taken: Collection[int], *, now: int) -> Steps[None]:
    """Give each of at most ALLOT_MAX services an id of its own; `taken` are declared ids, which are left out."""
    assert len(services) <= ALLOT_MAX, f"{len(services)} ids in one command"
    for provider, key in services:
        known = yield Query("service_id_of", {"provider": provider, "provider_service": key})
        while not known:
            rows = yield Query("counter_advance", {"name": _COUNTER, "first": FIRST - 1, "count": 1})
            number = rows[0]["value"]
            if number in taken:
                continue
            params = {"id": number, "provider": provider, "provider_service": key, "now": now}
            yield Query("service_id_allot", params)
            # Read again whether it was taken: another process may have been faster with this service.
            known = yield Query("service_id_of", {"provider": provider, "provider_service": key})


def keep_list(found: ProviderList) -> Steps[None]:
    """Keep a provider's list, unless a newer one is kept."""
    body = msgspec.json.encode(found).decode()
    yield Query("list_keep", {"provider": found.provider, "fetched_at": found.fetched_at, "body": body})


def kept_lists() -> Steps[dict[str, ProviderList]]:
    """The last good list of each provider; one that this version cannot read is left out and fetched anew."""
    rows = yield Query("lists_kept")
    found: dict[str, ProviderList] = {}
    for row in rows:
        try:
            found[row["provider"]] = _LIST.decode(row["body"])
        except msgspec.DecodeError:
            continue
    return found
