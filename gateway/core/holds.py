"""Holds: which of a provider's services wait for a person, because what its list says of them changed too much.

    price      its rate jumped, up or down             sold at the former price while that covers cost and margin
    changed    it is another service by name or type   off sale
    returned   it was gone and is there again          off sale
    gone       it is not on the list                   nothing to sell; kept so that its return is known

A hold is measured against what was last believed, so that ten small steps in hiding are no way around it once it
stands, and it ends by itself when the list says again what was believed. Otherwise a person accepts it. Holds stand
in the books, so all replicas sell the same (PROTOCOL.md Q80, Q81).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from gateway.core.likeness import another
from gateway.core.provider import ProviderList, ProviderService

_HUNDRED: Final = Decimal(100)


class Reason(StrEnum):
    """Why a service waits."""

    PRICE = "price"
    CHANGED = "changed"
    RETURNED = "returned"
    GONE = "gone"


OFF_SALE: Final = frozenset({Reason.CHANGED, Reason.RETURNED})


class HoldRules(msgspec.Struct, frozen=True, kw_only=True):
    """What of one provider's list waits for a person."""

    price_jump_max: Decimal | None = None  # per cent; None: no price does
    changed: bool = False  # whether a service that came back, or is another one now, does


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One service that waits, or is gone: what was last believed of it, and what its list says now."""

    provider: str
    key: str  # the provider's own id
    reason: Reason
    name: str
    type: str
    rate: Decimal  # per 1000 or flat, in the provider's currency
    now_name: str = ""
    now_type: str = ""
    now_rate: Decimal | None = None  # None while it is gone
    since: int  # ms

    @property
    def waits(self) -> bool:
        """Whether a person has to say something; nobody has to of what is gone."""
        return self.reason is not Reason.GONE

    @property
    def why(self) -> str:
        """The same in words."""
        match self.reason:
            case Reason.PRICE:
                return f"its price went from {self.rate:f} to {self.now_rate or 0:f}"
            case Reason.CHANGED if self.type != self.now_type:
                return f"it was {self.name!r} of type {self.type}, and is {self.now_name!r} of type {self.now_type}"
            case Reason.CHANGED:
                return f"it was {self.name!r}, and is {self.now_name!r}"
            case Reason.RETURNED:
                return f"it was gone as {self.name!r} at {self.rate:f}, and is back as {self.now_name!r}"
            case _:
                return f"it is gone: {self.name!r}"


class Holds(msgspec.Struct, frozen=True, kw_only=True):
    """What a new list changes: holds to be written, and those that end by themselves."""

    put: tuple[Held, ...] = ()
    drop: tuple[Held, ...] = ()


def compare(  # noqa: PLR0913 - two lists, what stood between them, and by which rules
    before: ProviderList | None,
    after: ProviderList,
    known: Mapping[str, Held],
    *,
    rules: HoldRules,
    sold: Callable[[ProviderService], bool],
    now: int,
) -> Holds:
    """What of a new list has to wait; `known` are the provider's holds so far, `sold` says what we sell of its list."""
    was = {} if before is None else {service.key: service for service in before.services}
    will = {service.key: service for service in after.services}
    put: list[Held] = []
    drop: list[Held] = []
    for key in dict.fromkeys((*was, *known)):
        held, old, new = known.get(key), was.get(key), will.get(key)
        if held is None and (old is None or not sold(old)):
            continue
        believed = held or old
        assert believed is not None, "a key of one of the two"
        reason = _reason(held, believed, new, rules=rules)
        if reason is None:
            drop += [held] if held is not None else []
            continue
        made = Held(
            provider=after.provider,
            key=key,
            reason=reason,
            name=believed.name,
            type=believed.type,
            rate=believed.rate,
            now_name="" if new is None else new.name,
            now_type="" if new is None else new.type,
            now_rate=None if new is None else new.rate,
            since=held.since if held is not None and held.reason is reason else now,
        )
        put += [made] if made != held else []
    return Holds(put=tuple(put), drop=tuple(drop))


def jumped(before: Decimal, after: Decimal, percent: Decimal) -> bool:
    """Whether of two rates the higher is above the lower by more than so many per cent; from or to nothing always."""
    low, high = sorted((before, after))
    return high > low + low * percent / _HUNDRED


def _reason(
    held: Held | None, believed: Held | ProviderService, new: ProviderService | None, *, rules: HoldRules
) -> Reason | None:
    if new is None:
        return Reason.GONE if rules.changed else None
    if rules.changed and held is not None and held.reason in (Reason.GONE, Reason.RETURNED):
        return Reason.RETURNED
    if rules.changed and another(believed.name, believed.type, now_name=new.name, now_kind=new.type):
        return Reason.CHANGED
    if rules.price_jump_max is not None and jumped(believed.rate, new.rate, rules.price_jump_max):
        return Reason.PRICE
    return None
