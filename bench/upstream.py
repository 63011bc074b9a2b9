"""What one call to a panel costs us: CPU of this process by kind and concurrency: python -m bench.upstream [--quick].

The panel is a process of its own that answers at once; beside each kind stands the floor, the same exchange over bare
asyncio streams, so that the ratio says what is ours and what is Python's.
"""

import argparse
import asyncio
import multiprocessing
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from multiprocessing.connection import Connection

import msgspec

from gateway.core.messages import AddRequest, BalanceReply, BalanceRequest
from gateway.core.outcome import Accepted
from gateway.metrics import Metrics
from gateway.providers.client import ProviderClient
from gateway.providers.said import Answered
from gateway.providers.upstream import Upstream

CONCURRENCIES = (1, 32, 256)
CALLS = 600
ROUNDS = 5
_ORDER = AddRequest(service="101", fields=(("link", "https://social.example/p/1"), ("quantity", "100")))
_FORM = b"key=bench-key&action=add&service=101&link=https%3A%2F%2Fsocial.example%2Fp%2F1&quantity=100"
_HEAD = b"POST /api/v2 HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\n"
_ANSWERS = {b"action=add": b'{"order":12345}', b"action=balance": b'{"balance":"5","currency":"USD"}'}

Call = Callable[[], Awaitable[None]]


class Cost(msgspec.Struct, frozen=True):
    """One round of a case."""

    cpu_us: float  # of this process, a call
    per_second: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, one round")
    quick = parser.parse_args().quick
    here, there = multiprocessing.Pipe()
    panel = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    panel.start()
    port = here.recv()
    rows: dict[tuple[str, int], list[Cost]] = {}
    for number in range(1 if quick else ROUNDS):  # Interleaved, so that a noisy minute spoils no case alone.
        asyncio.run(_round(port, rows, CALLS // 10 if quick else CALLS))
        print(f"round {number + 1} done", flush=True)
    panel.terminate()
    print(_table(rows))


async def _round(port: int, rows: dict[tuple[str, int], list[Cost]], calls: int) -> None:
    client = ProviderClient(
        Upstream(
            name="bench",
            url=f"http://127.0.0.1:{port}/api/v2",
            key="bench-key",
            currency="USD",
            concurrency=max(CONCURRENCIES),
            requests_per_second=Decimal(1_000_000),
            allow_private=True,
        ),
        Metrics(),
    )
    pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    kinds: dict[str, Call] = {
        "place": lambda: _place(client),
        "its floor": lambda: _fresh(port),
        "ask": lambda: _ask(client),
        "the floor of ask": lambda: _kept(port, pool),
    }
    for concurrency in CONCURRENCIES:
        for kind, call in kinds.items():
            rows.setdefault((kind, concurrency), []).append(await _measure(call, calls, concurrency))
    for _, writer in pool:
        writer.close()
    await client.aclose()


async def _measure(call: Call, calls: int, concurrency: int) -> Cost:
    left = iter(range(calls))

    async def one() -> None:
        for _ in left:
            await call()

    await call()  # What is done once, such as opening a kept connection, is nobody's cost.
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(concurrency)))
    used, seconds = time.process_time() - cpu, time.perf_counter() - began
    return Cost(used / calls * 1e6, calls / seconds)


async def _place(client: ProviderClient) -> None:
    said = await client.place(_ORDER, _armed, now=0)
    assert isinstance(said, Answered), said
    assert said.outcome == Accepted("12345"), said


async def _armed() -> bool:
    return True


async def _ask(client: ProviderClient) -> None:
    assert isinstance(await client.ask(BalanceRequest()), BalanceReply)


async def _fresh(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await _exchange(reader, writer, _FORM)
    writer.close()
    await writer.wait_closed()


async def _kept(port: int, pool: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    reader, writer = pool.pop() if pool else await asyncio.open_connection("127.0.0.1", port)
    await _exchange(reader, writer, b"key=bench-key&action=balance")
    pool.append((reader, writer))


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, form: bytes) -> None:
    writer.write(_HEAD + b"Content-Length: %d\r\n\r\n" % len(form) + form)
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))


def _serve(pipe: Connection) -> None:
    asyncio.run(_panel(pipe))


async def _panel(pipe: Connection) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                form = await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
                body = next(answer for asked, answer in _ANSWERS.items() if asked in form)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _table(rows: dict[tuple[str, int], list[Cost]]) -> str:
    def median(kind: str, concurrency: int) -> Cost:
        found = rows[kind, concurrency]
        return Cost(statistics.median(cost.cpu_us for cost in found), statistics.median(c.per_second for c in found))

    lines = [
        f"{platform.machine()}, Python {platform.python_version()}; medians of interleaved rounds",
        "",
        "| call | at once | CPU µs | floor µs | ratio | calls/s |",
        "|---|---|---|---|---|---|",
    ]
    for kind, floor in (("place", "its floor"), ("ask", "the floor of ask")):
        for concurrency in CONCURRENCIES:
            ours, bare = median(kind, concurrency), median(floor, concurrency)
            ratio = ours.cpu_us / bare.cpu_us
            numbers = f"{ours.cpu_us:.0f} | {bare.cpu_us:.0f} | {ratio:.1f} | {ours.per_second:.0f}"
            lines.append(f"| `{kind}` | {concurrency} | {numbers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
