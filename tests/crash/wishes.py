"""Wishes: what the users of a world order, as the fields of one `add`."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tests.crash.kind import DRIPPED, PLAIN, SUBSCRIBED, Kind


def wish_fields(chance: random.Random, kind: Kind, *, link: str, now: int) -> dict[str, str]:
    """One order by chance; ``link`` is its own, whatever is ordered, and ``now`` is in ms."""
    services: Sequence[str] = (*PLAIN, *PLAIN, *SUBSCRIBED, *DRIPPED) if kind.children else PLAIN
    service = chance.choice(services)
    if service in SUBSCRIBED:
        return {"service": service, **_subscription(chance, link, now)}
    if service in DRIPPED:
        fields = {"link": link, "quantity": str(chance.randint(10, 100)), "interval": "5"}
        return {"service": service, **fields, "runs": str(chance.choice((1, 2, 3, 3, 5)))}
    return {"service": service, "link": link, "quantity": str(chance.randint(10, 500))}


def _subscription(chance: random.Random, name: str, now: int) -> dict[str, str]:
    fewest = chance.randint(10, 30)
    fields = {
        "username": name,
        "min": str(fewest),
        "max": str(fewest + chance.choice((0, 7, 20))),
        "posts": str(chance.choice((1, 2, 4))),
        "delay": "0",
    }
    if chance.random() < 0.6:
        fields["old_posts"] = str(chance.choice((1, 2)))
    if chance.random() < 0.4:
        fields["expiry"] = f"{datetime.fromtimestamp(now / 1000, UTC) + timedelta(days=chance.randint(0, 4)):%d/%m/%Y}"
    return fields
