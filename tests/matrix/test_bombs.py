"""Row U15: answers that are meant to fill memory are cut at their cap; measured in a gateway of its own."""

import gzip
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tests.matrix.served import served
from tests.matrix.trial import Trial
from tests.providers import misdeeds
from tests.providers.misdeeds import Line, Misdeed, misdoer, whole
from tests.world import until

LINK = "https://social.example/bomb"
MEGABYTE = b"x" * 2**20
GROWTH_MAX = 64 * 2**20


def flood(head: bytes, megabytes: int) -> Misdeed:
    """A body of so many megabytes, as long as anybody takes it."""

    async def misdeed(line: Line) -> None:
        await line.read_all()
        await line.send(head + b"\r\n\r\n")
        for _ in range(megabytes):
            await line.send(MEGABYTE)

    return misdeed


BOMBS: dict[str, Misdeed] = {
    "announced": flood(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600", 100),
    "unannounced": flood(b"HTTP/1.1 200 OK\r\nConnection: close", 100),
    "headers": misdeeds.header_bomb,
    "gzip": whole(gzip.compress(bytes(100 * 2**20)), headers=b"\r\nContent-Encoding: gzip"),
    "brotli": whole(MEGABYTE[:-1], headers=b"\r\nContent-Encoding: br"),
    "zstd": whole(MEGABYTE[:-1], headers=b"\r\nContent-Encoding: zstd"),
    "too short": whole(misdeeds.GOOD[:9], headers=b"\r\nContent-Length: 900"),
    "too long": misdeeds.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9", misdeeds.GOOD),
    "two lengths": misdeeds.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nContent-Length: 15", misdeeds.GOOD),
}


async def test_u15_bombs_are_cut_at_their_cap(small_trial: Trial) -> None:
    """A hundred megabytes, twenty thousand headers, packed noughts, wrong lengths: in doubt, and memory stays flat.

    A list has a cap of its own, which is larger; the services on sale stay those of the last good list.
    """
    trial = small_trial
    async with trial.gateway() as house:
        key = (await house.user()).key
    trial.settings(panels={"panel-a": {"refresh_seconds": 1, "timeouts": {"total": 3, "total_read": 10}}})
    async with served(trial.environ(answer_within="5"), trial.folder) as running:
        await running.ready()
        call = running.caller(key)
        before = await call("services")
        memory = running.memory()
        for name, bomb in BOMBS.items():
            await meet(trial, bomb, heard=b"action=add", act=partial(trial.add, call, LINK + name))
        await meet(trial, flood(b"HTTP/1.1 200 OK\r\nConnection: close", 100), heard=b"action=services")
        assert running.memory("VmHWM") - memory < GROWTH_MAX
        assert await call("services") == before
    assert await trial.judge() == {LINK + name: "unknown" for name in BOMBS}
    assert trial.a.placed() == trial.b.placed() == []


async def meet(trial: Trial, bomb: Misdeed, *, heard: bytes, act: Callable[[], Awaitable[Any]] | None = None) -> None:
    """Let the gateway meet a bomb in the first panel's place."""
    async with misdoer(bomb) as there:
        with trial.a.replaced_by(there.port):
            if act is not None:
                assert "order" in await act()

            async def met() -> bool:
                return any(heard in each for each in there.heard)

            await until(met)
