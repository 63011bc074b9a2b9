"""The simulated panel's ground truth: keys, balances, orders, refills, in a SQLite file that outlives its process."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.panel.services import PanelError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS keys(key TEXT PRIMARY KEY, balance INTEGER NOT NULL CHECK(balance >= 0));
CREATE TABLE IF NOT EXISTS orders(
  id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, service INTEGER NOT NULL, link TEXT NOT NULL,
  fields TEXT NOT NULL, quantity INTEGER NOT NULL, runs INTEGER NOT NULL, charge INTEGER NOT NULL,
  refunded INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0, start_count INTEGER NOT NULL,
  created_at INTEGER NOT NULL, canceled_at INTEGER, forced_status TEXT, forced_remains INTEGER);
CREATE INDEX IF NOT EXISTS orders_by_link ON orders(link);
CREATE INDEX IF NOT EXISTS orders_unsettled ON orders(key) WHERE settled = 0;
CREATE TABLE IF NOT EXISTS refills(
  id INTEGER PRIMARY KEY AUTOINCREMENT, order_id INTEGER NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS subscriptions(order_id INTEGER PRIMARY KEY, ended INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS subscriptions_open ON subscriptions(order_id) WHERE ended = 0;
CREATE TABLE IF NOT EXISTS posts(
  order_id INTEGER PRIMARY KEY, subscription INTEGER NOT NULL, n INTEGER NOT NULL, UNIQUE(subscription, n));
CREATE TABLE IF NOT EXISTS dripfeeds(order_id INTEGER PRIMARY KEY, ended INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS dripfeeds_open ON dripfeeds(order_id) WHERE ended = 0;
CREATE TABLE IF NOT EXISTS runs(
  order_id INTEGER PRIMARY KEY, dripfeed INTEGER NOT NULL, n INTEGER NOT NULL, UNIQUE(dripfeed, n));
CREATE TABLE IF NOT EXISTS calls(action TEXT PRIMARY KEY, heard INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS clock(one INTEGER PRIMARY KEY CHECK(one = 1), ahead INTEGER NOT NULL);
INSERT OR IGNORE INTO clock(one, ahead) VALUES(1, 0);
"""
_ORDERS: Final = (
    "SELECT id, key, service, link, fields, quantity, runs, charge, refunded, settled, start_count, created_at, "
    "canceled_at, forced_status, forced_remains FROM orders "
)
_OPEN: Final = "WHERE id IN (SELECT order_id FROM subscriptions WHERE ended = 0) ORDER BY id"
_DRIPPING: Final = "WHERE id IN (SELECT order_id FROM dripfeeds WHERE ended = 0) ORDER BY id"


class PanelOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the panel keeps it."""

    id: int
    key: str
    service: int
    link: str
    fields: str  # JSON
    quantity: int
    runs: int
    charge: int  # units
    refunded: int
    settled: int
    start_count: int
    created_at: int  # ms by the panel's own clock
    canceled_at: int | None
    forced_status: str | None
    forced_remains: int | None


class Books:
    """The file. Every method is one transaction; what it answered is on the disk even if the process is killed."""

    def __init__(self, path: Path, *, first_order: int = 1) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")  # It has to outlive a kill, not a power cut.
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise PanelError(f"{path} cannot be used: {error}") from error
        if first_order > 1 and self._db.execute("SELECT 1 FROM orders").fetchone() is None:
            self._db.execute(
                "INSERT OR REPLACE INTO sqlite_sequence(name, seq) VALUES('orders', ?)", (first_order - 1,)
            )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def open_key(self, key: str, balance: int) -> None:
        """Let a key in with a balance, unless it is in already."""
        self._db.execute("INSERT OR IGNORE INTO keys(key, balance) VALUES(?, ?)", (key, balance))

    def set_balance(self, key: str, balance: int) -> None:
        """Give a key this balance."""
        self._db.execute("UPDATE keys SET balance = ? WHERE key = ?", (balance, key))

    def balance(self, key: str) -> int | None:
        """What a key has, or None when it is not in."""
        row = self._db.execute("SELECT balance FROM keys WHERE key = ?", (key,)).fetchone()
        return None if row is None else int(row[0])

    def hear(self, action: str) -> None:
        """Count a call."""
        self._db.execute(
            "INSERT INTO calls(action, heard) VALUES(?, 1) ON CONFLICT(action) DO UPDATE SET heard = heard + 1",
            (action,),
        )

    def heard(self) -> dict[str, int]:
        """How often each action was heard."""
        return dict(self._db.execute("SELECT action, heard FROM calls"))

    def place(
        self,
        order: PanelOrder,
        *,
        subscription: bool = False,
        post: tuple[int, int] | None = None,
        run: tuple[int, int] | None = None,
    ) -> int | None:
        """Take the charge and keep the order; answers its id, or None when the balance is too low.

        It may be a subscription, or the order for a post or a run: of which order, and which of its posts or runs. A
        run takes nothing: its drip-feed was paid for whole.
        """
        price = order.charge if run is None else 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            paid = self._db.execute(
                "UPDATE keys SET balance = balance - ? WHERE key = ? AND balance >= ?", (price, order.key, price)
            )
            if paid.rowcount == 0:
                self._db.execute("ROLLBACK")
                return None
            made = self._db.execute(
                "INSERT INTO orders(key, service, link, fields, quantity, runs, charge, start_count, created_at) "
                "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(order.key, order.service, order.link, order.fields, order.quantity, order.runs, order.charge),
                    *(order.start_count, order.created_at),
                ),
            )
            if subscription:
                self._db.execute("INSERT INTO subscriptions(order_id) VALUES(?)", (made.lastrowid,))
            if post is not None:
                self._db.execute(
                    "INSERT INTO posts(order_id, subscription, n) VALUES(?, ?, ?)", (made.lastrowid, *post)
                )
            if run is not None:
                self._db.execute("INSERT INTO runs(order_id, dripfeed, n) VALUES(?, ?, ?)", (made.lastrowid, *run))
            if order.runs > 1:
                self._db.execute("INSERT INTO dripfeeds(order_id) VALUES(?)", (made.lastrowid,))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._db.execute("ROLLBACK")
            raise PanelError(f"the order could not be kept: {error}") from error
        return made.lastrowid

    def settle(self, order: PanelOrder, due: int) -> None:
        """Give back what is due of an ended order, once."""
        self._db.execute("BEGIN IMMEDIATE")
        moved = self._db.execute(
            "UPDATE orders SET settled = 1, refunded = ? WHERE id = ? AND settled = 0", (due, order.id)
        )
        if moved.rowcount:
            self._db.execute("UPDATE keys SET balance = balance + ? WHERE key = ?", (due, order.key))
        self._db.execute("COMMIT")

    def order(self, number: int, key: str | None = None) -> PanelOrder | None:
        """An order by its id; with a key only that key's own."""
        row = self._db.execute(_ORDERS + "WHERE id = ? AND (? IS NULL OR key = ?)", (number, key, key)).fetchone()
        return None if row is None else _read(row)

    def orders(self, *, link: str | None = None, unsettled_of: str | None = None) -> list[PanelOrder]:
        """All orders, those with a link, or those of a key that have not ended."""
        rows = self._db.execute(
            _ORDERS + "WHERE (? IS NULL OR link = ?) AND (? IS NULL OR (key = ? AND settled = 0)) ORDER BY id",
            (link, link, unsettled_of, unsettled_of),
        )
        return [_read(row) for row in rows]

    def subscriptions(self) -> list[PanelOrder]:
        """The subscriptions that have not ended."""
        return [_read(row) for row in self._db.execute(_ORDERS + _OPEN)]

    def is_subscription(self, number: int) -> bool:
        """Whether an order is a subscription."""
        return self._db.execute("SELECT 1 FROM subscriptions WHERE order_id = ?", (number,)).fetchone() is not None

    def end_subscription(self, number: int) -> None:
        """It makes no more orders."""
        self._db.execute("UPDATE subscriptions SET ended = 1 WHERE order_id = ?", (number,))

    def made_for(self, number: int) -> list[int]:
        """The orders made for a subscription's posts, in order."""
        rows = self._db.execute("SELECT order_id FROM posts WHERE subscription = ? ORDER BY n", (number,))
        return [int(row[0]) for row in rows]

    def dripfeeds(self) -> list[PanelOrder]:
        """The drip-feeds that have not ended."""
        return [_read(row) for row in self._db.execute(_ORDERS + _DRIPPING)]

    def end_dripfeed(self, number: int) -> None:
        """It makes no more runs."""
        self._db.execute("UPDATE dripfeeds SET ended = 1 WHERE order_id = ?", (number,))

    def runs_of(self, number: int) -> list[PanelOrder]:
        """The orders made for a drip-feed's runs, in order."""
        where = "WHERE id IN (SELECT order_id FROM runs WHERE dripfeed = ?) ORDER BY id"
        return [_read(row) for row in self._db.execute(_ORDERS + where, (number,))]

    def maker_of(self, number: int) -> int | None:
        """The subscription or drip-feed that an order was made for by the panel itself; None for what was ordered."""
        row = self._db.execute(
            "SELECT subscription FROM posts WHERE order_id = ? UNION ALL SELECT dripfeed FROM runs WHERE order_id = ?",
            (number, number),
        ).fetchone()
        return None if row is None else int(row[0])

    def newest(self) -> int | None:
        """The id of the newest order."""
        row = self._db.execute("SELECT MAX(id) FROM orders").fetchone()
        return None if row[0] is None else int(row[0])

    def cancel(self, number: int, at: int) -> None:
        """Note that a cancel was asked for."""
        self._db.execute("UPDATE orders SET canceled_at = ? WHERE id = ? AND canceled_at IS NULL", (at, number))

    def force(self, number: int, *, status: str | None, remains: int | None, start_count: int | None) -> None:
        """Put an order into a state by hand; None leaves a value as it is."""
        self._db.execute(
            "UPDATE orders SET forced_status = COALESCE(?, forced_status), "
            "forced_remains = COALESCE(?, forced_remains), start_count = COALESCE(?, start_count) WHERE id = ?",
            (status, remains, start_count, number),
        )

    def add_refill(self, order_id: int, at: int) -> int:
        """Keep a refill; answers its id."""
        made = self._db.execute("INSERT INTO refills(order_id, created_at) VALUES(?, ?)", (order_id, at))
        return int(made.lastrowid or 0)

    def refills(self, numbers: Sequence[int], key: str) -> dict[int, int]:
        """When each of a key's refills was asked for, ms."""
        rows = self._db.execute(
            "SELECT r.id, r.created_at FROM refills r JOIN orders o ON o.id = r.order_id "
            "WHERE r.id IN (SELECT value FROM json_each(?)) AND o.key = ?",
            (msgspec.json.encode(numbers).decode(), key),
        )
        return dict(rows)

    def newest_refill(self, order_id: int) -> int | None:
        """The id of an order's newest refill."""
        row = self._db.execute("SELECT MAX(id) FROM refills WHERE order_id = ?", (order_id,)).fetchone()
        return None if row[0] is None else int(row[0])

    @property
    def ahead(self) -> int:
        """How far the panel's clock was moved on, ms."""
        return int(self._db.execute("SELECT ahead FROM clock").fetchone()[0])

    def advance(self, milliseconds: int) -> None:
        """Move the panel's clock on."""
        self._db.execute("UPDATE clock SET ahead = ahead + ?", (milliseconds,))


def _read(row: tuple[object, ...]) -> PanelOrder:
    return msgspec.convert(dict(zip(PanelOrder.__struct_fields__, row, strict=True)), PanelOrder)
