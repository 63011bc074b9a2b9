"""Row N5 with two replicas: who leaves one, or loses it, and comes with the same wish to the other has one order."""

import asyncio
import signal
from typing import Final

import httpx

from tests.gateway_process import Caller
from tests.matrix.killed import killed_at
from tests.matrix.served import served
from tests.matrix.test_clients import hang_up, line_to, request_of
from tests.matrix.trial import Trial
from tests.world import until

LINK: Final = "https://social.example/again"
STORED: Final = (("after", "order_insert"), ("after", "COMMIT"))
TIMES: Final = 5


async def test_n5_caller_whose_replica_was_killed_has_one_order_at_the_other(trial: Trial) -> None:
    """At once it is told to come again; once the replica is known to be dead it has the order that was stored there."""
    async with trial.gateway() as house:
        key = (await house.user()).key
    environ = {**trial.environ(), **killed_at(STORED, trial.folder)}
    async with served(environ, trial.folder) as running:
        await running.ready()
        await lost(running.caller(key))
        assert await running.ended() == -signal.SIGKILL
    (stored,) = await trial.rows("SELECT id FROM orders")
    settings = trial.settings(answer_within="1")
    async with trial.gateway(settings) as house:
        call = house.caller(key)
        assert await status(call) == 503
        assert len(await trial.rows("SELECT id FROM orders")) == 1
        trial.ahead += 31
        assert int((await trial.add(call, LINK))["order"]) == stored["id"]
    assert await trial.judge() == {LINK: "completed"}


async def test_n5_caller_who_leaves_and_comes_to_the_other_replica_has_one_order(trial: Trial) -> None:
    """The other waits until it is known that nobody heard the first answer."""
    async with trial.gateway() as a, trial.gateway() as b:
        key = (await a.user()).key
        call = b.caller(key)
        for n in range(TIMES):
            trial.a.panel.switch("latency", "600", action="add", times=1)
            _, writer = await line_to(a.url)
            writer.write(request_of(call, f"{LINK}/{n}"))
            await writer.drain()
            await until(lambda n=n: there(trial, n + 1))  # type: ignore[misc] # the loop's own
            hang_up(writer)
            await trial.add(call, f"{LINK}/{n}")
            assert len(await trial.rows("SELECT id FROM orders")) == n + 1
    assert set((await trial.judge()).values()) == {"completed"}


async def test_n5_two_callers_who_stay_have_two_orders_at_two_replicas(trial: Trial) -> None:
    """The second waits for the first one's answer, and is a second order: nobody left."""
    async with trial.gateway() as a, trial.gateway() as b:
        one = await a.user()
        two = b.caller(one.key)
        trial.a.panel.switch("latency", "1000", action="add", times=1)
        first = asyncio.create_task(trial.add(one, f"{LINK}/first"))
        await until(lambda: there(trial, 1))
        fields = {"service": "1", "link": f"{LINK}/first", "quantity": "100"}
        second = await two("add", **fields)
        assert first.done()
        assert (await first)["order"] != second["order"]
        assert len(await trial.rows("SELECT id FROM orders")) == 2
    trial.judged = True  # the two wishes have one link: nothing else here is told apart by it
    assert len(trial.a.placed()) == 2


async def lost(call: Caller) -> None:
    """An add whose answer never comes."""
    try:
        await call("add", service="1", link=LINK, quantity="100")
    except httpx.TransportError:
        return
    raise AssertionError("it was answered")


async def status(call: Caller) -> int:
    """The HTTP status that an add is answered with."""
    fields = {"key": call.key, "action": "add", "service": "1", "link": LINK, "quantity": "100"}
    return (await call.http.post(call.url, data=fields)).status_code


async def there(trial: Trial, orders: int) -> bool:
    """Whether so many orders are stored."""
    return len(await trial.rows("SELECT id FROM orders")) == orders
