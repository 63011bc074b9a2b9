"""Measure the full verification of the books: python -m bench.books [--orders N] [--database URL].

The books are made here, row by row as a busy house would have left them: users, orders in every state, attempts, and
the transfers of each. They are written past the commands, for those would take an hour; that they are sound is what
the verification itself then says. With --start all orders are open and of the last hours, and what is measured is how
long a gateway takes to start on them.
"""

import argparse
import asyncio
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg

from gateway.app import Gateway
from gateway.logs import configure_logs
from gateway.settings.load import load_settings
from gateway.store.engine import Store
from gateway.store.store import open_store
from gateway.store.verify import verify

START: Final = 1_700_000_000_000
DAY_MS: Final = 24 * 3600 * 1000
# A provider nobody reaches: what is measured is the books' part of a start.
PROVIDERS_FILE: Final = (
    "version: 1\nproviders:\n  panel-a: {url: 'http://127.0.0.1:1/', key: '${ENV:BENCH_KEY}', allow_private: true}\n"
)
USERS: Final = 2_000
PROVIDERS: Final = ("panel-a", "panel-b", "panel-c")
DEPOSIT: Final = 10**12
COLUMNS: Final = {
    "users": "id name currency avail_account held_account created_at",
    "accounts": "id code user_id currency enforced balance",
    "orders": "id user_id fingerprint service_id type fields quantity currency rate rule charge refunded state shown "
    "remains routes can_refill can_cancel answerer answered_at created_at updated_at",
    "attempts": "id order_id n provider provider_service cost currency state upstream_order reason owner created_at "
    "sending_at resolved_at",
    "transfers": "id tx_key kind order_id source_id dest_id currency amount created_at",
}
# What became of an order, and how many in a hundred.
FATES: Final = {"completed": 62, "active": 12, "partial": 8, "canceled": 6, "failed": 8, "reserved": 2, "unknown": 2}
# The same for a start: all of them open, and all of the last day, which is what a start verifies.
OPEN: Final = {"active": 95, "unknown": 5}
ACCEPTED: Final = frozenset({"completed", "active", "partial", "canceled"})
Rows = dict[str, list[Sequence[object]]]


class Books:
    """Sound books of any size, in pieces that fit in memory."""

    def __init__(self, orders: int, *, fates: dict[str, int], began: int) -> None:
        self._chance = random.Random(1)
        self._orders = orders
        self._fates = fates
        self._began = began  # ms
        self._balances: dict[int, int] = {}
        self._next = {"transfers": 1, "attempts": 1}
        self._house: dict[str, int] = {}

    def pieces(self, size: int = 20_000) -> Iterator[Rows]:
        """The rows of each table, users first; the balances of accounts come last, by `balances`."""
        yield self._users()
        number = 100_000
        for first in range(0, self._orders, size):
            rows: Rows = {name: [] for name in ("orders", "attempts", "transfers")}
            for n in range(first, min(first + size, self._orders)):
                number += self._chance.randint(1, 20)
                self._order(rows, number, self._began + n * 100)
            yield rows

    def balances(self) -> list[tuple[int, int]]:
        """What each user's account holds at the end: balance, id."""
        return [(balance, account) for account, balance in self._balances.items() if account <= 2 * USERS]

    def _users(self) -> Rows:
        rows: Rows = {"users": [], "accounts": [], "transfers": []}
        names = [
            "world:USD",
            "sales:USD",
            "refunds:USD",
            *(f"{k}:{p}:USD" for p in PROVIDERS for k in ("provider", "cost")),
        ]
        for n, code in enumerate(names):
            self._house[code] = 2 * USERS + 1 + n
            rows["accounts"].append((self._house[code], code, None, "USD", 0, 0))
        for user in range(1, USERS + 1):
            avail, held = 2 * user - 1, 2 * user
            rows["users"].append((user, f"user-{user}", "USD", avail, held, self._began))
            rows["accounts"].append((avail, f"user:{user}:avail", user, "USD", 1, 0))
            rows["accounts"].append((held, f"user:{user}:held", user, "USD", 1, 0))
            self._move(
                rows, f"dep:first-{user}", "deposit", order=None, way=("world:USD", avail), amount=DEPOSIT, at=START
            )
        return rows

    def _order(self, rows: Rows, number: int, at: int) -> None:
        user = self._chance.randint(1, USERS)
        avail, held = 2 * user - 1, 2 * user
        charge, quantity = self._chance.randint(1_000, 10_000_000), 1000
        state = self._chance.choices([*self._fates], [*self._fates.values()])[0]
        provider = self._chance.choice(PROVIDERS)
        refunded = {"partial": charge * 400 // quantity, "canceled": charge}.get(state, 0)
        rows["orders"].append(
            (
                *(number, user, f"{number:032x}", 1000 + number % 5000, "Default"),
                f'[["link","https://social.example/p/{number}"],["quantity","1000"]]',
                *(quantity, "USD", 5_000_000, "default", charge, refunded, state, "Completed", 0),
                f'[{{"provider":"{provider}","service":"101","cost":"0.02","currency":"USD","exchange_rate":"1"}}]',
                *(1, 1, "bench-1", at, at, at),
            )
        )
        accepted = state in ACCEPTED
        fate = "accepted" if accepted else {"failed": "rejected", "reserved": "planned"}.get(state, state)
        self._next["attempts"] += 1
        upstream = str(number) if accepted else None
        rows["attempts"].append(
            (
                self._next["attempts"],
                number,
                1,
                provider,
                "101",
                "0.02",
                "USD",
                fate,
                upstream,
                "",
                "bench-1",
                at,
                at,
                at,
            )
        )
        self._move(rows, f"hold:{number}", "hold", order=number, way=(avail, held), amount=charge, at=at)
        if accepted:
            self._move(
                rows, f"capture:{number}", "capture", order=number, way=(held, "sales:USD"), amount=charge, at=at
            )
            way = (f"provider:{provider}:USD", f"cost:{provider}:USD")
            self._move(rows, f"cost:{number}:0", "cost", order=number, way=way, amount=2_000_000, at=at)
        if state == "failed":
            self._move(rows, f"void:{number}", "void", order=number, way=(held, avail), amount=charge, at=at)
        if refunded:
            self._move(
                rows,
                f"refund:{number}:{refunded}",
                "refund",
                order=number,
                way=("refunds:USD", avail),
                amount=refunded,
                at=at,
            )

    def _move(  # noqa: PLR0913 - a row's columns
        self,
        rows: Rows,
        key: str,
        kind: str,
        *,
        order: int | None,
        way: tuple[int | str, int | str],
        amount: int,
        at: int,
    ) -> None:
        source, dest = (self._house[end] if isinstance(end, str) else end for end in way)
        rows["transfers"].append((self._next["transfers"], key, kind, order, source, dest, "USD", amount, at))
        self._next["transfers"] += 1
        self._balances[source] = self._balances.get(source, 0) - amount
        self._balances[dest] = self._balances.get(dest, 0) + amount


async def make_books(database_url: str, orders: int, *, fates: dict[str, int] = FATES, began: int = START) -> None:
    """Fill an empty, migrated database with orders, a tenth of a second apart from `began` (ms) on."""
    books = Books(orders, fates=fates, began=began)
    if database_url.startswith("sqlite"):
        await asyncio.to_thread(_fill_sqlite, Path(database_url.removeprefix("sqlite:///")), books)
        return
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("ALTER TABLE transfers DISABLE TRIGGER transfers_move")
        for rows in books.pieces():
            for table, records in rows.items():
                await connection.copy_records_to_table(table, records=records, columns=COLUMNS[table].split())
        await connection.execute("ALTER TABLE transfers ENABLE TRIGGER transfers_move")
        await connection.executemany("UPDATE accounts SET balance = $1 WHERE id = $2", books.balances())
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _fill_sqlite(path: Path, books: Books) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        trigger = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'transfers_move'").fetchone()[0]
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DROP TRIGGER transfers_move")
        for rows in books.pieces():
            for table, records in rows.items():
                columns = COLUMNS[table].split()
                marks = ", ".join("?" * len(columns))
                connection.executemany(f"INSERT INTO {table}({', '.join(columns)}) VALUES({marks})", records)
        connection.executemany("UPDATE accounts SET balance = ? WHERE id = ?", books.balances())
        connection.execute(trigger)
        connection.execute("COMMIT")


async def measure(store: Store) -> str:
    """Three full runs; the line for docs/performance.md."""
    lines = []
    for _ in range(3):
        began = time.perf_counter()
        cpu = time.process_time()
        found = await store.read_at_length(partial(verify, since=None))
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        assert found.sound, found
        lines.append(
            f"{found.orders} orders, {found.transfers} transfers: {seconds:.2f} s, {used:.2f} s of our CPU, "
            f"{found.transfers / seconds:.0f} transfers/s"
        )
    return "\n".join(lines)


async def measure_start(database_url: str, folder: Path) -> str:
    """From nothing to serving, with the books as they are, three times."""
    file = folder / "providers.yaml"
    file.write_text(PROVIDERS_FILE)
    environ = {"GATEWAY_DATA_DIR": str(folder), "GATEWAY_DATABASE_URL": database_url, "BENCH_KEY": "k"}
    settings = load_settings({**environ, "GATEWAY_PORT": "0", "GATEWAY_METRICS_PORT": "0"}, file)
    lines = []
    for _ in range(3):
        gateway = Gateway(settings)
        began = time.perf_counter()
        await gateway.start()
        lines.append(f"started in {time.perf_counter() - began:.2f} s, placing: {gateway.desk.placing}")
        await gateway.stop()
    return "\n".join(lines)


async def _main(database_url: str, orders: int, folder: Path, *, start: bool) -> None:
    store = open_store(database_url)
    await store.open()
    try:
        await store.migrate()
        began = time.perf_counter()
        if start:
            await make_books(database_url, orders, fates=OPEN, began=time.time_ns() // 1_000_000 - orders * 100)
        else:
            await make_books(database_url, orders)
        print(f"made in {time.perf_counter() - began:.1f} s", flush=True)
        print(await (measure_start(database_url, folder) if start else measure(store)))
    finally:
        await store.close()


def main() -> None:
    """Make the books and verify them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=300_000)
    parser.add_argument("--database", help="an empty postgresql://… database; SQLite in a temporary folder otherwise")
    parser.add_argument(
        "--start", action="store_true", help="open orders of the last hours, and how long a start takes"
    )
    chosen = parser.parse_args()
    configure_logs("error", "console")
    with tempfile.TemporaryDirectory(prefix="gateway-books-") as folder:
        url = chosen.database or f"sqlite:///{folder}/books.db"
        asyncio.run(_main(url, chosen.orders, Path(folder), start=chosen.start))


if __name__ == "__main__":
    main()
