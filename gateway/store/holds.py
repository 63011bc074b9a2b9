"""Commands of services that wait for a person: keep holds, list them, end one by a list or by a person's word.

Each may be run again after an unclear commit: what stands already is not written, and not told of a second time.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.holds import Held, Reason
from gateway.store.engine import Query, Refused, Row, Steps
from gateway.store.events import record

HOLDS_MAX: Final = 200  # written in one command; a list that changed as a whole takes several


class NotHeld(Refused):
    """The service does not wait for anybody."""


def held_services() -> Steps[dict[tuple[str, str], Held]]:
    """Every hold there is, by provider and its own id, those of services that are gone among them."""
    rows = yield Query("services_held")
    return {(row["provider"], row["service"]): _read(row) for row in rows}


def keep_holds(held: Sequence[Held], *, actor: str, now: int) -> Steps[None]:
    """Write at most HOLDS_MAX holds; of each that a person has to hear of an event tells."""
    assert len(held) <= HOLDS_MAX, f"{len(held)} holds in one command"
    for each in held:
        written = yield Query(
            "service_hold",
            {
                "provider": each.provider,
                "service": each.key,
                "reason": each.reason.value,
                "name": each.name,
                "type": each.type,
                "rate": format(each.rate, "f"),
                "now_name": each.now_name,
                "now_type": each.now_type,
                "now_rate": None if each.now_rate is None else format(each.now_rate, "f"),
                "since": each.since,
            },
        )
        if written and each.waits:
            yield from _tell("service.held", each, actor=actor, reason=each.why, now=now)


def free(held: Sequence[Held], *, actor: str, now: int) -> Steps[None]:
    """End at most HOLDS_MAX holds, because the list says again what was believed, or they are no longer asked for."""
    assert len(held) <= HOLDS_MAX, f"{len(held)} holds in one command"
    for each in held:
        ended = yield Query("service_free", {"provider": each.provider, "service": each.key})
        if ended and each.waits:
            yield from _tell("service.freed", each, actor=actor, reason="it is again as it was", now=now)


def accept(provider: str, service: str, *, actor: str, reason: str, now: int) -> Steps[Held]:
    """Believe what a provider's list says of a service now; answers what that is. Raises NotHeld."""
    where = {"provider": provider, "service": service}
    rows = yield Query("service_held", where)
    held = _read(rows[0]) if rows else None
    if held is None or not held.waits:
        raise NotHeld(f"{provider}/{service} waits for nobody: gateway catalogue held lists what does")
    if not (yield Query("service_free", where)):
        raise NotHeld(f"{provider}/{service} was accepted by somebody else just now")
    yield from _tell("service.accepted", held, actor=actor, reason=reason, now=now)
    return held


def _tell(kind: str, held: Held, *, actor: str, reason: str, now: int) -> Steps[None]:
    where = {"provider": held.provider, "service": held.key}
    before = {**where, "name": held.name, "type": held.type, "rate": format(held.rate, "f")}
    rate = None if held.now_rate is None else format(held.now_rate, "f")
    after = {**where, "name": held.now_name, "type": held.now_type, "rate": rate}
    yield from record(kind, actor=actor, before=_json(before), after=_json(after), reason=reason, now=now)


def _json(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value).decode()


def _read(row: Row) -> Held:
    return Held(
        provider=row["provider"],
        key=row["service"],
        reason=Reason(row["reason"]),
        name=row["name"],
        type=row["type"],
        rate=Decimal(row["rate"]),
        now_name=row["now_name"],
        now_type=row["now_type"],
        now_rate=None if row["now_rate"] is None else Decimal(row["now_rate"]),
        since=row["since"],
    )
