"""Measure the gateway and print the table of docs/performance.md: python -m bench [--quick] [--database URL]."""

import argparse
import asyncio
import platform
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.house import House
from bench.load import Result, endless, form, load


class Case(msgspec.Struct, frozen=True):
    """One thing that is measured."""

    name: str
    make: Callable[[int], bytes]
    count: int
    concurrency: int


class Row(msgspec.Struct, frozen=True):
    """One round of a case."""

    result: Result
    cpu_us: float  # of the gateway, a request
    work: dict[str, float]  # a request


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, one round")
    parser.add_argument("--database", help="postgresql://…; SQLite in a temporary folder otherwise")
    chosen = parser.parse_args()
    rounds, share = (1, 10) if chosen.quick else (3, 1)
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        house = House(Path(folder), chosen.database)
        try:
            cases = _cases(house.key, house.legacy_key, share)
            rows: dict[str, list[Row]] = {case.name: [] for case in cases}
            for number in range(rounds):  # Interleaved, so that a noisy minute spoils no case alone.
                for case in cases:
                    rows[case.name].append(asyncio.run(_measure(house, case)))
                print(f"round {number + 1} of {rounds} done", flush=True)
        finally:
            house.close()
    print(_table(rows, "PostgreSQL" if chosen.database else "SQLite"))


def _cases(key: str, legacy: str, share: int) -> list[Case]:
    first = [str(100_000 + n) for n in range(3_000)]
    hundred = ",".join(first[:100])
    return [
        Case("`add`, 1 at a time", lambda n: _add(key, n), 400 // share, 1),
        Case("`add`, 32 at a time", lambda n: _add(key, n), 3_000 // share, 32),
        Case("`status`, 1 id", lambda n: form(key, action="status", order=first[n % 3_000]), 6_000 // share, 8),
        Case("`status`, 100 ids", lambda _: form(key, action="status", orders=hundred), 3_000 // share, 8),
        Case("`balance`", lambda _: form(key, action="balance"), 6_000 // share, 8),
        Case(
            "`services`, 5 000 services, gzip",
            lambda _: form(key, "Accept-Encoding: gzip\r\n", action="services"),
            3_000 // share,
            8,
        ),
        Case("`services`, plain", lambda _: form(key, action="services"), 600 // share, 8),
        Case(
            "`services`, legacy, gzip",
            lambda _: form(legacy, "Accept-Encoding: gzip\r\n", action="services"),
            3_000 // share,
            8,
        ),
        Case("`services`, legacy, plain", lambda _: form(legacy, action="services"), 600 // share, 8),
        Case("wrong key", lambda _: form("gw_nobody", action="balance"), 6_000 // share, 8),
    ]


def _add(key: str, number: int) -> bytes:
    return form(key, action="add", service="1001", link=f"https://social.example/p/{number}", quantity="100")


async def _measure(house: House, case: Case) -> Row:
    cpu, work = house.cpu_seconds(), house.counted()
    result = await load(house.port, endless(case.make), case.count, concurrency=case.concurrency)
    used, done = house.cpu_seconds() - cpu, house.counted()
    return Row(
        result, used / result.requests * 1e6, {name: (done[name] - work[name]) / result.requests for name in done}
    )


def _table(rows: dict[str, list[Row]], database: str) -> str:
    lines = [
        f"{platform.machine()}, Python {platform.python_version()}, {database}; medians",
        "",
        "| request | CPU µs | requests/s | median ms | p99 ms | statements | reads | commits | calls to a panel |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in rows.items():
        shown = [
            f"{statistics.median(row.cpu_us for row in found):.0f}",
            f"{statistics.median(row.result.per_second for row in found):.0f}",
            f"{statistics.median(row.result.median_ms for row in found):.1f}",
            f"{statistics.median(row.result.p99_ms for row in found):.1f}",
            *(
                f"{statistics.median(row.work[work] for row in found):.2f}"
                for work in ("statements", "reads", "commits", "calls")
            ),
        ]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
