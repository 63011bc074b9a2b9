"""Commands of orders that wait for their link: a panel still works on an earlier order with it (Q83).

Such an order is planned like any other, with a moment before which it is not sent. Where our own books know which
order of ours has the link at that panel, it waits for that order's end, and the moment is the last one; otherwise the
panel is asked again, later each time. Whoever sweeps sends what is due, after a restart too.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.links import link_mark
from gateway.core.routing import PlannedRoute, Tried, ask_again_at, busy_routes, second_round
from gateway.store.engine import Query, Steps
from gateway.store.life import Locked

# Nothing is put off for longer; what seems to be was put off before the clock was set back.
PUT_OFF_MAX_MS: Final = 86_400_000


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """What an order waits for."""

    provider: str
    until: int  # ms: when it is sent, whatever has become of the order that has the link
    holder: int | None = None  # the order of ours that has it

    @property
    def why(self) -> str:
        """The same for the history."""
        whose = "" if self.holder is None else f", which order {self.holder} has there"
        return f"waits for its link to come free{whose}"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Where an order goes next when every route was tried; now, after a short pause, unless it has to wait."""

    route: PlannedRoute
    wait: Wait | None = None


def next_turn(locked: Locked, tried: Sequence[Tried], *, unreached: bool, now: int) -> Steps[Turn | None]:
    """Choose among routes that refused for a busy link, and with `unreached` those that could not be reached.

    A link that may be free by now goes first, then whoever could not be reached; only then the order waits.
    """
    waits = []
    for route in busy_routes(locked.routes, tried, waited_ms=now - locked.created_at):
        wait = yield from _wait(locked, route, tried)
        if wait.holder is None and wait.until <= now:
            return Turn(route=route)
        waits.append(Turn(route=route, wait=wait))
    again = second_round(locked.routes, tried) if unreached else None
    if again is not None:
        return Turn(route=again)
    # Whose panel can be asked soonest.
    return min(waits, key=lambda turn: turn.wait.until if turn.wait is not None else 0, default=None)


def _wait(locked: Locked, route: PlannedRoute, tried: Sequence[Tried]) -> Steps[Wait]:
    """What an order has to wait for at a busy route."""
    latest = locked.created_at + route.link_wait * 1000
    rows = yield Query(
        "link_holder",
        {
            "provider": route.provider,
            "provider_service": route.service,
            "link": link_mark(locked.fields),
            "order_id": locked.order.id,
        },
    )
    if rows:
        return Wait(provider=route.provider, until=latest, holder=rows[0]["order_id"])
    return Wait(provider=route.provider, until=min(latest, ask_again_at(route, tried)))
