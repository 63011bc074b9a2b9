"""A race: several processes on the same books at once, and a reader that looks at every balance meanwhile."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.store.store import open_store
from gateway.store.users import list_users
from tests.races.runner import Share, Told

ROOT: Final = Path(__file__).parents[2]
READ_EVERY_SECONDS: Final = 0.005
PROCESSES: Final = 3


class Watched(msgspec.Struct):
    """What the reader saw."""

    readings: int = 0
    lowest: int = 0


def shares(url: str, users: dict[str, int], adds: int, *, charge: int, whole: bool = False) -> list[Share]:
    """The adds dealt out to the processes."""
    return [
        Share(
            url=url, name=f"racer-{n}", users=users, first=100_000 + 50_000 * n, charge=charge, whole=whole,
            adds=adds // PROCESSES + (n < adds % PROCESSES),
        )
        for n in range(PROCESSES)
    ]  # fmt: skip


async def race(shares: Sequence[Share]) -> tuple[list[Told], Watched]:
    """Start a process for each share, let them go at one moment, and answer what each told and what was seen."""
    runners = [await _start(share) for share in shares]
    try:
        for runner in runners:
            assert runner.stdout is not None
            assert await runner.stdout.readline() == b"ready\n"
        watched = Watched(lowest=2**62)
        over = asyncio.Event()
        watching = asyncio.create_task(_watch(shares[0].url, watched, over))
        for runner in runners:
            _say(runner, b"go\n")
        told = [msgspec.json.decode(await _read(runner), type=Told) for runner in runners]
        over.set()
        await watching
        return told, watched
    finally:
        for runner in runners:
            if runner.returncode is None:
                runner.kill()
            await runner.wait()


async def _start(share: Share) -> asyncio.subprocess.Process:
    runner = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.races.runner", cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _say(runner, msgspec.json.encode(share) + b"\n")
    return runner


def _say(runner: asyncio.subprocess.Process, text: bytes) -> None:
    assert runner.stdin is not None
    runner.stdin.write(text)


async def _read(runner: asyncio.subprocess.Process) -> bytes:
    assert runner.stdout is not None
    line = await runner.stdout.readline()
    await runner.wait()
    return line


async def _watch(url: str, watched: Watched, over: asyncio.Event) -> None:
    """Read all balances again and again: whatever is committed between two of them is seen."""
    store = open_store(url)
    await store.open()
    while not over.is_set():
        for listed in await store.read(list_users):
            watched.lowest = min(watched.lowest, listed.avail, listed.held)
        watched.readings += 1
        await asyncio.sleep(READ_EVERY_SECONDS)
    await store.close()
