"""A load of requests over kept-alive connections, made with little work, so that the server is what is measured."""

import asyncio
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a load showed."""

    requests: int
    seconds: float
    errors: int  # answers that hold an `error`
    median_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def form(key: str, headers: str = "", **fields: str) -> bytes:
    """A POST of the panel protocol, ready to be sent."""
    body = urlencode({"key": key, **fields}).encode()
    head = (
        "POST /api/v2 HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(port: int, requests: Iterator[bytes], count: int, *, concurrency: int) -> Result:
    """Send `count` requests over so many connections, each waiting for its answer."""
    left = iter(range(count))
    times: list[float] = []
    errors = 0

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 * 1024 * 1024)
        for _ in left:
            began = time.perf_counter()
            writer.write(next(requests))
            body = await _answer(reader)
            times.append(time.perf_counter() - began)
            errors += body.startswith(b'{"error"')
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(concurrency)))
    seconds = time.perf_counter() - began
    times.sort()
    return Result(
        requests=len(times),
        seconds=seconds,
        errors=errors,
        median_ms=times[len(times) // 2] * 1000,
        p99_ms=times[len(times) * 99 // 100] * 1000,
    )


def endless(make: Callable[[int], bytes]) -> Iterator[bytes]:
    """Request after request."""
    number = 0
    while True:
        yield make(number)
        number += 1


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at < 0:
        return b""
    length = int(lower[at + 15 : lower.index(b"\r\n", at)])
    return await reader.readexactly(length) if length else b""
