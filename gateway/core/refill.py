"""When an order may be refilled, and what a refill's states are.

The rule is that of the panels our users know: a finished order of a service that offers refills, one open refill at a
time, and a day between two (RELIABILITY 1.7: asking twice may create a second refill task at the panel).
"""

from enum import StrEnum
from typing import Final

import msgspec

from gateway.core.order import OrderState

# Between two refills of one order.
COOL_DOWN_MS: Final = 24 * 3600 * 1000
# What panels say of refills, folded to lower case, and how we say it; any other word leaves the refill as it was.
WORDS: Final = {
    "pending": ("open", "Pending"),
    "awaiting": ("open", "Pending"),
    "processing": ("open", "In progress"),
    "inprogress": ("open", "In progress"),
    "in progress": ("open", "In progress"),
    "completed": ("completed", "Completed"),
    "complete": ("completed", "Completed"),
    "success": ("completed", "Completed"),
    "rejected": ("rejected", "Rejected"),
    "canceled": ("rejected", "Rejected"),
    "cancelled": ("rejected", "Rejected"),
    "error": ("rejected", "Rejected"),
    "fail": ("rejected", "Rejected"),
    "failed": ("rejected", "Rejected"),
}


class RefillState(StrEnum):
    """Where a refill stands with us."""

    ASKING = "asking"  # stored, the panel is being asked
    UNKNOWN = "unknown"  # asked, and nobody can tell whether the panel took it
    OPEN = "open"  # the panel took it
    COMPLETED = "completed"
    REJECTED = "rejected"

    @classmethod
    def open_states(cls) -> frozenset["RefillState"]:
        """States in which no other refill of the order may be asked for."""
        return frozenset({cls.ASKING, cls.UNKNOWN, cls.OPEN})


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether an order may be refilled."""

    state: OrderState  # of the order
    offered: bool  # whether its service offers refills
    open: bool  # whether a refill of it is open
    last_at: int | None  # when the newest refill that was not rejected was asked for, ms


def eligible(wish: Wish, *, now: int) -> bool:
    """Say whether the panel may be asked for a refill at ``now`` (ms)."""
    if not wish.offered or wish.open or wish.state not in {OrderState.COMPLETED, OrderState.PARTIAL}:
        return False
    return wish.last_at is None or now - wish.last_at >= COOL_DOWN_MS


def read_word(word: str) -> tuple[RefillState, str] | None:
    """What a panel's word for a refill means, and how we say it; ``None`` for a word that is none."""
    found = WORDS.get(" ".join(word.replace("_", " ").replace("-", " ").lower().split()))
    return None if found is None else (RefillState(found[0]), found[1])
