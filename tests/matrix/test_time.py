"""Rows T1 to T4: clocks that jump, other time zones, replicas that disagree, a process that stands still."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.actions.shared_clock import SharedClock, ask_books
from gateway.store.engine import Store
from tests.gateway_process import CREDIT, House, running_house
from tests.matrix.served import Served, served
from tests.matrix.trial import BRISK, CHARGE, LATER_SECONDS, Trial
from tests.world import balance, on_sale, status_of, until

LINK: Final = "https://social.example/t"
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


class Jumping:
    """The books' clock, with jumps."""

    def __init__(self) -> None:
        self.ms = 0

    async def told(self, store: Store) -> int:
        """What time the database says it is."""
        return await ask_books(store) + self.ms


@asynccontextmanager
async def keeping(trial: Trial, clock: SharedClock) -> AsyncIterator[House]:
    """A gateway by such a clock, quick to answer, with its list on sale."""
    async with running_house(trial.settings(answer_within="0.3"), clock=clock, pace=BRISK) as house:
        await on_sale(house)
        yield house


async def events(trial: Trial, kind: str) -> int:
    """How many events of a kind there are."""
    rows = await trial.rows("SELECT kind FROM events")
    return sum(row["kind"] == kind for row in rows)


async def test_t1_clock_that_jumps_decides_nothing_early(trial: Trial) -> None:
    """A day ahead, a day back, an hour to and fro, while an order is being sent, one is in doubt, one is followed.

    Nothing that is being sent is doubted, nothing in doubt is given up, no money moves, no key dies, and what was dated
    in the future is followed all the same.
    """
    jumping = Jumping()
    async with keeping(trial, SharedClock(told=jumping.told)) as house:
        call = await house.user()
        trial.a.panel.switch("silent", action="add", times=1, processed=False)
        doubtful = await trial.add(call, LINK + "doubt")
        trial.a.panel.switch("latency", "2500", action="add", times=1)
        await trial.add(call, LINK + "slow")
        followed = await trial.add(call, LINK + "followed")
        for jump in (DAY_MS, 0, -DAY_MS, 0, HOUR_MS, -HOUR_MS, 0):
            jumping.ms = jump
            await asyncio.sleep(0.35)
            assert await trial.state(LINK + "doubt") in ("placing", "unknown")
            assert "balance" in await call("balance")
        assert await events(trial, "attempt.taken_over") == 0
        await status_of(call, followed["order"], "Completed")
        # Accepted at a time that was wrong by an hour, it is taken for that much older and asked about less often.
        assert await trial.state(LINK + "slow") in ("active", "completed")
        assert (await call("status", order=doubtful["order"]))["status"] == "Pending"
        assert await balance(call) == Decimal(CREDIT - 3 * CHARGE) / 10**8
        again = await call("add", service="1", link=LINK + "key", quantity="100", idempotency_key="k")
        jumping.ms = DAY_MS
        await asyncio.sleep(0.35)
        same = await call("add", service="1", link=LINK + "key", quantity="100", idempotency_key="k")
        assert same == again
    states = await trial.judge()
    assert states.pop(LINK + "doubt") == "unknown"
    assert set(states.values()) == {"completed"}
    doubts = await trial.rows("SELECT order_id FROM attempts WHERE state = 'unknown'")
    assert [str(each["order_id"]) for each in doubts] == [doubtful["order"]]


async def test_t2_time_zones_change_nothing(trial: Trial) -> None:
    """Two programs on one set of books, fourteen hours and minus eleven, and a database that has a third one."""
    if trial.database_url.startswith("postgres"):
        name = trial.database_url.rpartition("/")[2]
        await trial.rows(f"ALTER DATABASE {name} SET timezone = 'Asia/Kathmandu'")
    async with trial.gateway() as house:
        key = (await house.user()).key
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    folders = [trial.folder / zone.rpartition("/")[2] for zone in zones]
    for folder in folders:
        copy_settings(trial, folder)
    before = time.time() * 1000
    async with (
        served({**trial.environ(), "TZ": zones[0]}, folders[0]) as east,
        served({**trial.environ(), "TZ": zones[1]}, folders[1]) as west,
    ):
        for n, running in enumerate((east, west)):
            await running.ready()
            placed = await trial.add(running.caller(key), f"{LINK}{n}")
            other = (west, east)[n].caller(key)
            await status_of(other, placed["order"], "Completed")
        assert await events(trial, "attempt.taken_over") == 0
        dated = await trial.rows("SELECT created_at FROM orders UNION ALL SELECT heartbeat_at FROM owners")
        assert all(before - 60_000 < row["created_at"] < time.time() * 1000 + 60_000 for row in dated)
    assert set((await trial.judge()).values()) == {"completed"}


def copy_settings(trial: Trial, folder: Path) -> None:
    """The same providers.yaml in another folder."""
    folder.mkdir()
    (folder / "providers.yaml").write_bytes((trial.folder / "providers.yaml").read_bytes())


async def test_t3_replicas_five_minutes_apart_have_one_time(trial: Trial) -> None:
    """Two machines whose clocks differ leave each other's orders alone: both go by the books' clock.

    With a clock that is not the books', what one is sending the other would doubt: waste, not damage, and not here.
    """
    ahead = SharedClock(lambda: time.time_ns() // 1_000_000 + 300_000)
    behind = SharedClock(lambda: time.time_ns() // 1_000_000 - 300_000)
    async with (
        keeping(trial, ahead) as one,
        keeping(trial, behind) as other,
    ):
        call = await one.user()
        for n, house in enumerate((one, other)):
            trial.a.panel.switch("latency", "1200", action="add", times=1)
            placed = await trial.add(house.caller(call.key), f"{LINK}{n}")
            assert await trial.state(f"{LINK}{n}") == "placing"
            await status_of(call, placed["order"], "Completed")
        assert await events(trial, "attempt.taken_over") == 0
        assert await events(trial, "attempt.doubted") == 0
        owners = await trial.rows("SELECT DISTINCT owner FROM attempts")
        assert {row["owner"] for row in owners} == {one.gateway.desk.owner, other.gateway.desk.owner}
    assert await trial.judge() == {LINK + "0": "completed", LINK + "1": "completed"}
    assert trial.heard() == 2


# By the step of section 1.4: the points a process passes until it stands still, and what the others then think. At A5
# the right to send is committed and no byte has left: woken after more than five seconds, none may leave.
STANDS_STILL: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "A3": (("after:order_insert", "after:COMMIT"), "taken over"),
    "A5": (("after:attempt_arm", "after:COMMIT"), "unknown"),
    "A7": (("after:attempt_arm", "wire:http11.receive_response_headers.started"), "unknown"),
}


@pytest.mark.parametrize("step", STANDS_STILL)
async def test_t4_process_that_stood_still_never_orders_twice(postgres_trial: Trial, step: str) -> None:
    """Stopped at A3, A5 or A7 for longer than it takes to be thought dead, then woken: fenced or unknown, one order."""
    trial = postgres_trial
    way, thought = STANDS_STILL[step]
    async with trial.gateway() as house:
        key = (await house.user()).key
    trap = [sys.executable, "-m", "tests.matrix.stopping", *way, "--"]
    async with served(trial.environ(answer_within="0.5"), trial.folder, around=trap) as running:
        await running.ready()
        asking = asyncio.create_task(post(running, key))
        await until(lambda: stopped(running))
        async with trial.gateway(ahead=LATER_SECONDS) as other:

            async def judged() -> bool:
                state = await trial.state(LINK)
                return state == thought if thought == "unknown" else state in ("active", "completed")

            await until(judged)
            heard = trial.heard()
            await asyncio.sleep(5 if step == "A5" else 0.3)
            running.signal(signal.SIGCONT)
            answer = await asking
            order = answer["order"]
            trial.told(LINK, order)
            if thought == "taken over":
                await status_of(other.caller(key), order, "Completed")
                assert (heard, trial.heard()) == (1, 1)
            await asyncio.sleep(0.5)
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
    states = await trial.judge()
    assert states[LINK] in ("completed", "unknown")
    assert trial.heard() == (0 if step == "A5" else 1)
    assert len(trial.a.placed() + trial.b.placed()) <= 1
    assert (states[LINK] == "completed") == (len(trial.a.placed() + trial.b.placed()) == 1)


async def post(running: Served, key: str) -> Any:
    """An add, of which the answer comes when it comes."""
    return await running.caller(key)("add", service="1", link=LINK, quantity="100")


async def stopped(running: Served) -> bool:
    """Whether the process stands still."""
    text = await asyncio.to_thread(Path(f"/proc/{running.process.pid}/stat").read_text)
    return text.rpartition(")")[2].split()[0] == "T"
