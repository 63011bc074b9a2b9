"""A TCP proxy that a test puts between two programs and makes go wrong while they talk.

It runs on a thread of its own, so a test may be async or not, and may block. The words are Toxiproxy's. `up` is from
whoever connects to the server behind, `down` is back; a fault is for one way and for every connection, those that are
open already included:

    with FaultProxy(panel.port) as proxy:
        proxy.down(Drip(0.1))          # every answer a byte at a time
        proxy.down(LimitData(40))      # in its place: forty bytes of an answer, then the end
        proxy.up(Blackhole())          # nothing arrives there any more, and nobody is told
        proxy.heal()                   # what was held back arrives now, as TCP would bring it
        proxy.refuse(); proxy.accept() # nobody listens; somebody listens again, on the same port
        proxy.cut()                    # every open connection is reset
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Final, Literal, Self

import msgspec

Way = Literal["up", "down"]
Ending = Literal["close", "reset", "silent"]

READ_BYTES: Final = 65_536
CALL_SECONDS: Final = 10.0
# Linux takes one connection more into the queue than it is told; these fill it, and the next SYN stays unanswered.
QUEUE_FILLERS: Final = 4


class Fault(msgspec.Struct, frozen=True):
    """Something that is wrong with one way."""


class Latency(Fault, frozen=True):
    """Everything comes so much later."""

    seconds: float


class Bandwidth(Fault, frozen=True):
    """No more than so many bytes in a second."""

    bytes_per_second: int


class Slicer(Fault, frozen=True):
    """In pieces of so many bytes, with a pause between them."""

    size: int
    pause: float = 0.0


def Drip(pause: float) -> Slicer:  # noqa: N802 - reads as the fault it makes
    """A byte at a time."""
    return Slicer(size=1, pause=pause)


class SlowClose(Fault, frozen=True):
    """The end of a connection is passed on so much later."""

    seconds: float


class Timeout(Fault, frozen=True):
    """Nothing is passed on, and the connection is closed after so long."""

    seconds: float


class ResetPeer(Fault, frozen=True):
    """Nothing is passed on, and the connection is reset after so long; at once is before anything was read."""

    seconds: float = 0.0


class LimitData(Fault, frozen=True):
    """So many bytes of a connection pass; then it ends, or nothing more is heard on it."""

    bytes_max: int
    ending: Ending = "close"


class CutAt(Fault, frozen=True):
    """The connection ends when these bytes come by: once they were passed on, or before that."""

    pattern: bytes
    passed: bool = True
    ending: Ending = "reset"


class Blackhole(Fault, frozen=True):
    """Nothing is passed on and nobody is told; with it on one way, A no longer reaches B but B reaches A."""


class FaultProxy:
    """The proxy in front of one server; to be used as a context manager."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.target = (host, port)  # may be changed: connections made later go there
        self.port = 0
        self.connections = 0  # made to it in all
        self.passed: dict[Way, int] = {"up": 0, "down": 0}  # bytes in all
        self._faults: dict[Way, tuple[Fault, ...]] = {"up": (), "down": ()}
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None
        self._stuck: list[socket.socket] = []
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._links)

    def url(self, path: str = "/api/v2") -> str:
        """Its address, for a panel behind it."""
        return f"http://127.0.0.1:{self.port}{path}"

    def up(self, *faults: Fault) -> None:
        """What is wrong from now on with what is sent to the server, in place of what was."""
        self._call(self._set("up", faults))

    def down(self, *faults: Fault) -> None:
        """What is wrong from now on with what the server sends, in place of what was."""
        self._call(self._set("down", faults))

    def partition(self) -> None:
        """Nothing passes either way."""
        self.up(Blackhole())
        self.down(Blackhole())

    def heal(self) -> None:
        """Nothing is wrong any more, and somebody listens."""
        self.up()
        self.down()
        self.accept()

    def refuse(self) -> None:
        """Nobody listens any more; connections that are open stay."""
        self._call(self._deafen())

    def accept(self) -> None:
        """Somebody listens again, on the same port."""
        self._call(self._listen())

    def ignore(self) -> None:
        """Nobody takes new connections, and nobody refuses them: a SYN stays without an answer."""
        self._call(self._stall())

    def cut(self, ending: Ending = "reset") -> None:
        """End every open connection."""
        self._call(self._cut(ending))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    async def _listen(self) -> None:
        if self._listener is None:
            await self._deafen()
            self._listener = await asyncio.start_server(
                self._connected, "127.0.0.1", self.port, backlog=1024, reuse_address=True
            )
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for each in self._stuck:
            each.close()
        self._stuck = []

    async def _stall(self) -> None:
        await self._deafen()
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", self.port))
        deaf.listen(0)
        self._stuck = [deaf]
        for _ in range(QUEUE_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self._stuck.append(filler)

    async def _set(self, way: Way, faults: tuple[Fault, ...]) -> None:
        self._faults[way] = faults
        self._changed.set()
        self._changed = asyncio.Event()
        for link in self._links:
            self._doom(link)

    async def _cut(self, ending: Ending) -> None:
        for link in list(self._links):
            link.end(ending)

    async def _close(self) -> None:
        await self._deafen()
        await self._cut("close")
        tasks = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # The transports close in the loop's next round.

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = _Link(reader, writer)
        self._links.add(link)
        try:
            self._doom(link)
            if link.ended or not await link.reach(self.target):
                link.end("reset")
                return
            await asyncio.gather(self._pump(link, "up"), self._pump(link, "down"))
            link.end("close")
        except (OSError, asyncio.CancelledError):
            link.end("close")
        finally:
            self._links.discard(link)
            link.forget()

    def _doom(self, link: "_Link") -> None:
        """Set the time at which a connection ends, if that is what is wrong."""
        link.forget()
        for fault in (*self._faults["up"], *self._faults["down"]):
            match fault:
                case ResetPeer(seconds=0):
                    link.end("reset")
                case ResetPeer(seconds=seconds):
                    link.later(self._loop, seconds, "reset")
                case Timeout(seconds=seconds):
                    link.later(self._loop, seconds, "close")
                case _:
                    pass

    async def _pump(self, link: "_Link", way: Way) -> None:
        """Carry one way of a connection until it ends."""
        reader, writer = link.ends(way)
        while data := await reader.read(READ_BYTES):
            while any(isinstance(fault, Blackhole | Timeout | ResetPeer) for fault in self._faults[way]):
                await self._changed.wait()
            if link.silent or not await self._pass(link, way, data):
                return
        for fault in self._faults[way]:
            if isinstance(fault, SlowClose):
                await asyncio.sleep(fault.seconds)
        if not link.silent and not writer.is_closing() and writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()

    async def _pass(self, link: "_Link", way: Way, data: bytes) -> bool:
        """Pass some bytes on as the faults have it; False when the connection has ended over it."""
        ending: Ending | None = None
        size, pause = len(data), 0.0
        for fault in self._faults[way]:
            match fault:
                case Latency(seconds=seconds):
                    await asyncio.sleep(seconds)
                case Slicer(size=size, pause=pause):
                    pass
                case Bandwidth(bytes_per_second=speed):
                    size, pause = max(speed // 20, 1), max(speed // 20, 1) / speed
                case LimitData(bytes_max=most) if link.passed[way] + len(data) >= most:
                    data, ending = data[: max(most - link.passed[way], 0)], fault.ending
                case CutAt(pattern=pattern) if (where := (link.tail[way] + data).find(pattern)) >= 0:
                    until = where - len(link.tail[way]) + (len(pattern) if fault.passed else 0)
                    data, ending = data[: max(until, 0)], fault.ending
                case _:
                    pass
        _, writer = link.ends(way)
        for start in range(0, len(data), max(size, 1)):
            piece = data[start : start + size]
            writer.write(piece)
            await writer.drain()
            link.note(way, piece)
            self.passed[way] += len(piece)
            if pause:
                await asyncio.sleep(pause)
        if ending is not None:
            link.end(ending)
        return ending is None


class _Link:
    """One connection through the proxy: both its ends, and what went over them."""

    TAIL_BYTES: Final = 64  # kept of what has passed, for a pattern that comes in two parts

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._near = (reader, writer)
        self._far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self.passed: dict[Way, int] = {"up": 0, "down": 0}
        self.tail: dict[Way, bytes] = {"up": b"", "down": b""}
        self.ended = False
        self.silent = False

    async def reach(self, target: tuple[str, int]) -> bool:
        """Connect to the server behind; False when nobody is there."""
        try:
            self._far = await asyncio.open_connection(*target)
        except OSError:
            return False
        return True

    def ends(self, way: Way) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Where this way is read and where it is written."""
        assert self._far is not None
        if way == "up":
            return self._near[0], self._far[1]
        return self._far[0], self._near[1]

    def note(self, way: Way, piece: bytes) -> None:
        """Remember what has passed."""
        self.passed[way] += len(piece)
        self.tail[way] = (self.tail[way] + piece)[-self.TAIL_BYTES :]

    def later(self, loop: asyncio.AbstractEventLoop, seconds: float, ending: Ending) -> None:
        """End it in a while."""
        self._timers.append(loop.call_later(seconds, self.end, ending))

    def forget(self) -> None:
        """Let no timer end it."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def end(self, ending: Ending) -> None:
        """End both sides, or say nothing more on either."""
        self.ended = True
        if ending == "silent":
            self.silent = True
            return
        for end in (self._near, self._far):
            if end is None:
                continue
            writer = end[1]
            if ending == "reset":
                raw = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):  # It may be closed already.
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
