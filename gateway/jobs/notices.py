"""The clock in for notices: look, write down what became of each, and tell each channel what it has still to hear.

Each channel is told by a task of its own, one at a time, so that one which hangs holds up neither the looking nor its
neighbours, and never an order. Of several processes the one that leases a channel tells it; after the lease is had the
books are read again, so what another has told meanwhile is not told twice. The mark that a message was taken is made
after it was. Whoever dies between the two, or whose books are away for good, has it told once more.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import msgspec
import structlog

from gateway.actions.channels import Told, channels_of, rules_of
from gateway.actions.desk import Desk
from gateway.actions.news import NEWS_MAX, New
from gateway.core.notice import DAY_MS, Notice, Reading, Severity, forgotten, mark_of, observe, passed_by
from gateway.core.notice_forms import Message
from gateway.core.notice_text import Written, write, write_digest
from gateway.core.telling import (
    DEAD_TRIES,
    Channel,
    Heard,
    Part,
    Turn,
    digest_due,
    failed,
    heard_of,
    held,
    message_id,
    parts_due,
    taken,
    turn,
    waited,
)
from gateway.jobs.witness import Witness
from gateway.points import point
from gateway.providers.courier import Courier, kind_of, open_courier
from gateway.settings.notify import Notify
from gateway.store.engine import StoreError
from gateway.store.notices import (
    CHANGES_MAX,
    Board,
    Change,
    change_channel,
    change_notices,
    claim_channel,
    forget_heard,
    know_channels,
    read_board,
)

log = structlog.get_logger(__name__)

STOP_SECONDS: Final = 2.0  # well within the grace that a stop has beyond its drain (docs/operating.md)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A channel as it is in use."""

    told: Told
    courier: Courier

    @property
    def kind(self) -> str:
        """Webhook, telegram, slack or email."""
        return kind_of(self.told.to)


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel is to hear now."""

    channel: Channel
    parts: tuple[Part, ...]
    digest: bool
    turn: Turn


class Notices:
    """One process's part in telling people."""

    def __init__(self, desk: Desk, notify: Notify) -> None:
        self._desk = desk
        self._witness = Witness(desk)
        self._notify = notify
        self._lines: dict[str, Line] = {}
        self._retired: list[Courier] = []
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._unmarked: dict[str, tuple[Channel, Mapping[str, Heard]]] = {}  # told, and the books could not be told
        self._news: list[New] = []
        self.adopt(notify)

    def adopt(self, notify: Notify) -> None:
        """Tell these channels from now on. A way to one that nothing changed for is kept."""
        before, self._notify = self._lines, notify
        self._lines = {}
        for name, told in channels_of(notify).items():
            known = before.get(name)
            same = known is not None and known.told.to == told.to
            courier = known.courier if known is not None and same else open_courier(told.to)
            self._lines[name] = Line(told=told, courier=courier)
        used = [line.courier for line in self._lines.values()]
        self._retired += [line.courier for line in before.values() if line.courier not in used]

    async def run(self) -> None:
        """Look and tell; raises StoreError when the books are away, and nothing that happened is forgotten."""
        self._news = [*self._news, *self._desk.news.take()][-NEWS_MAX:]
        await self._let_go()
        if not self._lines:  # There is nobody to tell.
            self._news.clear()
            return
        store, now = self._desk.store, self._desk.clock()
        board = await self._board(now)
        readings = await self._witness.readings(self._notify, board)
        changes = self._changes(board, readings, now=now)
        for begin in range(0, len(changes), CHANGES_MAX):
            await store.run(partial(change_notices, changes[begin : begin + CHANGES_MAX]))
        self._news.clear()
        if changes:
            if any(change.after is None for change in changes):
                await store.run(forget_heard)
            board = await store.read_at_length(read_board)
        self._count(board)
        for name, line in self._lines.items():
            running = self._telling.get(name)
            if running is not None and not running.done():
                continue
            due = _due(name, line, board, now=now)
            if due.turn is Turn.SEND or (due.turn is Turn.HOLD and due.channel.held_since is None):
                self._telling[name] = asyncio.create_task(self._tell(name, line), name=f"tell:{name}")

    async def stop(self) -> None:
        """Let what is being told arrive, within STOP_SECONDS, and let go of the channels.

        What was cut off is told once more by whoever comes next, when the lease has ended.
        """
        running = list(self._telling.values())
        if running:
            await asyncio.wait(running, timeout=STOP_SECONDS)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for courier in (*self._retired, *(line.courier for line in self._lines.values())):
            await courier.aclose()

    async def _board(self, now: int) -> Board:
        store = self._desk.store
        board = await store.read_at_length(read_board)
        new = [name for name in self._lines if name not in board.channels]
        if new:
            await store.run(partial(know_channels, new, now=now))
            board = await store.read_at_length(read_board)
        return board

    def _changes(self, board: Board, readings: Iterable[Reading], *, now: int) -> list[Change]:
        """What is to be written, by the keys of the notices."""
        found: dict[str, Change] = {}
        rules = rules_of(self._notify)
        for reading in readings:
            key = f"{reading.kind}:{reading.subject}"
            before = board.notices.get(key)
            after = observe(before, reading, rule=rules[reading.kind], now=now)
            if after is not before:
                found[key] = Change(before=before, after=after)
        for new in self._news:
            key = f"{new.kind}:{new.subject}:{mark_of(new.facts)}"
            before = board.notices.get(key)
            after = passed_by(before, new.kind, new.subject, facts=new.facts, now=now)
            if after is not None:
                found[key] = Change(before=before, after=after)
        for key, notice in board.notices.items():
            if key not in found and forgotten(notice, now=now):
                found[key] = Change(before=notice, after=None)
        return [found[key] for key in sorted(found)]

    async def _tell(self, name: str, line: Line) -> None:
        """Tell one channel what it is to hear now, if nobody else does."""
        store, owner = self._desk.store, self._desk.owner
        try:
            if not await store.run(partial(claim_channel, name, owner)):
                return
            if name in self._unmarked:
                channel, heard = self._unmarked[name]
                await store.run(partial(change_channel, channel, owner, heard))
                del self._unmarked[name]
                return  # What is left to tell is told at the next look.
            board = await store.read_at_length(read_board)
            channel, heard = await self._told(name, line, board)
            self._unmarked[name] = channel, heard
            await store.run(partial(change_channel, channel, owner, heard))
            del self._unmarked[name]
        except StoreError as error:
            self._desk.metrics.job_failed("tell")
            log.warning("notices_wait", channel=name, error=error)
        except Exception:
            self._desk.metrics.job_failed("tell")
            log.exception("telling_failed", channel=name)

    async def _told(self, name: str, line: Line, board: Board) -> tuple[Channel, Mapping[str, Heard]]:
        """Send what is due; answers how the channel stands then, and what it has heard."""
        now = self._desk.clock()
        due = _due(name, line, board, now=now)
        channel = due.channel
        if due.turn is Turn.NOTHING:
            return channel, {}
        if due.turn is Turn.HOLD:
            if channel.held_since is None:
                self._desk.metrics.notice_told(line.kind, "held")
                log.warning("notices_held", channel=name, notices=len(due.parts))
            return held(channel, now=now), {}
        written, day = self._written(line, due, board, now=now)
        message = Message(
            id=message_id(name, written.parts, digest_day=day),
            made_at=now,
            title=written.title,
            text=written.text,
            severity=written.severity,
            parts=written.parts,
        )
        answer = await line.courier.bring(message, self._desk.clock)
        point("told", "notices")
        now = self._desk.clock()
        self._desk.metrics.notice_told(line.kind, "taken" if answer.taken else "failed")
        if not answer.taken:
            after = failed(channel, answer.problem, after_ms=answer.after_ms, now=now)
            log.warning("notice_not_taken", channel=name, problem=answer.problem, tries=after.tries)
            if after.tries == DEAD_TRIES:
                log.error("channel_dead", channel=name, problem=answer.problem)
            return after, {}
        if channel.tries >= DEAD_TRIES:
            log.error("channel_well", channel=name)
        log.info("notices_told", channel=name, notices=len(written.parts), note=answer.note or None)
        after = taken(channel, digest=day is not None, now=now)
        return after, {part.notice.key: heard_of(part, now=now) for part in written.parts}

    def _written(self, line: Line, due: Due, board: Board, *, now: int) -> tuple[Written, int | None]:
        """The message; of a digest with its day."""
        house, wants, room = self._notify.name, line.told.wants, line.courier.room
        if due.parts:
            late = waited(due.parts, due.channel, wants, now=now)
            return write(due.parts, house=house, late=late, now=now, room=room), None
        wanted = [notice for notice in board.notices.values() if wants.wants(notice)]
        return write_digest(wanted, house=house, now=now, room=room), now // DAY_MS

    def _count(self, board: Board) -> None:
        opened = Counter(notice.severity for notice in board.notices.values() if _stands(notice))
        failing = sum(board.channels[name].tries > 0 for name in self._lines if name in board.channels)
        counts: Mapping[Severity, int] = opened
        self._desk.metrics.notices_stand(counts, failing=failing)

    async def _let_go(self) -> None:
        """Close ways that are in use no more, once nobody is on them."""
        if self._retired and all(task.done() for task in self._telling.values()):
            retired, self._retired = self._retired, []
            for courier in retired:
                await courier.aclose()


def _due(name: str, line: Line, board: Board, *, now: int) -> Due:
    channel, wants = board.channels[name], line.told.wants
    parts = parts_due(board.notices.values(), board.heard.get(name, {}), wants, channel=channel, now=now)
    digest = digest_due(channel, wants, now=now)
    return Due(
        channel=channel,
        parts=parts,
        digest=digest,
        turn=turn(channel, wants, due=bool(parts) or digest, now=now),
    )


def _stands(notice: Notice) -> bool:
    return notice.open and not notice.mark
