"""Settling doubt, tick by tick: watch what is in doubt, end quarantines, look where that helps, refund in time.

One process speaks for a provider at a time, by a lease; that spares the panel and is not what makes it safe. A verdict
is a compare-and-set in the books. Time is waited for by this process's own clock that never jumps and by the
database's, so that neither a jump nor a restart makes a wait shorter; what is only remembered here (denials, and since
when somebody has watched) begins anew with a process, which makes a wait longer.
"""

from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Final

import structlog

from gateway.actions.cancel import tell_cancel
from gateway.actions.desk import Desk
from gateway.actions.dispatch import dispatch
from gateway.actions.probe import LOOK, Cannot, Judged, View, ask_about, in_words, judge, ripe, view_of
from gateway.core.attempt import AttemptState
from gateway.core.errors import TEXT_UNAVAILABLE
from gateway.core.money import scale_of, to_units_up
from gateway.core.outcome import Accepted, NotPlaced
from gateway.core.resolve import Attach, Leave, Verdict, inside
from gateway.core.resolve import NotPlaced as Proved
from gateway.settings.values import UnknownRules
from gateway.store import attempts
from gateway.store.brakes import claim_job, return_job
from gateway.store.unknown import (
    Look,
    OpenDoubt,
    Word,
    doubtful_providers,
    due_back,
    end_quarantine,
    give_back_by_rule,
    keep_looks,
    keep_strange,
    open_doubts,
    watch_doubts,
)

log = structlog.get_logger(__name__)

JOB: Final = "resolve"
# A lease lasts LEASE_MS; it is asked for again well before it ends.
RENEW_SECONDS: Final = 5.0
# Looks that brought nothing come at growing intervals, up to this.
PAUSE_MAX_SECONDS: Final = 3600.0
DENIALS_KEPT: Final = 8  # times an id was denied
# When the log says how long an order has been in doubt: what a person should see, and what should wake one.
TOLD_AFTER_SECONDS: Final = (15 * 60, 2 * 3600)


# For doubt at a provider that was taken out of the file, and its own rules with it: the defaults, without a look.
NOT_IN_THE_FILE: Final = UnknownRules()


class _Memory:
    """What this process remembers of one provider's doubts; all times are seconds of a clock that never jumps."""

    def __init__(self) -> None:
        self.seen_at: dict[int, float] = {}  # by attempt: when it was first seen in doubt
        self.number = 0  # of the last look
        self.closed_in: dict[int, int] = {}  # by attempt: the first look that found its window closed
        self.denials: dict[int, list[tuple[int, float]]] = {}  # by id: in which looks it was denied, and when
        self.told: dict[int, int] = {}  # by attempt: how many times its age was logged
        self.leased_at: float | None = None
        self.ticked_at: float | None = None
        self.signature: frozenset[tuple[int, int | None]] = frozenset()  # what the last look was about
        self.looks = 0  # about the same
        self.look_at = 0.0

    def denied(self, attempt: int) -> dict[int, tuple[int, int]]:
        """When each id was first and last denied since an attempt's window was closed, in ms."""
        since = self.closed_in.get(attempt)
        if since is None:
            return {}
        found: dict[int, tuple[int, int]] = {}
        for number, times in self.denials.items():
            after = [int(at * 1000) for look, at in times if look >= since]
            if after:
                found[number] = (after[0], after[-1])
        return found


class Resolver:
    """The one who settles doubt in this process."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._memories: dict[str, _Memory] = {}

    async def run(self, provider: str) -> None:
        """Do what is due about a provider's doubts; nothing in safe mode, where what panels show may be anybody's."""
        if self._desk.safe_mode:
            return
        memory = self._memories.setdefault(provider, _Memory())
        doubts = await self._desk.store.read(partial(open_doubts, provider))
        unknown = [each for each in doubts if each.attempt.state is AttemptState.UNKNOWN]
        self._remember(memory, unknown)
        if not unknown:
            await self._let_go(provider, memory)
            return
        if not await self._hold(provider, memory):
            memory.ticked_at = None
            return
        await self._watch(memory, unknown)
        rules = self._desk.unknown_rules.get(provider, NOT_IN_THE_FILE)
        if provider in self._desk.providers:
            await self._end_quarantines(provider, memory, unknown)
        if rules.refund_after_hours is not None:
            await self._give_back(provider, rules, unknown)
        if rules.probe == "id_window" and any(ripe(each) for each in unknown):
            await self._look(provider, memory, rules)

    async def run_left(self) -> None:
        """The same for providers that are no longer in the file: nobody looks there, and no user waits for ever."""
        for provider in await self._desk.store.read(doubtful_providers):
            if provider not in self._desk.providers:
                await self.run(provider)

    async def close(self) -> None:
        """Let others go on at once."""
        for provider, memory in self._memories.items():
            await self._let_go(provider, memory)

    def _remember(self, memory: _Memory, unknown: Sequence[OpenDoubt]) -> None:
        now, wall = self._clock(), self._desk.clock()
        here = {each.attempt.id for each in unknown}
        for kept in (memory.seen_at, memory.closed_in, memory.told):
            for gone in set(kept) - here:
                del kept[gone]
        for each in unknown:
            memory.seen_at.setdefault(each.attempt.id, now)
            age = (wall - each.sending_at) / 1000
            told = sum(age >= limit for limit in TOLD_AFTER_SECONDS)
            if told > memory.told.get(each.attempt.id, 0):
                memory.told[each.attempt.id] = told
                say = log.error if told == len(TOLD_AFTER_SECONDS) else log.warning
                say(
                    "doubt_lasts",
                    order_id=each.attempt.order_id,
                    provider=each.attempt.provider,
                    minutes=int(age // 60),
                    note=each.note,
                )

    async def _hold(self, provider: str, memory: _Memory) -> bool:
        """Whether this process speaks for the provider, and will for a while."""
        now = self._clock()
        if memory.leased_at is not None and now - memory.leased_at < RENEW_SECONDS:
            return True
        mine = await self._desk.store.run(partial(claim_job, provider, JOB, self._desk.owner))
        memory.leased_at = now if mine else None
        return mine

    async def _may_ask(self, provider: str, memory: _Memory) -> bool:
        """Whether this process still speaks for the provider, and no person is looking there by hand."""
        owner = self._desk.owner
        return await self._hold(provider, memory) and await self._desk.store.run(
            partial(claim_job, provider, LOOK, owner)
        )

    async def _let_go(self, provider: str, memory: _Memory) -> None:
        memory.ticked_at = None
        if memory.leased_at is not None:
            memory.leased_at = None
            await self._desk.store.run(partial(return_job, provider, JOB, self._desk.owner))

    async def _watch(self, memory: _Memory, unknown: Sequence[OpenDoubt]) -> None:
        """Note new doubts, and that time has passed for the others."""
        now, before = self._clock(), memory.ticked_at
        memory.ticked_at = now
        new = [(each.attempt.id, each.attempt.provider) for each in unknown if not each.watched]
        old = [each.attempt.id for each in unknown if before is not None and memory.seen_at[each.attempt.id] <= before]
        passed = 0 if before is None else int((now - before) * 1000)
        if new or (old and passed):
            await self._desk.store.run(partial(watch_doubts, new, aged=old, ms=passed))

    async def _end_quarantines(self, provider: str, memory: _Memory, unknown: Sequence[OpenDoubt]) -> None:
        """From when nothing more can be sent, a panel has so long to make an order of what it heard."""
        desk = self._desk
        sending = desk.providers[provider].upstream.timeouts.total
        seconds = float(desk.unknown_rules[provider].quarantine_seconds) + sending
        for each in unknown:
            waited = self._clock() - memory.seen_at[each.attempt.id]
            if each.quarantined is None and waited >= seconds:
                end = partial(end_quarantine, each.attempt, ms=int(seconds * 1000), actor=desk.owner, now=desk.clock())
                await desk.store.run(end)

    def _by_hand(self, doubt: OpenDoubt) -> bool:
        """Whether a doubt is from before the books were put back: only a person tells it from what they do not know."""
        return doubt.sending_at <= self._desk.by_hand_until

    async def _give_back(self, provider: str, rules: UnknownRules, unknown: Sequence[OpenDoubt]) -> None:
        """Refund users who have waited long enough, as far as the cap bears it."""
        desk = self._desk
        assert rules.refund_after_hours is not None, "asked before"
        hours = float(rules.refund_after_hours)
        cap = to_units_up(rules.cap_in(desk.currency), scale_of(desk.currency))
        word = Word(actor=desk.owner, reason=f"nobody could tell for {hours:g} h")
        left = {each.attempt.id for each in unknown if self._by_hand(each)}
        for attempt in await desk.store.read(partial(due_back, provider, ms=int(hours * 3_600_000))):
            if attempt.id in left:
                continue
            given = partial(give_back_by_rule, attempt, word, cap=cap, now=desk.clock())
            if await desk.store.run(given):
                desk.metrics.doubt_refunded()
                log.error("refunded_in_doubt", order_id=attempt.order_id, provider=provider)

    async def _look(self, provider: str, memory: _Memory, rules: UnknownRules) -> None:
        """Look for lost orders when there is something new to look for, or it is time to ask again."""
        desk, client = self._desk, self._desk.providers[provider]
        view = await view_of(desk.store, client, rules)
        now = self._clock()
        signature = self._signature(view, memory)
        if signature == memory.signature and now < memory.look_at:
            return
        memory.looks = memory.looks + 1 if signature == memory.signature else 0
        memory.signature = signature
        looked: View | Cannot = view
        if isinstance(view, View):
            memory.number += 1
            seen = await ask_about(client, view, rules, go_on=partial(self._may_ask, provider, memory))
            await desk.store.run(partial(return_job, provider, LOOK, desk.owner))
            if isinstance(seen, Cannot):
                looked = seen
            else:
                self._note_denials(memory, view, seen.denied)
                judged = await judge(desk.store, client, (view, seen), rules=rules, denials=memory.denied)
                log.info("looked_for_orders", provider=provider, calls=seen.calls, found=len(judged.lost))
                await self._follow(provider, view, judged)
        if isinstance(looked, Cannot):
            await self._note(provider, looked.why)
        pause = float(rules.recheck_seconds) * 2.0 ** min(memory.looks, 20)
        memory.look_at = self._clock() + min(pause, PAUSE_MAX_SECONDS)

    def _signature(self, view: View | Cannot, memory: _Memory) -> frozenset[tuple[int, int | None]]:
        """What there is to look for: each attempt with the end of its window. Notes when a window was first closed."""
        if isinstance(view, Cannot):
            return frozenset()
        found: set[tuple[int, int | None]] = set()
        for each in view.doubts:
            window = view.windows.get(each.attempt.id)
            if ripe(each) and window is not None:
                found.add((each.attempt.id, window.hi))
                if window.hi is not None:
                    memory.closed_in.setdefault(each.attempt.id, memory.number + 1)
        return frozenset(found)

    def _note_denials(self, memory: _Memory, view: View, denied: frozenset[int]) -> None:
        """Each at the time the whole look ended; the next begins so long after that that both are surely apart."""
        this = (memory.number, self._clock())
        kept = {number: memory.denials.get(number, []) for number in view.ids}
        for number in denied.intersection(kept):
            kept[number] = [*kept[number], this][-DENIALS_KEPT:]
        memory.denials = kept

    async def _follow(self, provider: str, view: View, judged: Judged) -> None:
        """Write what a look decided, and what it left open."""
        desk = self._desk
        strange = {str(number): in_words(judged.lost[number]) for number in judged.settled.strange}
        if strange:
            new = await desk.store.run(partial(keep_strange, provider, strange, now=desk.clock()))
            if new:
                log.error("strange_ids", provider=provider, ids=", ".join(new), foreign=judged.foreign)
        looks = [self._look_of(each, view, judged) for each in judged.settled.verdicts]
        await desk.store.run(partial(keep_looks, [each for each in looks if each is not None], now=desk.clock()))
        for verdict in judged.settled.verdicts:
            if not isinstance(verdict, Leave) and not self._by_hand(judged.doubts[verdict.attempt]):
                await self._settle(judged.doubts[verdict.attempt], verdict)

    def _look_of(self, verdict: Verdict, view: View, judged: Judged) -> Look | None:
        window = view.windows.get(verdict.attempt)
        if not ripe(judged.doubts[verdict.attempt]) or window is None:
            return None
        found = tuple((str(n), in_words(said)) for n, said in sorted(judged.lost.items()) if inside(n, window))
        return Look(attempt=verdict.attempt, lo=window.lo, hi=window.hi, note=in_short(verdict), found=found)

    async def _note(self, provider: str, why: str) -> None:
        """Tell whoever reads the queue why looking proves nothing."""
        desk = self._desk
        doubts = await desk.store.read(partial(open_doubts, provider))
        looks = [Look(attempt=each.attempt.id, lo=None, hi=None, note=why) for each in doubts if ripe(each)]
        await desk.store.run(partial(keep_looks, looks, now=desk.clock()))

    async def _settle(self, doubt: OpenDoubt, verdict: Attach | Proved) -> None:
        """Write one verdict, and do what follows from it."""
        desk, attempt = self._desk, doubt.attempt
        now = desk.clock()
        proved = NotPlaced("every id it could have was denied twice")
        outcome = Accepted(str(verdict.id)) if isinstance(verdict, Attach) else proved
        replace_ms = int(desk.unknown_rules[attempt.provider].replace_minutes * 60_000)
        stored = attempts.Verdict(
            outcome=outcome,
            go_on=now - doubt.created_at < replace_ms,
            failure=TEXT_UNAVAILABLE,
            why="found among the panel's ids" if isinstance(verdict, Attach) else "",
            owner=desk.owner,
            poll_at=now + desk.first_poll_ms(attempt.provider),
        )
        decided = await desk.store.run(partial(attempts.decide, attempt, stored, now=now))
        desk.metrics.attempt_decided(attempt.provider, outcome)
        log.warning(
            "doubt_settled",
            order_id=attempt.order_id,
            attempt=attempt.id,
            provider=attempt.provider,
            outcome=in_short(verdict),
            state=decided.state.value,
        )
        if decided.next is not None:
            desk.spawn(dispatch(desk, decided.next), name=f"dispatch:{attempt.order_id}")
        if decided.cancel is not None:
            told = tell_cancel(desk, attempt.order_id, attempt.provider)
            desk.spawn(told, name=f"cancel:{attempt.order_id}")


def in_short(verdict: Verdict) -> str:
    """A verdict in words."""
    match verdict:
        case Attach():
            return f"placed as {verdict.id}"
        case Proved():
            return "not placed"
        case Leave():
            return verdict.why
