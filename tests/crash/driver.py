"""The driver: users' panels that order, ask and come again until they have an answer; nobody kills it."""

import asyncio
import contextlib
import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from tests.crash.kind import Kind
from tests.crash.processes import Shared
from tests.crash.wishes import wish_fields

RUN, FINISH, STOP = 1, 2, 3
ANSWER_SECONDS: Final = 3.0
AGAIN_SECONDS: Final = 0.03
WORKERS_A_USER: Final = 3
_PART: Final = 65_536
_HEAD: Final = (
    "POST /api/v2 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: {}\r\nConnection: close\r\n\r\n"
)


class Wish(msgspec.Struct):
    """One order a user wants, and what came of it."""

    user: int
    link: str  # its own: of a subscription the user name
    fields: dict[str, str]
    key: str | None  # an idempotency key
    home: int  # the gateway that a wish without a key keeps to
    order: str | None = None
    error: str | None = None


class Driver:
    """All users of one world."""

    def __init__(
        self, shared: Shared, ports: list[int], keys: list[str], *, kind: Kind, journal: Path, seed: str
    ) -> None:
        self._shared = shared
        self._kind = kind
        self._ports = ports
        self._keys = keys  # of each user
        self._chance = random.Random(seed)
        self._journal = journal.open("w", encoding="utf-8")
        self._made = 0
        self._orders: list[list[str]] = [[] for _ in keys]
        self._seed = seed

    async def run(self) -> None:
        """Order until told to finish, then until every wish has an answer."""
        workers = [self._work(user) for user in range(len(self._keys)) for _ in range(WORKERS_A_USER)]
        await asyncio.gather(*workers)
        self._journal.close()

    async def _work(self, user: int) -> None:
        while self._shared[Shared.MODE] == RUN:
            await self._place(self._wish(user))
            await self._ask(user)
            await asyncio.sleep(self._chance.random() * 0.02)

    def _wish(self, user: int) -> Wish:
        self._made += 1
        link = f"https://social.example/{self._seed}/{self._made}"
        return Wish(
            user=user,
            link=link,
            fields=wish_fields(self._chance, self._kind, link=link, now=self._shared.clock()),
            key=os.urandom(8).hex() if self._chance.random() < 0.5 else None,
            home=self._chance.randrange(len(self._ports)),
        )

    async def _place(self, wish: Wish) -> None:
        """Send one `add` until it is answered, as panels do on every run of their cron."""
        fields = {"action": "add", **wish.fields}
        if wish.key is not None:
            fields["idempotency_key"] = wish.key
        self._shared[Shared.WAITING] += 1
        while self._shared[Shared.MODE] != STOP:
            gateway = wish.home if wish.key is None else self._chance.randrange(len(self._ports))
            said = await self._call(gateway, wish.user, fields)
            if isinstance(said, dict) and ("order" in said or "error" in said):
                wish.order, wish.error = said.get("order"), said.get("error")
                break
            await asyncio.sleep(AGAIN_SECONDS)
        self._shared[Shared.WAITING] -= 1
        if wish.order is not None:
            self._orders[wish.user].append(wish.order)
        self._shared[Shared.ANSWERED if wish.order is not None else Shared.REFUSED] += 1
        self._journal.write(json.dumps(msgspec.to_builtins(wish)) + "\n")
        self._journal.flush()

    async def _ask(self, user: int) -> None:
        """A status of the newest orders, and now and then a cancel or a refill; whatever comes back."""
        newest = self._orders[user][-20:]
        if not newest:
            return
        gateway = self._chance.randrange(len(self._ports))
        said = await self._call(gateway, user, {"action": "status", "orders": ",".join(newest)})
        for order, status in said.items() if isinstance(said, dict) and "error" not in said else ():
            if "error" in status:
                self._journal.write(json.dumps({"lost": order, "said": status}) + "\n")
        if self._chance.random() < 0.3:
            action = self._chance.choice(("cancel", "refill"))
            await self._call(gateway, user, {"action": action, "order": self._chance.choice(newest)})

    async def _call(self, gateway: int, user: int, fields: Mapping[str, str]) -> Any:
        """What a gateway answers with HTTP 200; None for anything else."""
        form = urlencode({"key": self._keys[user], **fields}).encode()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[gateway])
        except (OSError, TimeoutError):
            return None
        answer = bytearray()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(_HEAD.format(len(form)).encode() + form)
                while part := await reader.read(_PART):
                    answer += part
        except TimeoutError:
            answer += await _arrived(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            return None
        try:
            return json.loads(body)
        except ValueError:
            return None


async def _arrived(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What is there already when patience ends, on a machine too busy to have read it: who has it has heard it.

    Otherwise its gateway, which saw the answer out and the caller there, would be blamed for believing so.
    """
    assert isinstance(writer.transport, asyncio.Transport)
    writer.transport.pause_reading()
    reader.feed_eof()
    arrived = bytearray()
    with contextlib.suppress(OSError):
        arrived += await reader.read()
    with writer.get_extra_info("socket").dup() as line, contextlib.suppress(OSError):
        line.setblocking(False)
        while part := line.recv(_PART):
            arrived += part
    return bytes(arrived)
