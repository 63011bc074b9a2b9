"""Events: what happened, by whom and why, written with the change itself."""

from typing import Final

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
            "reason": reason[:REASON_MAX] or None,
            "now": now,
        },
    )
