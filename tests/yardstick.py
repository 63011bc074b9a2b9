"""A yardstick for a busy machine: how long work like an order's takes here and now, without any code of ours."""

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Final

# What an `add` costs a machine: the gateway's commits and its panel's, each on the disk, and turns of the event loop.
_COMMITS: Final = 4
_TURNS: Final = 12


class Yardstick:
    """Measures from another thread than the event loop's."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._file = folder / "yardstick.db"

    def seconds(self) -> float:
        """How long it took just now."""
        began = time.perf_counter()
        books = sqlite3.connect(self._file, isolation_level=None)
        try:
            books.execute("PRAGMA journal_mode=WAL")
            books.execute("PRAGMA synchronous=FULL")
            books.execute("CREATE TABLE IF NOT EXISTS marks(at REAL)")
            for _ in range(_COMMITS):
                books.execute("BEGIN IMMEDIATE")
                books.execute("INSERT INTO marks VALUES(?)", (began,))
                books.execute("COMMIT")
        finally:
            books.close()
        for _ in range(_TURNS):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop).result(60)
        return time.perf_counter() - began
