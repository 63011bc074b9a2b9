"""A desk with its shelves, in front of simulated panels that say what a test wants them to say."""

import json
import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway.actions.desk import Desk
from gateway.actions.restock import Reading, Shelves
from gateway.cache.cache import Cache
from gateway.core.catalogue import Wanted
from gateway.core.dialects import ProviderDialect
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.providers.upstream import Timeouts, Upstream
from gateway.settings.values import UnknownRules
from gateway.store.engine import Store
from gateway.store.ids import IdBlock
from gateway.store.spool import Spool
from tests.panel_process import SimulatedPanel

NOW = 1_700_000_000_000
NO_RULES = UnknownRules()
NOBODY = "http://127.0.0.1:1/api/v2"  # where nothing listens


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.ms = NOW

    def __call__(self) -> int:
        """Milliseconds since the epoch."""
        return self.ms

    def pass_by(self, seconds: float) -> None:
        """Move it on."""
        self.ms += int(seconds * 1000)


def make_desk(
    store: Store,
    urls: Mapping[str, str],
    time: Time,
    *,
    decimal_comma: bool = False,
    dialect: ProviderDialect | None = None,
    folder: Path = Path(os.devnull),
    owner: str = "me",
    rules: UnknownRules = NO_RULES,
) -> Desk:
    """A desk with a client for each panel; without a folder its spool cannot be written."""
    metrics = Metrics()
    clients = {
        name: ProviderClient(
            Upstream(
                name=name,
                url=url,
                key=f"{name}-key",
                currency="USD",
                dialect=dialect or ProviderDialect(decimal_comma=decimal_comma),
                timeouts=Timeouts(connect=0.5, write=0.5, total=2, total_read=2),
                requests_per_second=Decimal(1000),
                allow_private=True,
            ),
            metrics,
        )
        for name, url in urls.items()
    }
    return Desk(
        owner=owner,
        store=store,
        providers=clients,
        metrics=metrics,
        clock=time,
        order_ids=IdBlock(store, lambda: 1),
        answer_within=1.0,
        queue_seconds=60.0,
        paces=dict.fromkeys(urls, 1000),
        unknown_rules=dict.fromkeys(urls, rules),
        currency="USD",
        spool=Spool(folder / "spool", owner),
    )


def make_shelves(desk: Desk, cache: Cache, wanted: Wanted, *, rate_per: int = 1000) -> Shelves:
    """The shelves of a desk, all panels' rates for so many pieces."""
    readings = {
        name: Reading(rate_per=rate_per, decimal_comma=client.upstream.dialect.decimal_comma)
        for name, client in desk.providers.items()
    }
    return Shelves(desk, cache, wanted, readings=readings)


async def close_desk(desk: Desk) -> None:
    """Let go of its clients' connections; the store is somebody else's."""
    for client in desk.providers.values():
        await client.aclose()


def say(panel: SimulatedPanel, *rows: Mapping[str, Any] | str) -> None:
    """Let a panel answer `services` with these rows, each an id or a row, from now on."""
    whole = [
        {"name": f"S{row}", "category": "C", "rate": "0.90", "min": 10, "max": 100, "service": row}
        if isinstance(row, str)
        else {"name": "S", "category": "C", "rate": "0.90", "min": 10, "max": 100, **row}
        for row in rows
    ]
    misdo(panel, "body", json.dumps(whole))


def misdo(panel: SimulatedPanel, name: str, value: str = "") -> None:
    """Let a panel do this, and nothing else, when it is asked for its list."""
    panel.program.switches.clear()
    panel.switch(name, value, action="services")
