"""Commands on their way through a writer, on both databases: who waits for what, and what is traced; reads as well."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from gateway.core.error_type import ErrorType
from gateway.store.engine import Command, Counts, Refused, Steps, StoreError
from gateway.tracing import NOTHING, Kind, Recorded, Span, on, recorded, span

T = TypeVar("T")


class Waiting:
    """A command on its way through the writer."""

    __slots__ = ("began", "command", "error", "future", "pause", "result", "runs", "told", "unclear", "undecided")

    def __init__(self, command: Command[Any], future: asyncio.Future[Any], told: Span = NOTHING) -> None:
        self.command = command
        self.future = future
        self.told = told  # the span of whoever waits
        self.runs = 0
        self.began = 0.0  # when it was run first
        self.undecided = False  # met a conflict and has to come again
        self.pause = 0.0  # seconds before that
        self.unclear = False  # a run before ended in a COMMIT whose outcome nobody told
        self.result: Any = None
        self.error: BaseException | None = None


class BatchLost(Exception):
    """The transaction is gone, or may be; nobody in the batch may be told success."""


def deliver(one: Waiting) -> None:
    """Hand a caller what became of its command; a caller that was cancelled is gone, its command is not."""
    if one.future.done():
        return
    if one.error is not None:
        one.future.set_exception(one.error)
    else:
        one.future.set_result(one.result)


def handed_in(command: Command[Any]) -> Span:
    """The span of whoever waits for a command, from handing it in to its commit."""
    return NOTHING if recorded() is None else span(f"store {_name_of(command)}")


def reading(command: Command[T], database: str) -> tuple[AbstractContextManager[object], Command[T]]:
    """The span of a read, from asking to its result, and the read to run in it; the same as before if nobody looks."""
    if recorded() is None:
        return NOTHING, command
    told = span(f"read {_name_of(command)}", Kind.CLIENT, database=database)
    return _Reading(told), partial(_watched, command, told)


async def answer_of(future: asyncio.Future[T], told: Span, counts: Counts) -> T:
    """What became of a command, timed and told of."""
    with told:
        try:
            return await counts.timed(future)
        except Refused as error:
            told.note(outcome="refused", why=type(error).__name__)
            raise
        except StoreError:
            told.note(error_type=ErrorType.GATEWAY_BOOKS)
            raise


def transaction(batch: Sequence[Waiting], database: str, counts: Counts) -> AbstractContextManager[object]:
    """The span of a transaction, where it is of use to somebody who is traced.

    It serves many requests, so it is a trace of its own: it and each command's span are linked both ways.
    """
    traced = next((one.told for one in batch if isinstance(one.told, Recorded)), None) if on() else None
    return NOTHING if traced is None else _Transaction(traced, database, counts)


def begun(one: Waiting) -> None:
    """A command is run now, in the transaction that is under way; until then it waited."""
    under_way, command = recorded(), one.told
    if under_way is None or not isinstance(command, Recorded):
        return
    if under_way.place not in command.links:  # Otherwise the batch was undone, and is run once more.
        command.happened("begun")
        command.link(under_way)
        under_way.link(command)


def _watched(command: Command[T], heard: Span) -> Steps[T]:
    """The same steps, and the span hears of them: when the first was taken, which statements, how many rows in all."""
    steps, statements, rows = command(), dict[str, None](), 0
    heard.happened("begun")
    try:
        query = next(steps)
        while True:
            statements[query.name] = None
            found = yield query
            rows += len(found)
            query = steps.send(found)
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()
        heard.note(query=" ".join(statements), rows=rows)


def _name_of(command: Command[Any]) -> str:
    what = command.func if isinstance(command, partial) else command
    return getattr(what, "__name__", "command")


class _Reading:
    """A read that somebody is told of."""

    def __init__(self, told: Span) -> None:
        self._told = told

    def __enter__(self) -> Span:
        return self._told.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Refused):
            self._told.note(outcome="refused", why=type(error).__name__)
        elif isinstance(error, StoreError):
            self._told.note(error_type=ErrorType.GATEWAY_BOOKS)
        self._told.__exit__(kind, error, trace)


class _Transaction:
    """One that somebody is told of."""

    def __init__(self, traced: Recorded, database: str, counts: Counts) -> None:
        self._told = traced.beside("transaction", Kind.CLIENT, database=database)
        self._counts = counts
        self._before = counts.statements, counts.commands

    def __enter__(self) -> Span:
        return self._told.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        statements, commands = self._before
        self._told.note(statements=self._counts.statements - statements, commands=self._counts.commands - commands)
        if kind is not None:
            self._told.note(error_type=ErrorType.GATEWAY_BOOKS)
        self._told.__exit__(kind, error, trace)
