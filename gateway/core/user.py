"""A user: who asks, what we answer in, and which accounts the money is in."""

from typing import Literal

import msgspec

from gateway.core.dialects import UserDialect
from gateway.core.spending import UserLimits


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who holds a key and a balance with us, as one request sees them."""

    id: int
    name: str  # chosen by the operator, unique
    state: Literal["active", "suspended"] = "active"
    tier: str = ""  # which of the settings' price tiers; "" is everybody's
    dialect: UserDialect
    duplicate_window: int = 0  # seconds in which an identical add answers the same order; 0 is off
    answer: Literal["wait", "immediate"] = "wait"  # whether add waits for the panel's word
    limits: UserLimits = UserLimits()
    avail_account: int  # id of the account user:{id}:avail
    held_account: int  # id of the account user:{id}:held
