"""The clock in for doubt: settle what can be settled, provider by provider, and keep the brakes."""

from gateway.actions.brake import check_brakes
from gateway.actions.desk import Desk
from gateway.actions.resolve import Resolver


async def reconcile(resolver: Resolver, provider: str) -> None:
    """Do what is due about one provider's doubts; a panel that is slow to be looked at delays no other."""
    await resolver.run(provider)


async def leftovers(resolver: Resolver) -> None:
    """The same for providers that are no longer in the file."""
    await resolver.run_left()


async def brakes(desk: Desk) -> None:
    """Set and end brakes, and learn of those that others set."""
    await check_brakes(desk)
