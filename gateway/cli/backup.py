"""The commands that copy the books and put a copy back; for PostgreSQL they say which of its own programs do that."""

import asyncio
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from shlex import quote
from urllib.parse import unquote, urlsplit

import msgspec
import rich_click as click

from gateway.cli.moments import shown
from gateway.cli.session import actor, command, environment, in_books, now, prepare_folder
from gateway.store.backup import Copied, back_up, put_back, spare
from gateway.store.events import record
from gateway.store.postgres_line import read_line
from gateway.store.safety import recognise
from gateway.store.store import open_store

_FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


@click.command()
@_FILE
@click.option(
    "--replace", is_flag=True, help="Replace FILE if it is there; until the new copy is whole the old one stays."
)
@command
def backup(file: Path, *, replace: bool) -> None:
    """Copy the books to FILE while the gateway serves, and read the copy whole before it gets its name.

    FILE is readable by its owner alone. It has users' balances and orders and no key in the clear; data/key.secret is
    not in it and has to be kept as well, elsewhere. For PostgreSQL the command to run is printed.
    """
    url = environment().database_url.reveal()
    books = sqlite_file(url)
    if books is None:
        spare(file, replace=replace)
        # As for SQLite: readable by its owner alone from its first byte, and its name only once it is whole.
        part, whole = quote(f"{file}.part"), quote(str(file))
        dump = f"pg_dump --format=custom --file={part} {quote(_without_password(url))}"
        click.echo(f"(umask 077 && rm -f {part} && {dump} && mv {part} {whole})")
        click.echo("pg_dump takes the password from PGPASSWORD or ~/.pgpass. Nothing was done.", err=True)
        return
    prepare_folder(url)
    _brought_up_to_date(url)
    copied = back_up(books, file, now=now(), replace=replace)
    _tell("books.backed_up", file, copied)
    click.echo(f"{file}: {_in_words(copied)}; whole, and every invariant of the books holds in it")


@click.command()
@_FILE
@command
def restore(file: Path) -> None:
    """Put the backup FILE in the place of the books; what was there is set aside, and the gateway must not run.

    The gateway then starts in safe mode: it answers what its books know and places nothing, until `gateway reconcile`
    has compared them with the panels. For PostgreSQL the commands to run are printed.
    """
    url = environment().database_url.reveal()
    books = sqlite_file(url)
    if books is None:
        name = unquote(urlsplit(url).path.strip("/"))
        house = quote(_without_password(url, database="postgres"))
        click.echo(f"createdb --maintenance-db={house} {quote(f'{name}_restored')}")
        restored = quote(_without_password(url, database=f"{name}_restored"))
        click.echo(f"pg_restore --exit-on-error --no-owner --dbname={restored} {quote(str(file))}")
        click.echo(f"# then GATEWAY_DATABASE_URL names {name}_restored; it starts in safe mode: gateway reconcile")
        click.echo("Stop every gateway before. Nothing was done.", err=True)
        return
    prepare_folder(url)
    copied, aside = put_back(file, books, now=now(), stamp=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    in_books(lambda store: store.run(partial(recognise, actor=actor(), now=now())))
    _tell("books.restored", file, copied)
    click.echo(f"{books}: {_in_words(copied)}")
    if aside is not None:
        click.echo(f"what was there is {aside}")
    click.echo("the gateway starts in safe mode now, and places nothing until `gateway reconcile` has been run")


def sqlite_file(database_url: str) -> Path | None:
    """The file of a SQLite URL; None for any other."""
    scheme, _, rest = database_url.partition(":///")
    return Path(unquote(rest)) if scheme == "sqlite" else None


def _brought_up_to_date(url: str) -> None:
    """A backup has this program's schema, with its mark in it."""

    async def run() -> None:
        store = open_store(url)
        await store.open()
        try:
            await store.migrate()
        finally:
            await store.close()

    asyncio.run(run())


def _tell(kind: str, file: Path, copied: Copied) -> None:
    """Write the event of a copy, in the books that are used."""
    after = msgspec.json.encode({"file": file.name, **msgspec.to_builtins(copied)}).decode()
    in_books(lambda store: store.run(partial(record, kind, actor=actor(), after=after, now=now())))


def _in_words(copied: Copied) -> str:
    orders = f"{copied.orders} order{'' if copied.orders == 1 else 's'}"
    return f"{copied.bytes / 1e6:.1f} MB, {orders}, known until {shown(copied.known_until)} UTC"


def _without_password(url: str, *, database: str = "") -> str:
    """A URL as PostgreSQL's own programs take it: without what is ours, and what no list of processes may show."""
    parts = urlsplit(read_line(url).url)
    netloc = parts.netloc
    if parts.password is not None:
        who, _, where = netloc.rpartition("@")
        netloc = f"{who.partition(':')[0]}@{where}"
    path = f"/{database}" if database else parts.path
    return parts._replace(netloc=netloc, path=path).geturl()
