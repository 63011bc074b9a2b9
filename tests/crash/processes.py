"""Children: forked from a process that has everything imported already, so that a life costs no start of Python."""

import ctypes
import mmap
import os
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import Final

import msgspec

_PR_SET_PDEATHSIG: Final = 1
_SLOTS: Final = 16


class Shared:
    """Numbers that parent and children all see, one slot each."""

    AHEAD = 0  # how far the gateways' clock is ahead of the machine's, ms
    MODE = 1  # what the driver is to do
    WAITING = 2  # wishes without an answer
    ANSWERED = 3  # wishes with an id
    REFUSED = 4
    READY = 5  # how many gateways of this life listen

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * _SLOTS)

    def __getitem__(self, slot: int) -> int:
        number: int = struct.unpack_from("q", self._memory, 8 * slot)[0]
        return number

    def __setitem__(self, slot: int, value: int) -> None:
        struct.pack_into("q", self._memory, 8 * slot, value)

    def clock(self) -> int:
        """Milliseconds since the epoch, as the gateways are told."""
        return time.time_ns() // 1_000_000 + self[self.AHEAD]

    def pass_by(self, seconds: float) -> None:
        """Let time pass for the gateways."""
        self[self.AHEAD] += int(seconds * 1000)


class Ended(msgspec.Struct, frozen=True):
    """How a child ended."""

    killed: bool
    code: int


class Child:
    """One forked process; it dies with its parent."""

    def __init__(self, work: Callable[[], None]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _be_child(work)
        self._ended: Ended | None = None

    def poll(self) -> Ended | None:
        """How it ended, or None while it lives."""
        if self._ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended = _ended(status)
        return self._ended

    def tell(self, what: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        if self.poll() is None:
            os.kill(self.pid, what)

    def kill(self) -> Ended:
        """End it as a crash does."""
        return self.end(signal.SIGKILL, seconds=10)

    def end(self, how: signal.Signals, *, seconds: float) -> Ended:
        """Send it a signal and wait; one that does not end in time is killed, and says so by its code."""
        if self.poll() is None:
            os.kill(self.pid, how)
        deadline = time.monotonic() + seconds
        while (found := self.poll()) is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                deadline += 10
            time.sleep(0.002)
        return found


def _be_child(work: Callable[[], None]) -> None:
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # A gateway that is not up yet reads the newest text anyway.
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent's Ctrl-C is the parent's business.
        work()
        code = 0
    except BaseException:  # Nothing may come back into the parent's code: the process ends here.
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ended(status: int) -> Ended:
    code = os.waitstatus_to_exitcode(status)
    return Ended(killed=code == -signal.SIGKILL, code=code)
