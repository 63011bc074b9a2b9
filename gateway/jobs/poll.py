"""The clock in for following orders: one loop a provider, so that a slow panel delays nobody else's."""

from gateway.actions.cancel import tell_owed
from gateway.actions.desk import Desk
from gateway.actions.track import batch_of, track, track_refills

# Batches in one run, so that a backlog does not keep refills waiting.
BATCHES_MAX = 20


async def poll(desk: Desk, provider: str) -> None:
    """Tell a provider of cancels it is owed, ask about everything that is due, batch by batch, then about refills."""
    await tell_owed(desk, provider)
    for _ in range(BATCHES_MAX):
        if await track(desk, provider) < batch_of(desk, provider):
            break
    await track_refills(desk, provider)
