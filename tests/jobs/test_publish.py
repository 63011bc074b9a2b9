"""Events told to a consumer that fails, hangs and redirects: each arrives, in its order's order, under one id."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from gateway.core.outcome import Accepted
from gateway.jobs.publish import PAUSE_MAX_SECONDS, PAUSE_SECONDS, Publisher
from gateway.metrics import Metrics
from gateway.providers.webhook import Consumer, Webhook
from gateway.providers.wire import Limits
from gateway.store.engine import Store
from gateway.store.outbox import LEASE_MS, count_events, dead_events, retry_events, want_events
from gateway.store.store import open_store
from tests.consumer import TAKEN, ConsumerServer, Heard, answer, consumer_server
from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel
from tests.store.trade import NOW, bring, make_user, sending
from tests.world import LINK, on_sale, status_of, until

SECRET = b"s" * 24
SHORT = Limits(connect=2.0, write=2.0, total=0.5, bytes_max=1000)


class Hours:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        """The time, ms since the epoch."""
        return self.now


@pytest.fixture
async def consumer() -> AsyncIterator[ConsumerServer]:
    """A consumer on loopback."""
    async with consumer_server() as made:
        yield made


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """Books whose events are to be told: a user and 12 orders on their way, 38 events."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    await opened.run(partial(want_events, wanted=True))
    user = await make_user(opened, money=100_000)
    for number in range(100_001, 100_013):
        await bring(opened, await sending(opened, user, number), Accepted(f"up-{number}"))
    yield opened
    await opened.close()


@pytest.fixture
async def webhook(consumer: ConsumerServer) -> AsyncIterator[Webhook]:
    """The way to the consumer, with a short deadline."""
    made = Webhook(Consumer(url=consumer.url, secret=SECRET, allow_private=True), limits=SHORT)
    yield made
    await made.aclose()


def sequences(heard: list[Heard]) -> dict[int, list[str]]:
    """The kinds of events by order, in the order they were first taken; what came twice counts once."""
    kinds: dict[int, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for each in heard:
        order = each.told["data"]["order"]
        if each.id not in seen and order is not None:
            kinds[order].append(each.told["type"])
        seen.add(each.id)
    return kinds


LIFE = ["order.reserved", "order.placing", "order.active"]


async def test_every_event_arrives_in_its_orders_order(
    store: Store, webhook: Webhook, consumer: ConsumerServer
) -> None:
    """A willing consumer has all of them after one run, each once."""
    await Publisher(store, webhook, Metrics(), clock=Hours()).run()
    assert len(consumer.heard) == len({each.id for each in consumer.heard}) == 38
    assert sequences(consumer.taken) == dict.fromkeys(range(100_001, 100_013), LIFE)
    assert (await store.read(count_events)).waiting == 0


async def test_unwilling_consumer_gets_everything_in_the_end(
    store: Store, webhook: Webhook, consumer: ConsumerServer
) -> None:
    """It answers 500, hangs, redirects, breaks off, and takes the third try at most: nothing is lost or overtakes."""
    moods = [TAKEN, answer("500 Oops"), None, answer("302 Found", "Location: http://127.0.0.1:1/"), b"HTTP/1.1 2"]
    tries: Counter[str] = Counter()

    def manners(heard: Heard) -> bytes | None:
        tries[heard.id] += 1
        return TAKEN if tries[heard.id] > 2 else moods[(int(heard.id[4:]) + tries[heard.id]) % len(moods)]

    consumer.manners = manners
    clock = Hours()
    publisher = Publisher(store, webhook, Metrics(), clock=clock)
    for _ in range(60):
        await publisher.run()
        if (await store.read(count_events)).waiting == 0:
            break
        clock.now += 60_000
    assert (await store.read(count_events)).waiting == 0
    assert sequences(consumer.taken) == dict.fromkeys(range(100_001, 100_013), LIFE)
    assert len({each.id for each in consumer.taken}) == 38
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for each in consumer.heard:
        bodies[each.id].add(each.body)
    assert all(len(same) == 1 for same in bodies.values())  # a repeated one is the same to the byte


async def test_pauses_grow_while_nothing_is_taken(store: Store, webhook: Webhook, consumer: ConsumerServer) -> None:
    """A dead consumer is not hammered; the first event it takes brings the usual pace back."""
    consumer.manners = lambda _: answer("503 Away")
    clock = Hours()
    publisher = Publisher(store, webhook, Metrics(), clock=clock)
    pauses = []
    for _ in range(6):
        await publisher.run()
        pauses.append(publisher.pause())
        clock.now += 3_600_000
    assert pauses == [2 * PAUSE_SECONDS, 4 * PAUSE_SECONDS, 8 * PAUSE_SECONDS, *[PAUSE_MAX_SECONDS] * 3]
    consumer.manners = lambda _: TAKEN
    await publisher.run()
    assert publisher.pause() == PAUSE_SECONDS
    assert (await store.read(count_events)).waiting == 0


async def test_event_nobody_takes_is_given_up_and_put_back(
    store: Store, webhook: Webhook, consumer: ConsumerServer
) -> None:
    """The consumer chokes on one event for a day: it is set aside, its order goes on, and an operator puts it back."""
    choked = "evt_2"
    consumer.manners = lambda heard: answer("400 What") if heard.id == choked else TAKEN
    clock = Hours()
    publisher = Publisher(store, webhook, Metrics(), clock=clock)
    for _ in range(60):
        await publisher.run()
        clock.now += 1_800_000
    (dead,) = await store.read(dead_events)
    assert (f"evt_{dead.id}", dead.problem) == (choked, "HTTP 400")
    assert len({each.id for each in consumer.taken}) == 37
    consumer.manners = lambda _: TAKEN
    await store.run(partial(retry_events, [dead.id], actor="test", reason="mended", now=NOW))
    await publisher.run()
    assert choked in {each.id for each in consumer.taken[-2:]}  # Beside the event that somebody put it back.


KILLED = """
import asyncio, os, signal, sys
import gateway.points
from gateway.jobs.publish import Publisher
from gateway.metrics import Metrics
from gateway.providers.webhook import Consumer, Webhook
from gateway.store.store import open_store

def hook(what, of):
    if (what, of) == ("before", "events_published"):
        os.kill(os.getpid(), signal.SIGKILL)

async def main(database_url, url):
    store = open_store(database_url)
    await store.open()
    gateway.points.hook = hook
    webhook = Webhook(Consumer(url=url, secret=b"s" * 24, allow_private=True))
    await Publisher(store, webhook, Metrics(), clock=lambda: %d).run()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_k13_killed_between_telling_and_marking(
    store: Store, database_url: str, webhook: Webhook, consumer: ConsumerServer
) -> None:
    """K13, I14: a publisher dies after telling and before marking; all are told again, under the same ids."""
    command = [sys.executable, "-c", KILLED % NOW, database_url, consumer.url]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    died = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    first = [each.id for each in consumer.taken]
    assert len(first) == 14  # two of the user, and the first of each order
    clock = Hours()
    publisher = Publisher(store, webhook, Metrics(), clock=clock)
    await publisher.run()
    assert len(consumer.taken) == 14  # they are still the dead one's
    clock.now += LEASE_MS
    await publisher.run()
    again = [each.id for each in consumer.taken[14:]]
    assert set(first) <= set(again)
    assert len(again) == len(set(again)) == 38
    assert sequences(consumer.taken) == dict.fromkeys(range(100_001, 100_013), LIFE)


async def test_gateway_tells_what_happens_to_an_order(
    tmp_path: Path, database_url: str, consumer: ConsumerServer
) -> None:
    """The whole way, from `add` to the consumer; no key of ours or of a panel is in anything it hears."""
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        a.switch("error", "Not enough funds on balance panel-a-key", action="add")
        settings = house_settings(
            tmp_path, a=a.url, b=b.url, database_url=database_url, events_url=consumer.url,
            events_secret="whsec_" + "QUJD" * 10, events_allow_private="yes",
        )  # fmt: skip
        async with running_house(settings) as house:
            await on_sale(house)
            call = await house.user()
            placed = await call("add", service="1", link=LINK, quantity="100")
            await status_of(call, placed["order"], "Completed")

            async def completed() -> bool:
                return any(each.told["type"] == "order.completed" for each in consumer.taken)

            await until(completed)
    kinds = sequences(consumer.taken)[int(placed["order"])]
    assert kinds[:2] == ["order.reserved", "order.placing"]
    assert kinds.index("order.active") < kinds.index("order.completed")
    everything = b"".join(each.body for each in consumer.heard)
    assert b"panel-a-key" not in everything
    assert call.key.encode() not in everything
