"""Two processes on the same books, one of them stopped between two statements while the other does its whole command.

Each process is a thread with an event loop and a store of its own, so that one may stand still inside its transaction.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from gateway.store.engine import Command, Query, Row, Steps
from gateway.store.store import open_store

T = TypeVar("T")
# How long the one that is not stopped gets: on its own it is through in a few milliseconds, and what waits for a lock
# of the other's gets no further however long it is given.
HEAD_START_SECONDS: Final = 0.06
PATIENCE_SECONDS: Final = 20.0


class Process:
    """A store of its own, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self._store = open_store(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._store.open()).result(PATIENCE_SECONDS)

    def run(self, command: Command[T]) -> Future[T]:
        """What a command will answer."""
        return self._do(self._store.run(command))

    def close(self) -> None:
        """End it."""
        self._do(self._store.close()).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


class Gate:
    """A place between two statements of a command at which it stands still until it is let on."""

    def __init__(self, at: int) -> None:
        self.at = at  # before which statement, counted from 0; after the last one for a number too high
        self.was_last = False
        self._reached = threading.Event()
        self._open = threading.Event()

    def through(self, command: Command[T]) -> Command[T]:
        """The command, with the gate in it; once it was let on it never stops again, however often it is run."""

        def steps() -> Steps[T]:
            inner = command()
            passed = 0
            rows: Sequence[Row] | None = None
            try:
                while True:
                    query: Query = next(inner) if rows is None else inner.send(rows)
                    if passed == self.at:
                        self._stop()
                    passed += 1
                    rows = yield query
            except StopIteration as done:
                if passed <= self.at:
                    self.was_last = True
                    self._stop()
                answer: T = done.value
                return answer
            finally:
                inner.close()

        return steps

    def wait(self) -> None:
        """Return once the command stands at the gate."""
        assert self._reached.wait(PATIENCE_SECONDS), "the command never came to its gate"

    def let_on(self) -> None:
        """Open it."""
        self._open.set()

    def _stop(self) -> None:
        self._reached.set()
        assert self._open.wait(PATIENCE_SECONDS), "nobody opened the gate"


def meet(one: tuple[Process, Command[T]], other: tuple[Process, Command[T]], gate: Gate) -> tuple[Future[T], Future[T]]:
    """Stop the first command at the gate, let the second go as far as it can, then the first; both have ended then."""
    first = one[0].run(gate.through(one[1]))
    gate.wait()
    second = other[0].run(other[1])
    with contextlib.suppress(TimeoutError):
        second.exception(HEAD_START_SECONDS)
    gate.let_on()
    for future in (first, second):
        future.exception(PATIENCE_SECONDS)
    return first, second


def gates() -> Iterator[Gate]:
    """A gate before each statement, and one before COMMIT; whoever walks has to have used one before the next."""
    for at in range(64):
        gate = Gate(at)
        yield gate
        if gate.was_last:
            return
    raise AssertionError("no command has so many statements")
