"""Events: what happened, by whom and why, written with the change itself.

Every change of an order, an attempt, a refill, money, a user or a key is one. Three things are not, for they are
nobody's decision and each would cost a statement an order: that an answer was heard or not, when an order is asked
about next, and leases. No key is in an event: panels' words were struck by the client, what people type is here.
"""

from typing import Final

from gateway.logs import strike_out
from gateway.store.engine import Query, Steps

# An operator's reason or a panel's words in the trail: long enough for a sentence, short enough for a page.
REASON_MAX: Final = 1000


def record(  # noqa: PLR0913 - an event names all of these.
    kind: str,
    *,
    actor: str,
    now: int,
    user_id: int | None = None,
    order_id: int | None = None,
    before: str | None = None,
    after: str | None = None,
    reason: str = "",
) -> Steps[None]:
    """Write one event in the transaction of its change; `before` and `after` are JSON, `now` is in milliseconds."""
    yield Query(
        "event_record",
        {
            "kind": kind,
            "actor": actor,
            "user_id": user_id,
            "order_id": order_id,
            "before": before,
            "after": after,
            "reason": (strike_out(reason, ())[:REASON_MAX] or None) if reason else None,
            "now": now,
        },
    )
