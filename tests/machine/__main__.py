"""The machine at length: `python -m tests.machine [sqlite|postgresql] [WALKS]`, with progress, until it is through."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.store.engine import Store
from tests.machine.books import Books, PostgresBooks, Row, SqliteBooks
from tests.machine.walk import STEPS, walk
from tests.servers import PostgresServer

WALKS: Final = 5_000
SAY_EVERY_SECONDS: Final = 10.0


class Told:
    """Books that tell how far the walks have come."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.walks = 0
        self.readings = 0
        self.began = self.said = time.monotonic()

    async def fresh(self) -> Store:
        """The next walk begins."""
        self.walks += 1
        if time.monotonic() - self.said > SAY_EVERY_SECONDS:
            self.said = time.monotonic()
            self.say()
        return await self.books.fresh()

    async def rows(self) -> Sequence[Row]:
        """The books after a step."""
        self.readings += 1
        return await self.books.rows()

    async def end(self) -> None:
        """It is over."""
        await self.books.end()
        self.say()

    def say(self) -> None:
        """One line."""
        seconds = time.monotonic() - self.began
        sys.stdout.write(f"{self.walks} walks, {self.readings} steps checked, {seconds:.0f} s\n")
        sys.stdout.flush()


def main(kind: str = "sqlite", walks: str = str(WALKS)) -> None:
    """Walk on one of the databases; raises what the shortest bad walk raised."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind == "sqlite":
            walk(Told(SqliteBooks(folder)), int(walks))
        else:
            server = PostgresServer(folder)
            try:
                walk(Told(PostgresBooks(server.create_database())), int(walks))
            finally:
                server.stop()
    sys.stdout.write(f"every walk of {STEPS} steps agreed with the model\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
