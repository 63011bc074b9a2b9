"""What tracing costs: nothing of it, a tenth and all of it kept, by add and by balance: python -m bench.tracing.

First what one call of ours costs, in this process. Then gateways as programs of their own, each with its panel, one
that traces nothing, one that keeps a tenth, one that keeps all, in turn; spans go to a collector that takes them and
looks at none. CPU is the gateway's alone, the thread that sends included.
"""

import argparse
import asyncio
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from bench.house import House
from bench.load import Result, endless, form, load
from gateway.tracing import Recorded, Tracer, span, trace, turn_off, turn_on
from gateway.tracing.outlet import Outlet

CALLS: Final = 200_000
RATIOS: Final = {"off": None, "a tenth": "0.1", "all": "1"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orders", type=int, default=1_000)
    chosen = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}\n")
    print("| one of ours | µs |\n|---|---|")
    for name, micros in _singly():
        print(f"| {name} | {micros:.2f} |")
    print()
    asyncio.run(_houses(chosen.rounds, chosen.orders))


def _singly() -> Iterator[tuple[str, float]]:
    """What a span costs whoever tells of it, and the thread that sends it."""

    def part() -> None:
        with span("route", order=1) as told:
            told.note(outcome="ok")

    def begin() -> None:
        with trace("request", order=1) as told:
            told.note(outcome="ok")

    yield "a span, off", _micros(part)
    yield "a request's span, off", _micros(begin)
    turn_on(Tracer(_nowhere, ratio=0.0))
    yield "a request's span, not drawn", _micros(begin)
    turn_on(Tracer(_nowhere, ratio=1.0))
    with trace("request"):
        yield "a span, kept", _micros(part)
    turn_off()
    kept: list[Recorded] = []
    turn_on(Tracer(kept.append, ratio=1.0))
    with trace("request"):
        for _ in range(5_000):
            part()
    turn_off()
    with _taking() as url:
        outlet = Outlet(url, {}, about={}, strike=str, version="0")
        outlet.start()
        began = time.thread_time(), time.process_time()
        for n in range(0, len(kept), 100):
            for each in kept[n : n + 100]:
                outlet.put(each)
            time.sleep(0.02)
        asyncio.run(outlet.close(10.0))
        own, whole = time.thread_time() - began[0], time.process_time() - began[1]
        assert outlet.sent == len(kept)
    yield "a span, sent: of the thread beside, and of what takes it here", (whole - own) / len(kept) * 1e6


def _micros(call: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(CALLS // 5):
            call()
        best = min(best, time.perf_counter() - began)
    return best / (CALLS // 5) * 1e6


def _nowhere(told: Recorded) -> None:
    """Where spans go of which only the making is measured."""


async def _houses(rounds: int, orders: int) -> None:
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name, ExitStack() as stack:
        url = stack.enter_context(_taking())
        houses = {}
        for kept, ratio in RATIOS.items():
            folder = Path(name) / kept.replace(" ", "-")
            folder.mkdir()
            more = {} if ratio is None else {"GATEWAY_TRACING_URL": url, "GATEWAY_TRACING_RATIO": ratio}
            houses[kept] = House(folder, None, more=more)
            stack.callback(houses[kept].close)
        found: dict[tuple[str, str], list[tuple[Result, float]]] = {}
        for _ in range(rounds):
            for case in ("add", "balance"):
                for kept, house in houses.items():  # In turn, so that a noisy minute spoils none alone.
                    found.setdefault((case, kept), []).append(await _measure(house, case, orders))
    print("| request | kept | CPU µs | requests/s | median ms | p99 ms |\n|---|---|---|---|---|---|")
    for (case, kept), rows in found.items():
        cpu = statistics.median(cpu for _, cpu in rows)
        told = [statistics.median(get(row) for row, _ in rows) for get in (_rate, _median, _p99)]
        print(f"| `{case}`, 8 at a time | {kept} | {cpu:.0f} | {told[0]:.0f} | {told[1]:.1f} | {told[2]:.1f} |")


def _rate(row: Result) -> float:
    return row.per_second


def _median(row: Result) -> float:
    return row.median_ms


def _p99(row: Result) -> float:
    return row.p99_ms


async def _measure(house: House, case: str, orders: int) -> tuple[Result, float]:
    def make(n: int) -> bytes:
        if case == "balance":
            return form(house.key, action="balance")
        return form(house.key, action="add", service="1001", link=f"https://social.example/p/{n}", quantity="100")

    cpu = house.cpu_seconds()
    result = await load(house.port, endless(make), orders, concurrency=8)
    return result, (house.cpu_seconds() - cpu) / result.requests * 1e6


@contextmanager
def _taking() -> Iterator[str]:
    """A collector that takes everything and looks at nothing."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
