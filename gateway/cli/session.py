"""What every command shares: one clear line for what went wrong, the books opened and closed, and who is acting."""

import asyncio
import functools
import getpass
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import rich_click as click

from gateway.core.errors import GatewayError
from gateway.settings.environment import Environment, read_environment
from gateway.settings.faults import SettingsError
from gateway.store.engine import Store
from gateway.store.store import open_store

T = TypeVar("T")
Decorated = TypeVar("Decorated", bound=Callable[..., object])


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn our own errors into one line and exit code 1; anything else is a mistake of ours and keeps its traceback."""
    try:
        yield
    except SettingsError as error:
        click.echo(str(error), err=True)
        count = len(error.faults)
        click.echo(f"{count} fault{'s' if count != 1 else ''}; nothing was done", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Whoever read has read enough.
        sys.exit(0)
    except (GatewayError, OSError, ValueError) as error:
        click.echo(f"gateway: {error}", err=True)
        sys.exit(1)


def environment() -> Environment:
    """The process's environment as values; raises SettingsError."""
    return read_environment(os.environ)


def config_path(given: str | None) -> Path:
    """The file that was named, or the environment's."""
    return Path(given) if given else Path(os.environ.get("GATEWAY_CONFIG", "").strip() or "providers.yaml")


def in_books(work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the books of the environment, migrated and open, and close them again."""
    url = environment().database_url.reveal()
    prepare_folder(url)

    async def run() -> T:
        store = open_store(url)
        await store.open()
        try:
            await store.migrate()
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def prepare_folder(database_url: str) -> None:
    """Make the folder of a SQLite file; what is made is for its owner alone."""
    os.umask(0o077)
    if database_url.startswith("sqlite:///"):
        Path(database_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)


def actor() -> str:
    """Who is acting, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def reason_option(help_text: str, *, required: bool = True) -> Callable[[Decorated], Decorated]:
    """The option --reason of a command that changes something: a line of text, kept in the audit trail with the change.

    Where something new is made, and nothing that was there is changed, it may be left out.
    """
    option = partial(click.option, "--reason", callback=_line, help=help_text)
    return option(required=True) if required else option(default="")


def _line(_: click.Context, option: click.Parameter, text: str) -> str:
    line = text.strip()
    if (option.required or text) and not (line and line.isprintable()):
        raise click.BadParameter("a reason is a line of text")
    return line


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def printable(text: str) -> str:
    """A stranger's text without what a terminal would act upon (Q61)."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their heads, in columns that are as wide as they need to be; numbers to the right.

    Whatever a user or a panel has written in a cell draws nothing on the terminal.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    right = [all(_is_number(row[n]) for row in rows) and bool(rows) for n in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        shown = (cell.rjust(w) if r else cell.ljust(w) for cell, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(shown).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *(line(row) for row in rows)])


def _is_number(text: str) -> bool:
    return text.strip("-+%0123456789. ") == "" or text == "–"


def command(work: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are plain."""

    @functools.wraps(work)
    def wrapped(*args: object, **kwargs: object) -> None:
        with plain_errors():
            work(*args, **kwargs)

    return wrapped
