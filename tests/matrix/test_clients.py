"""Rows N5 to N9: callers who leave, dawdle, race, or are changed by an operator in the middle of an add."""

import asyncio
import re
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from urllib.parse import urlencode, urlsplit

from gateway.app import key_secret
from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.store.keys import NewKey, rotate_key
from gateway.store.users import credit_user, set_state
from tests.gateway_process import Caller, House
from tests.matrix.served import Served, served
from tests.matrix.trial import CHARGE, Trial
from tests.world import balance, status_of, until

LINK = "https://social.example/c"


def request_of(call: Caller, link: str, **more: str) -> bytes:
    """An add as bytes."""
    fields = {"key": call.key, "action": "add", "service": "1", "link": link, "quantity": "100", **more}
    body = urlencode(fields).encode()
    head = "POST /api/v2 HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def line_to(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection to a gateway."""
    there = urlsplit(url)
    return await asyncio.open_connection(there.hostname, there.port)


def hang_up(writer: asyncio.StreamWriter) -> None:
    """Leave as a process that was killed does."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_n5_caller_who_leaves_gets_the_same_order_when_it_asks_again(trial: Trial) -> None:
    """Gone before the answer, by FIN or RST: placed once; the same wish has its id, at once and when all is over."""
    async with trial.gateway() as house:
        call = await house.user()
        for how in ("fin", "rst"):
            for wait in (False, True):
                link = f"{LINK}{how}{wait}"
                trial.a.panel.switch("latency", "600", action="add", times=1)
                _, writer = await line_to(house.url)
                writer.write(request_of(call, link))
                await writer.drain()
                await until(partial(_stored, trial, link))
                writer.close() if how == "fin" else hang_up(writer)
                await until(partial(_at_rest, house, trial, link)) if wait else await asyncio.sleep(0.1)
                again = await trial.add(call, link)
                rows = await trial.rows("SELECT id FROM orders ORDER BY created_at, id")
                assert int(again["order"]) == rows[-1]["id"]
        assert len(await trial.states()) == 4
        assert await balance(call) == 100 - 4 * Decimal("0.135")
    assert set((await trial.judge()).values()) == {"completed"}
    assert len(trial.a.placed()) == 4


async def test_n5_half_closed_caller_has_one_order_or_none(small_trial: Trial) -> None:
    """Who sends and closes its own side is answered, or is taken for gone: asking again is one order either way."""
    trial = small_trial
    async with trial.gateway() as house:
        call = await house.user()
        trial.a.panel.switch("latency", "300", action="add", times=1)
        reader, writer = await line_to(house.url)
        writer.write(request_of(call, LINK))
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(4096), 10)
        writer.close()
        found = re.search(rb'"order":"(\d+)"', answer)
        if found is not None:
            trial.told(LINK, found[1].decode())
        else:
            await asyncio.sleep(0.1)
            assert "order" in await trial.add(call, LINK)
        assert len(await trial.rows("SELECT id FROM orders")) == 1
    assert await trial.judge() == {LINK: "completed"}


async def test_n5_caller_who_leaves_in_the_middle_of_its_wish_orders_nothing(small_trial: Trial) -> None:
    """Half a body is no wish: `quantity=100` that was to be `quantity=10000` orders nothing and costs nothing."""
    trial = small_trial
    async with trial.gateway() as house:
        call = await house.user()
        for end in (lambda writer: writer.close(), hang_up):
            whole = request_of(call, LINK, quantity="10000")
            for missing in (2, 20):
                _, writer = await line_to(house.url)
                writer.write(whole[:-missing])
                await writer.drain()
                await asyncio.sleep(0.1)
                end(writer)
        await asyncio.sleep(0.5)
        assert await balance(call) == 100
    assert await trial.judge() == {}
    assert trial.heard() == 0


async def test_n5_caller_who_read_one_byte_is_safe_with_a_key(small_trial: Trial) -> None:
    """The answer was on its way: without a key nobody can tell that it was lost; with one it is the same order."""
    trial = small_trial
    async with trial.gateway() as house:
        call = await house.user()
        reader, writer = await line_to(house.url)
        writer.write(request_of(call, LINK, idempotency_key="mine"))
        await reader.readexactly(1)
        hang_up(writer)
        (row,) = await trial.rows("SELECT id FROM orders")
        again = await trial.add(call, LINK, idempotency_key="mine")
        assert int(again["order"]) == row["id"]
    assert await trial.judge() == {LINK: "completed"}


async def _stored(trial: Trial, link: str) -> bool:
    return link in await trial.states()


async def _at_rest(house: House, trial: Trial, link: str) -> bool:
    return house.gateway.desk.at_work == 0 and (await trial.states()).get(link) in ("active", "completed")


IDLE = 1500
GROWTH_MAX = 64 * 2**20


async def test_n6_dawdling_callers_cost_little_and_disturb_nobody(small_trial: Trial) -> None:
    """A body of a byte a second is cut, idle connections and answers nobody reads cost little; others are served."""
    trial = small_trial
    async with trial.gateway() as house:
        key = (await house.user()).key
    trial.settings()
    async with served(trial.environ(), trial.folder) as running:
        await running.ready()
        call = running.caller(key)
        await call("services")
        memory = running.memory()
        lines = [await line_to(running.users) for _ in range(IDLE + 1)]
        deaf = lines[0]
        for _ in range(400):  # their answers fill every buffer on the way, and nobody reads them
            deaf[1].write(request_of(call, LINK, action="services"))
        dripping = asyncio.create_task(drip(running, call))
        began = time.monotonic()
        placed = await trial.add(call, LINK)
        assert time.monotonic() - began < 3
        await status_of(call, placed["order"], "Completed")
        seconds, answer = await dripping
        assert 8 < seconds < 20
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert running.memory() - memory < GROWTH_MAX
        assert "order" in await trial.add(call, LINK + "after")
        for _, writer in lines:
            writer.close()
    assert await trial.judge() == {LINK: "completed", LINK + "after": "completed"}


async def drip(running: Served, call: Caller) -> tuple[float, bytes]:
    """How long a body of a byte a second is listened to, and what it is answered."""
    reader, writer = await line_to(running.users)
    began = time.monotonic()
    answering = asyncio.create_task(reader.read(4096))
    head, _, body = request_of(call, LINK + "never").partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")
    for byte in body:
        writer.write(bytes([byte]))
        if (await asyncio.wait({answering}, timeout=1.0))[0]:
            break
    writer.close()
    return time.monotonic() - began, await answering


@asynccontextmanager
async def three_of(trial: Trial) -> AsyncIterator[list[Served]]:
    """Three gateway programs on one set of books."""
    trial.settings()
    async with AsyncExitStack() as stack:
        running = await asyncio.gather(
            *(stack.enter_async_context(served(trial.environ(), trial.folder, name=f"gateway-{n}")) for n in range(3))
        )
        await asyncio.gather(*(each.ready() for each in running))
        yield list(running)


async def test_n7_n8_racing_adds_spend_what_there_is_and_a_key_is_one_order(trial: Trial) -> None:
    """Fifty adds at once over three processes with money for ten: ten. One key at all three at once: one order."""
    async with trial.gateway() as house:
        key = (await house.user(credit=10 * CHARGE)).key
        async with three_of(trial) as running:
            calls = [each.caller(key) for each in running]
            answers = await asyncio.gather(*(trial.add(calls[n % 3], f"{LINK}/{n}") for n in range(50)))
            assert sum("order" in answer for answer in answers) == 10
            assert sum(answer == {"error": "Not enough funds on balance"} for answer in answers) == 40
            assert await balance(calls[0]) == 0
            now = house.gateway.desk.clock()
            more = partial(credit_user, "alpha", 10 * CHARGE, reference="more", actor="test", now=now)
            await house.gateway.store.run(more)
            marked = await asyncio.gather(
                *(trial.add(calls[n % 3], LINK + "marked", idempotency_key="one") for n in range(12))
            )
            assert len({answer["order"] for answer in marked}) == 1
            assert await balance(calls[1]) == 9 * Decimal("0.135")
    states = await trial.judge()
    assert len(states) == 11
    assert set(states.values()) == {"completed"}
    assert len(trial.a.placed()) == 11


async def test_n9_user_changed_in_the_middle_of_an_add_has_its_order_to_the_end(trial: Trial) -> None:
    """Suspended, its key rotated, its balance spent meanwhile: what was begun is finished, and the books are right."""
    async with trial.gateway() as house:
        names = ("suspended", "rotated", "emptied")
        calls = {name: await house.user(name, credit=2 * CHARGE) for name in names}
        trial.a.panel.switch("latency", "800", action="add", times=3)
        adding = {name: asyncio.create_task(trial.add(call, LINK + name)) for name, call in calls.items()}
        for name in names:
            await until(partial(_stored, trial, LINK + name))
        store, now = house.gateway.store, trial.clock()
        await store.run(partial(set_state, "suspended", "suspended", actor="test", reason="", now=now))
        key = make_key(b"another".ljust(RANDOM_BYTES, b"-"))
        new = NewKey(hash=hash_key(key, key_secret(house._settings.environment)), prefix=shown_part(key))
        await store.run(partial(rotate_key, "rotated", new, overlap_ms=0, actor="test", reason="test", now=now))
        await trial.add(calls["emptied"], LINK + "meanwhile")
        for name in names:
            assert "order" in await adding[name], name
        await asyncio.sleep(1.1)  # A key is known again for up to a second.
        invalid = {"error": "Invalid API key"}
        assert [await calls[name]("balance") for name in names[:2]] == [invalid, invalid]
        assert await balance(calls["emptied"]) == 0
        assert await balance(house.caller(key)) == Decimal(CHARGE) / 10**8
    assert await trial.judge() == dict.fromkeys([LINK + name for name in (*names, "meanwhile")], "completed")
