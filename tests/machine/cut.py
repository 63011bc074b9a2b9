"""A line to a database, cut at a moment of one's choice, by the points that the store passes."""

import sqlite3
from typing import Final

from gateway import points
from gateway.store.engine import Store
from gateway.store.postgres import PostgresStore

COMMITTED: Final = -1  # right after COMMIT: it was kept, and nobody hears of it


class Cut:
    """Cuts the store's line at the n-th point it passes, once; set it as the hook of gateway/points.py."""

    def __init__(self, store: Store, at: int, *, seen: bool) -> None:
        self.store = store
        self.at = at
        self.passed = 0
        self.seen = seen  # whether the line is seen to be lost, so that the store itself tries again

    def __call__(self, what: str, of: str) -> None:
        """Pass a point, or fail there as the driver would."""
        here = (what, of) == ("after", "COMMIT") if self.at == COMMITTED else self.passed == self.at
        self.passed += 1
        if not here:
            return
        points.hook = None
        if not isinstance(self.store, PostgresStore):  # SQLite: the file fails, with whatever stands in its transaction
            error = sqlite3.OperationalError(f"disk I/O error {what} {of}")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        if self.seen and self.store._writer is not None:
            self.store._writer.terminate()
        raise ConnectionResetError(f"cut {what} {of}")
