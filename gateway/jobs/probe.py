"""The clock in for providers that are left alone for a while: see whether they answer again."""

from typing import Final

from gateway.actions.desk import Desk

# How often it is looked whether a breaker's time is over; the look itself costs nothing.
PROBE_SECONDS: Final = 1.0


async def probe(desk: Desk, provider: str) -> None:
    """Ask a provider for its balance if its breaker says that it is time."""
    client = desk.providers.get(provider)
    if client is not None:
        await client.probe()
