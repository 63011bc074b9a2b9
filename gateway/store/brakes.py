"""Commands of what doubt does to a provider: the brake that stops new orders there, and one speaker at a time.

A brake is a row, so that it holds every replica and outlives them; replicas read it from time to time, never with an
order. What set it is counted from the books: attempts that came into doubt close together, or more money in doubt than
the operator's cap. It ends when nothing of that provider is in doubt any more, or when a person releases it.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core.money import format_amount, scale_of
from gateway.store.engine import Query, Refused, Steps, Value
from gateway.store.events import record

LEASE_MS: Final = 20_000  # of a speaker, who asks for it again well before that


class NotBraked(Refused):
    """The provider has no brake on."""


class BrakeRule(msgspec.Struct, frozen=True, kw_only=True):
    """How much doubt stops new orders to a provider."""

    count: int  # 0: none does by its number
    within_ms: int
    cap: int  # units of our currency
    currency: str


class Doubtful(msgspec.Struct, frozen=True, kw_only=True):
    """What is in doubt at one provider."""

    orders: int
    charge: int  # units
    oldest_at: int  # ms, when the first of them was sent


class Brakes(msgspec.Struct, frozen=True, kw_only=True):
    """The brakes at one moment, and what is to be changed about them."""

    on: Mapping[str, str]  # by provider, why
    doubtful: Mapping[str, Doubtful]
    to_set: Mapping[str, str]  # by provider, why
    to_end: tuple[str, ...]


def read_brakes(rules: Mapping[str, BrakeRule]) -> Steps[Brakes]:
    """The brakes, and which have to be set or ended by the rules."""
    on = {row["provider"]: row["reason"] for row in (yield Query("brakes_on"))}
    doubtful: dict[str, Doubtful] = {}
    to_set: dict[str, str] = {}
    for row in (yield Query("doubt_figures")):
        name = row["provider"]
        doubtful[name] = Doubtful(orders=row["orders"], charge=row["charge"], oldest_at=row["oldest"])
        rule = rules.get(name)
        if rule is None or name in on:
            continue
        if row["counted_charge"] > rule.cap:
            amount, cap = (format_amount(units, scale_of(rule.currency)) for units in (row["counted_charge"], rule.cap))
            to_set[name] = f"{amount} {rule.currency} in doubt, over the cap of {cap}"
        elif 0 < rule.count <= row["counted"]:
            near = yield Query("doubts_since", {"provider": name, "ms": rule.within_ms})
            if near[0]["orders"] >= rule.count:
                to_set[name] = f"{near[0]['orders']} orders in doubt within {rule.within_ms // 1000} s"
    return Brakes(on=on, doubtful=doubtful, to_set=to_set, to_end=tuple(name for name in on if name not in doubtful))


def change_brakes(found: Brakes, *, actor: str, now: int) -> Steps[None]:
    """Set and end what was found to be due; what another replica did meanwhile is left."""
    for provider, reason in found.to_set.items():
        if (yield Query("brake_set", {"provider": provider, "reason": reason, "now": now})):
            after = msgspec.json.encode({"provider": provider}).decode()
            yield from record("provider.braked", actor=actor, after=after, reason=reason, now=now)
    for provider in found.to_end:
        if (yield Query("brake_end", {"provider": provider})):
            before = msgspec.json.encode({"provider": provider, "brake": found.on[provider]}).decode()
            yield from record("provider.released", actor=actor, before=before, reason="all is settled", now=now)


def release_brake(provider: str, *, actor: str, reason: str, now: int) -> Steps[None]:
    """A person lets orders go to a provider again; what is in doubt by now sets no brake any more. Raises NotBraked."""
    if not (yield Query("brake_release", {"provider": provider, "now": now})):
        if (yield Query("brake_released", {"provider": provider, "now": now})):
            return
        raise NotBraked(f"there is no brake on {provider}")
    before = msgspec.json.encode({"provider": provider}).decode()
    yield from record("provider.released", actor=actor, before=before, reason=reason, now=now)


def claim_job(provider: str, kind: str, owner: str) -> Steps[bool]:
    """Become, or stay, the one who does a kind of job at a provider, for LEASE_MS by the database's clock."""
    params: dict[str, Value] = {"provider": provider, "kind": kind, "owner": owner, "ms": LEASE_MS}
    return bool((yield Query("job_claim", params)))


def return_job(provider: str, kind: str, owner: str) -> Steps[None]:
    """Let somebody else do it."""
    yield Query("job_return", {"provider": provider, "kind": kind, "owner": owner})
