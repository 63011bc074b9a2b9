"""The life of one attempt: one transmission of an order to one provider, at most.

Everything that changes an attempt's state is in this file, as a table:

    planned ──► sending ──► accepted | rejected | unknown
       └──────► not_sent        unknown ──► accepted | rejected | not_placed

An attempt is *armed* (planned → sending, committed) after TCP and TLS stand and before the first byte leaves. So a
planned attempt was certainly never sent, and a sending one may have been: what nobody decided becomes unknown, and
unknown never goes back to planned. The database repeats the table in a trigger and allows one live attempt an order
by a partial unique index.
"""

from enum import StrEnum
from typing import Final

import msgspec


class AttemptState(StrEnum):
    """Where one transmission stands."""

    PLANNED = "planned"  # stored, not armed: no byte has left
    SENDING = "sending"  # armed: bytes may have left
    ACCEPTED = "accepted"  # the panel gave a usable order id
    REJECTED = "rejected"  # the panel clearly refused
    NOT_SENT = "not_sent"  # given up before arming
    UNKNOWN = "unknown"  # nobody can tell yet
    NOT_PLACED = "not_placed"  # proved, or said by an operator, never to have been placed


TRANSITIONS: Final[dict[AttemptState, frozenset[AttemptState]]] = {
    AttemptState.PLANNED: frozenset({AttemptState.SENDING, AttemptState.NOT_SENT}),
    AttemptState.SENDING: frozenset({AttemptState.ACCEPTED, AttemptState.REJECTED, AttemptState.UNKNOWN}),
    AttemptState.UNKNOWN: frozenset({AttemptState.ACCEPTED, AttemptState.REJECTED, AttemptState.NOT_PLACED}),
    AttemptState.ACCEPTED: frozenset(),
    AttemptState.REJECTED: frozenset(),
    AttemptState.NOT_SENT: frozenset(),
    AttemptState.NOT_PLACED: frozenset(),
}

# While one of these stands, no second attempt of the order may exist.
LIVE: Final = frozenset({AttemptState.PLANNED, AttemptState.SENDING, AttemptState.UNKNOWN, AttemptState.ACCEPTED})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of one order at one provider, as it stands in the store."""

    id: int
    order_id: int
    n: int  # 1 for the order's first attempt
    provider: str
    provider_service: str
    state: AttemptState
    owner: str  # the process that may arm it
    upstream_order: str | None = None  # the panel's id, exactly when accepted


def may_become(state: AttemptState, target: AttemptState) -> bool:
    """Say whether the table allows the move."""
    return target in TRANSITIONS[state]


def sources_of(target: AttemptState) -> frozenset[AttemptState]:
    """The states from which an attempt may become ``target``; for a statement's WHERE."""
    return frozenset(state for state, targets in TRANSITIONS.items() if target in targets)
