"""The clock in for metrics that are read from the books and not counted as they happen."""

from gateway.actions.desk import Desk
from gateway.core.money import scale_of, to_decimal
from gateway.store.figures import read_figures
from gateway.store.outbox import count_events


async def figures(desk: Desk) -> None:
    """Read them and hand them to the metrics."""
    found = await desk.store.read_at_length(read_figures)
    events = await desk.store.read_at_length(count_events)
    desk.metrics.events_counted(waiting=events.waiting, dead=events.dead)
    now = desk.clock()
    desk.metrics.orders_counted(found.orders)
    desk.metrics.doubt_counted(
        found.unknown, {currency: to_decimal(units, scale_of(currency)) for currency, units in found.in_doubt.items()}
    )
    for provider in desk.providers:
        waiting, due_at = found.polls.get(provider, (0, now))
        desk.metrics.polls_counted(provider, waiting=waiting, lag_seconds=(now - due_at) / 1000)
