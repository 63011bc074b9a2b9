"""How everything stands that people are told of: read from what other jobs have measured, and not measured again.

The metrics have it: whether a provider answers, how long its funds last, what hangs in doubt, what the books break,
whether the file on the disk is in use. What no metric has said yet since the process started is no reading: an open
notice does not end because a process is young. Users' balances alone are asked for here, now and then.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from math import inf
from time import monotonic
from typing import Final

from gateway.actions.channels import FUNDS_OUT_DAYS
from gateway.actions.desk import Desk
from gateway.core.money import scale_of, to_decimal, to_units_up
from gateway.core.notice import NAMED_MAX, WELL_TIMES, Facts, Kind, Level, Reading, falling
from gateway.metrics.house import INVARIANTS, REFUSED, VERIFIED, VIOLATIONS
from gateway.metrics.money import BALANCE, DAYS_LEFT, DOUBT, MARGIN
from gateway.metrics.orders import UNKNOWN
from gateway.metrics.providers import UP
from gateway.settings.notify import Notify
from gateway.store.notices import LOW_USERS_MAX, Board, users_low

# Between two looks at users' balances: a sum over all users, for a message that may come a minute later.
USERS_SECONDS: Final = 60.0
_OF_PROVIDERS: Final = (Kind.PROVIDER_DOWN, Kind.FUNDS_LOW, Kind.FUNDS_OUT)
# Digits behind the point of what was a float.
_PLACES: Final = 8


class Witness:
    """One process's view."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._low: Mapping[str, int] = {}  # by user, units
        self._below = 0  # what they have less of, units
        self._looked_at = -inf

    async def readings(self, notify: Notify, board: Board) -> list[Reading]:
        """Everything that can be said now; raises StoreError."""
        users = await self._users(notify.user_balance, board)
        return [*self._house(), *self._providers(notify), *self._gone(board), *_channels(notify, board), *users]

    def _house(self) -> Iterator[Reading]:
        desk, metrics = self._desk, self._desk.metrics
        broken = {each: int(metrics.number(VIOLATIONS, each)) for each in INVARIANTS}
        named = tuple(name for name, rows in broken.items() if rows)
        if named:
            facts = Facts(count=sum(broken.values()), named=named[:NAMED_MAX])
            yield _house(Kind.BOOKS_VIOLATED, facts, wrong=True)
        elif metrics.said(VERIFIED, "all") is not None:  # A clean last day proves nothing of an older row.
            yield _house(Kind.BOOKS_VIOLATED, Facts(), wrong=False)
        stopped = not named and (not desk.placing or bool(desk.unfenced or desk.safe_mode))
        yield _house(Kind.ORDERS_STOPPED, Facts(), wrong=stopped)
        yield _house(Kind.RELOAD_FAILED, Facts(), wrong=metrics.number(REFUSED) > 0)
        currency = desk.currency
        held, margin = metrics.said(DOUBT, currency), metrics.said(MARGIN, currency)
        if held is not None:
            orders = int(metrics.number(UNKNOWN))
            facts = Facts(count=orders, amount=_decimal(held), currency=currency)
            yield _house(Kind.ORDERS_UNKNOWN, facts, wrong=orders > 0)
        if margin is not None:
            yield _house(Kind.MARGIN_LOST, Facts(amount=_decimal(margin), currency=currency), wrong=margin < 0)

    def _providers(self, notify: Notify) -> Iterator[Reading]:
        desk, metrics = self._desk, self._desk.metrics
        for name in self._watched():
            up, days, balance = metrics.said(UP, name), metrics.said(DAYS_LEFT, name), metrics.said(BALANCE, name)
            if up is not None:
                level = Level.WELL if up else Level.WRONG
                yield Reading(kind=Kind.PROVIDER_DOWN, subject=name, level=level)
            if days is None or balance is None:
                continue
            left = None if days == inf else _decimal(days)
            currency = desk.providers[name].upstream.currency
            facts = Facts(amount=_decimal(balance), currency=currency, days=left)
            for kind, limit in ((Kind.FUNDS_LOW, notify.funds_days), (Kind.FUNDS_OUT, FUNDS_OUT_DAYS)):
                level = Level.WELL if left is None else falling(left, limit)
                yield Reading(kind=kind, subject=name, level=level, facts=facts)

    async def _users(self, limit: Decimal | None, board: Board) -> list[Reading]:
        """Who has less than the limit, and who had and has more by now."""
        kind, currency = Kind.USER_BALANCE_LOW, self._desk.currency
        known = [each.subject for each in board.notices.values() if each.kind is kind and each.closed_at is None]
        if limit is None:
            return [Reading(kind=kind, subject=name, level=Level.GONE) for name in known]
        scale = scale_of(currency)
        below = to_units_up(limit * WELL_TIMES, scale)
        if below != self._below or monotonic() - self._looked_at >= USERS_SECONDS:
            self._low = await self._desk.store.read_at_length(partial(users_low, below=below))
            self._below, self._looked_at = below, monotonic()
        found = []
        for name, units in self._low.items():
            amount = to_decimal(units, scale)
            facts = Facts(amount=amount, currency=currency, limit=limit)
            found.append(Reading(kind=kind, subject=name, level=falling(amount, limit), facts=facts))
        if len(self._low) < LOW_USERS_MAX:  # Otherwise who is not among them may have been left out.
            facts = Facts(currency=currency, limit=limit)
            found += [
                Reading(kind=kind, subject=name, level=Level.WELL, facts=facts)
                for name in known
                if name not in self._low
            ]
        return found

    def _gone(self, board: Board) -> Iterator[Reading]:
        """Notices of providers that are watched no more."""
        watched = frozenset(self._watched())
        for each in board.notices.values():
            if each.kind in _OF_PROVIDERS and each.closed_at is None and each.subject not in watched:
                yield Reading(kind=each.kind, subject=each.subject, level=Level.GONE)

    def _watched(self) -> list[str]:
        return [name for name in self._desk.providers if name not in self._desk.switched_off]


def _channels(notify: Notify, board: Board) -> Iterator[Reading]:
    """Channels that take nothing, and what was said of those that are no more."""
    kind = Kind.CHANNEL_DEAD
    for name in notify.channels:
        channel = board.channels.get(name)
        if channel is not None:
            level = Level.WELL if channel.failing_since is None else Level.WRONG
            yield Reading(kind=kind, subject=name, level=level)
    for each in board.notices.values():
        if each.kind is kind and each.closed_at is None and each.subject not in notify.channels:
            yield Reading(kind=kind, subject=each.subject, level=Level.GONE)


def _house(kind: Kind, facts: Facts, *, wrong: bool) -> Reading:
    return Reading(kind=kind, subject="", level=Level.WRONG if wrong else Level.WELL, facts=facts)


def _decimal(number: float) -> Decimal:
    return Decimal(str(round(number, _PLACES)))
