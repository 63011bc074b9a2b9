"""What came of asking a provider, besides the protocol's own replies."""

import msgspec

from gateway.core.exchange import Exchange
from gateway.core.outcome import Outcome


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """No answer: nothing reached us that could be read as one."""

    why: str
    sent: bool  # whether the provider may have heard the question
    passing: bool = False  # whether it is worth asking again soon


class Fenced(msgspec.Struct, frozen=True):
    """The store did not let us arm the attempt: somebody else has it, and nothing was sent."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order that was handed over, and the exchange that proves it."""

    outcome: Outcome
    exchange: Exchange | None = None  # None when it did not come to one: no turn was to be had
