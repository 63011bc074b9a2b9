"""What reading costs: a list of 5 MB, a caller's request in each encoding, a hundred statuses: python -m bench.parse.

One process, nothing on any wire. Each figure is the best and the median of its rounds; the machine may be busy. Peak
memory is the process's own, measured by the kernel over one reading in a fresh process, over what it had before.
"""

import argparse
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from bench.load import form
from gateway.core.answers import read_reply
from gateway.core.dialects import UserDialect
from gateway.core.fields import HttpRequest, read_fields
from gateway.core.messages import (
    MultiStatusReply,
    MultiStatusRequest,
    ServiceRow,
    ServicesReply,
    ServicesRequest,
    StatusReply,
    StatusWord,
)
from gateway.core.provider import normalise
from gateway.core.replies import write_reply
from gateway.core.requests import read_action, read_request

LIST_BYTES = 5 * 1024 * 1024
SERVICES = 5_000
KEY = "gw_" + "0" * 39
ORDER = {"action": "add", "service": "1001", "link": "https://social.example/p/1?a=b", "quantity": "1000"}
HUNDRED = tuple(str(100_000 + n) for n in range(100))


class Took(msgspec.Struct, frozen=True):
    """What one reading took, in microseconds."""

    best: float
    median: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    body = long_list()
    lines = [
        f"{platform.machine()}, Python {platform.python_version()}; best and median of {rounds} rounds",
        "",
        "| list | size | read ms | and made ours ms | peak memory MB |",
        "|---|---|---|---|---|",
    ]
    for name, each in (("plain", body), ("wrapped, with a trailing comma", b'{"data":' + body[:-1] + b",],}")):
        read, whole = timed(partial(_read, each), rounds), timed(partial(_known, each), rounds)
        size = f"{len(each) / 1024 / 1024:.1f} MB"
        lines.append(f"| {name} | {size} | {_ms(read)} | {_ms(whole)} | {peak_of(each) / 1024 / 1024:.0f} |")
    lines += ["", "| what | µs |", "|---|---|"]
    for name, work in small().items():
        took = timed(work, rounds, times=200)
        lines.append(f"| {name} | {took.best:.0f} to {took.median:.0f} |")
    print("\n".join(lines))


def small() -> dict[str, Callable[[], object]]:
    """What is done for a single request."""
    head, _, urlencoded = form(KEY, **ORDER).partition(b"\r\n\r\n")
    assert head
    fields = {"key": KEY, **ORDER}
    boundary = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value.encode())
        for name, value in fields.items()
    )
    multipart = HttpRequest(headers=((b"content-type", b"multipart/form-data; boundary=b"),), body=boundary + b"--b--")
    comments = b"\n".join(b"A comment of some length, number %d" % n for n in range(1000)).replace(b" ", b"+")
    long = urlencoded + b"&comments=" + comments.replace(b"\n", b"%0A")
    asked = HttpRequest(body=form(KEY, action="status", orders=",".join(HUNDRED)).partition(b"\r\n\r\n")[2])
    statuses = MultiStatusReply(tuple((each, _status(n)) for n, each in enumerate(HUNDRED)))
    reply, request = write_reply(statuses), MultiStatusRequest(orders=HUNDRED)
    return {
        "form: key and action": lambda: read_fields(HttpRequest(body=urlencoded)),
        "form: a whole `add`": lambda: read_request(HttpRequest(body=urlencoded)),
        "JSON: a whole `add`": lambda: read_request(HttpRequest(body=msgspec.json.encode(fields))),
        "query string: a whole `add`": lambda: read_request(HttpRequest(method="GET", query=urlencoded)),
        "multipart: a whole `add`": lambda: read_request(multipart),
        "form: an `add` with a thousand comments": lambda: read_request(HttpRequest(body=long)),
        "form: `status` of 100 ids": lambda: read_action(read_fields(asked)),
        "writing 100 statuses to a user": lambda: write_reply(statuses),
        "the same, legacy": lambda: write_reply(statuses, UserDialect(name="legacy")),
        "reading 100 statuses of a panel": lambda: read_reply(request, reply),
    }


def timed(work: Callable[[], object], rounds: int, *, times: int = 1) -> Took:
    """What it takes, over so many rounds of so many."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(times):
            work()
        taken.append((time.perf_counter() - began) / times * 1e6)
    return Took(min(taken), statistics.median(taken))


def long_list() -> bytes:
    """A list of 5 000 services, 5 MB of it."""
    text = "What this service does, how fast it starts, what is guaranteed and what is not. "
    rows = tuple(
        ServiceRow(
            service=str(n),
            name=f"Followers of kind {n} · refill 30 days · instant",
            type="Default",
            category=f"Category {n % 50}",
            rate=f"0.{n % 90 + 10}",
            min=10,
            max=100_000,
            dripfeed=True,
            refill=True,
            cancel=True,
            description=text * 5,
        )
        for n in range(1, SERVICES + 1)
    )
    body = write_reply(ServicesReply(rows))
    assert 0.7 < len(body) / LIST_BYTES < 1.3, len(body)
    return body


def peak_of(body: bytes) -> int:
    """Bytes that reading it took at the most, in a process of its own."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_peak, args=(there,))
    child.start()
    here.send_bytes(body)
    peak: int = here.recv()
    child.join()
    return peak


def _peak(pipe: Connection) -> None:
    body = pipe.recv_bytes()
    _known(body[:1])  # Everything is imported and made.
    Path("/proc/self/clear_refs").write_text("5")  # The kernel's own peak begins anew.
    before = _kernel("VmRSS")
    _known(body)
    pipe.send(_kernel("VmHWM") - before)


def _kernel(what: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


def _read(body: bytes) -> object:
    return read_reply(ServicesRequest(), body)


def _known(body: bytes) -> object:
    said = read_reply(ServicesRequest(), body)
    return normalise("bench", said, fetched_at=0) if isinstance(said, ServicesReply) else said


def _status(n: int) -> StatusReply:
    return StatusReply(
        status=StatusWord.IN_PROGRESS, charge=f"{Decimal(n) / 100}", start_count=n, remains=n, currency="USD"
    )


def _ms(took: Took) -> str:
    return f"{took.best / 1000:.0f} to {took.median / 1000:.0f}"


if __name__ == "__main__":
    main()
