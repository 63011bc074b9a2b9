"""The brake on a provider where too much is in doubt: read from the books now and then, never with an order."""

from functools import partial

import structlog

from gateway.actions.desk import Desk
from gateway.core.money import scale_of, to_units_up
from gateway.store.brakes import BrakeRule, change_brakes, read_brakes

log = structlog.get_logger(__name__)


async def check_brakes(desk: Desk) -> None:
    """Set and end brakes by the rules, and have this process know of all there are."""
    rules = {name: _rule(desk, name) for name in desk.providers}
    found = await desk.store.read(partial(read_brakes, rules))
    if found.to_set or found.to_end:
        await desk.store.run(partial(change_brakes, found, actor=desk.owner, now=desk.clock()))
        found = await desk.store.read(partial(read_brakes, rules))
    before = desk.conditions.brake(found.on)
    for provider, why in found.on.items():
        if provider not in before:
            log.error("provider_braked", provider=provider, why=why)
    for provider in before:
        if provider not in found.on:
            log.warning("provider_released", provider=provider)
    now = desk.clock()
    for name in desk.providers:
        doubtful = found.doubtful.get(name)
        age = 0.0 if doubtful is None else max(now - doubtful.oldest_at, 0) / 1000
        desk.metrics.provider_doubted(name, oldest_seconds=age, braked=name in found.on)


def _rule(desk: Desk, provider: str) -> BrakeRule:
    rules = desk.unknown_rules[provider]
    return BrakeRule(
        count=rules.brake.count,
        within_ms=int(rules.brake.seconds * 1000),
        cap=to_units_up(rules.cap_in(desk.currency), scale_of(desk.currency)),
        currency=desk.currency,
    )
