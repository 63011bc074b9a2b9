"""Rows D1, D2, D3, D11 and D13: PostgreSQL restarts, loses lines at COMMIT, is silent, older, or too narrow."""

import asyncio
import shutil
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import httpx
import pytest

from gateway.store.engine import StoreBusy, StoreUnavailable
from gateway.store.postgres import PostgresStore
from tests.fault_proxy import CutAt, FaultProxy
from tests.gateway_process import CREDIT, Caller, House
from tests.matrix.holding import Holding
from tests.matrix.moments import A1, A5, A9, Moment, at, before, before_commit_of
from tests.matrix.trial import CHARGE, Trial
from tests.servers import PostgresServer
from tests.store.trade import ORDER, make_new_order, make_user, money_of, put
from tests.world import balance, until

LINK = "https://social.example/d"
COMMIT = b"COMMIT\x00"  # to the end of its message
# The promise is two seconds; the machine that runs this may be busy.
SOON_SECONDS = 3.0


async def asked(call: Caller, link: str) -> httpx.Response:
    """What an add is answered, whatever that is."""
    return await call.post({"key": call.key, "action": "add", "service": "1", "link": link, "quantity": "100"})


async def writing(house: House) -> None:
    """Wait until the books can be written again."""

    async def again() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            return (await http.get(f"{house.health}/ready")).status_code == 200

    await until(again, seconds=20)


def port_of(url: str) -> int:
    """The port in a PostgreSQL URL."""
    return int(url.rpartition(":")[2].partition("/")[0])


async def test_d1_restart_during_a1_a5_a9_is_bridged(own_trial: Trial, own_postgres: PostgresServer) -> None:
    """`restart -m immediate` in the middle of each: the transaction is run again by its keys, the caller has an id."""
    async with own_trial.gateway() as house:
        call = await house.user()
        for step in (A1, A5, A9):
            opened = house.gateway.store.counts.reopened
            with at(before(step, lambda: own_postgres.restart(immediate=True))):
                assert "order" in await own_trial.add(call, LINK + step)
            assert house.gateway.store.counts.reopened > opened
        assert await balance(call) == Decimal(CREDIT - 3 * CHARGE) / 10**8
    assert await own_trial.judge() == dict.fromkeys([LINK + A1, LINK + A5, LINK + A9], "completed")
    assert own_trial.heard() == 3


async def test_d1_crash_during_a1_a5_a9_loses_nothing(own_trial: Trial, own_postgres: PostgresServer) -> None:
    """Away for longer than is bridged: nothing held, no byte sent, the verdict kept until it can be written."""
    async with own_trial.gateway(own_trial.settings(answer_within="0.5")) as house:
        call = await house.user()

        async def away(step: str, link: str) -> httpx.Response:
            """What an add is answered when the server crashes at a step and comes back two seconds after that."""
            with at(before(step, lambda: own_postgres.stop(immediate=True))):
                answer = await asked(call, link)
            heard = own_trial.heard()
            await asyncio.sleep(2)
            assert own_trial.heard() == heard, "an order was sent that nobody could write down"
            own_postgres.start()
            await writing(house)
            return answer

        began = time.monotonic()
        assert (await away(A1, LINK)).status_code == 503
        assert time.monotonic() - began < 2 * SOON_SECONDS
        assert await own_trial.rows("SELECT id FROM orders") == []
        assert await balance(call) == Decimal(CREDIT) / 10**8
        assert own_trial.heard() == 0
        for step in (A5, A9):
            answer = await away(step, LINK + step)
            own_trial.told(LINK + step, answer.json()["order"])

            async def decided(link: str = LINK + step) -> bool:
                return await own_trial.state(link) in {"active", "completed"}

            await until(decided)
    assert await own_trial.judge() == {LINK + A5: "completed", LINK + A9: "completed"}
    assert own_trial.heard() == 2


@pytest.mark.parametrize("how", ["terminated", "cut before", "cut after"])
async def test_d2_line_lost_at_commit_moves_money_once(
    postgres_trial: Trial, postgres_server: PostgresServer, how: str
) -> None:
    """The backend is killed at COMMIT, or the line is cut before or after its bytes passed: run again by its keys."""
    trial = postgres_trial
    with FaultProxy(port_of(trial.database_url)) as proxy:
        url = trial.database_url.replace(f":{port_of(trial.database_url)}/", f":{proxy.port}/")

        def faults(step: str) -> tuple[Moment, ...]:
            if how == "terminated":
                return (before_commit_of(step, partial(postgres_server.end_sessions, trial.database_url)),)
            cut: Callable[[], None] = partial(proxy.up, CutAt(COMMIT, passed=how == "cut after", ending="close"))
            healed = Moment([("after", step), ("before", "COMMIT"), ("after", "BEGIN")], proxy.up)
            return before_commit_of(step, cut), healed

        async with trial.gateway(trial.settings(database_url=url)) as house:
            call = await house.user()
            for step in (A1, A5, A9):
                opened = house.gateway.store.counts.reopened
                # The line is made anew before BEGIN can be said; a fault that lasts would meet that as well.
                with at(*faults(step)):
                    assert "order" in await trial.add(call, LINK + step)
                assert house.gateway.store.counts.reopened > opened
            assert await balance(call) == Decimal(CREDIT - 3 * CHARGE) / 10**8
        assert await trial.judge() == dict.fromkeys([LINK + A1, LINK + A5, LINK + A9], "completed")
    assert trial.heard() == 3


async def test_d2_unclear_commit_is_never_told_as_not_kept(postgres_trial: Trial) -> None:
    """The commit arrived, its answer did not, and the second run meets a lock: "busy" would be a lie."""
    trial = postgres_trial
    trial.judged = True  # No gateway and no panel here: the store alone.
    with FaultProxy(port_of(trial.database_url)) as proxy:
        store = PostgresStore(trial.database_url.replace(f":{port_of(trial.database_url)}/", f":{proxy.port}/"))
        await store.open()
        await store.migrate()
        order = make_new_order((await make_user(store)).id)
        # It waits for the row, and has it as soon as the commit is done.
        holding = Holding(trial.database_url, "SELECT id FROM accounts WHERE code = 'user:1:avail' FOR UPDATE")

        def cut() -> None:
            assert not holding.begin(seconds=0.5)
            proxy.up(CutAt(COMMIT, ending="close"))

        healed = Moment([("before", "COMMIT"), ("after", "BEGIN")], proxy.up)
        with at(before_commit_of(A1, cut), healed), pytest.raises(StoreUnavailable) as told:
            await put(store, order)
        assert not isinstance(told.value, StoreBusy)
        await asyncio.to_thread(holding.end)
        assert await trial.rows("SELECT id FROM orders") == [{"id": ORDER}]
        assert (await put(store, order)).order_id == ORDER
        assert await money_of(store) == (900, 100)
        await store.close()


async def test_d3_silent_server_is_told_in_two_seconds_and_nothing_is_sent(postgres_trial: Trial) -> None:
    """Nothing passes to PostgreSQL any more: 503, no order at any panel, not ready; later all is well by itself."""
    trial = postgres_trial
    with FaultProxy(port_of(trial.database_url)) as proxy:
        url = trial.database_url.replace(f":{port_of(trial.database_url)}/", f":{proxy.port}/")
        async with trial.gateway(trial.settings(database_url=url)) as house:
            call = await house.user()
            assert "order" in await trial.add(call, LINK + "before")
            heard = trial.heard()
            proxy.partition()
            began = time.monotonic()
            waits = []
            while time.monotonic() - began < 4:
                at_once = time.monotonic()
                told = await asyncio.gather(*(asked(call, f"{LINK}{n}") for n in range(5)))
                waits.append(time.monotonic() - at_once)
                assert [each.status_code for each in told] == [503] * 5
            assert max(waits) < SOON_SECONDS, waits
            async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
                ready = await http.get(f"{house.health}/ready")
            assert (ready.status_code, "books cannot be written" in ready.text) == (503, True)
            assert trial.heard() == heard
            proxy.heal()
            await writing(house)
            assert "order" in await trial.add(call, LINK + "after")
    states = await trial.judge()
    assert (states[LINK + "before"], states[LINK + "after"]) == ("completed", "completed")


async def test_d11_books_that_lack_what_was_committed_stop_orders(
    own_trial: Trial, own_postgres: PostgresServer
) -> None:
    """An older state in the books' place, as after a failover to a replica that lagged: nothing is sent any more.

    Which orders are missing cannot be told from the books; whoever starts anew after reconciling answers for that.
    """
    trial = own_trial
    trial.judged = True  # Orders are lost here: that is what it is about.
    kept = trial.folder / "kept"
    async with trial.gateway() as house:
        call = await house.user()
        own_postgres.stop()
        shutil.copytree(own_postgres.data, kept)
        own_postgres.start()
        await writing(house)
        assert "order" in await trial.add(call, LINK + "lost")
        own_postgres.stop(immediate=True)
        shutil.rmtree(own_postgres.data)
        shutil.copytree(kept, own_postgres.data)
        own_postgres.start()

        async def noticed() -> bool:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
                ready = await http.get(f"{house.health}/ready")
            return ready.status_code == 503 and "lack what was committed" in ready.text

        await until(noticed, seconds=60)
        heard = trial.heard()
        refused = (await asked(call, LINK + "next")).json()
        assert refused == {"error": "Service temporarily unavailable"}
        assert (await call("balance"))["balance"] == "100"
        assert trial.heard() == heard


async def test_d13_more_work_than_connections_waits_a_bounded_time(postgres_trial: Trial) -> None:
    """One connection to write and one to read, fifty adds at once: all are placed, and none needs two connections.

    Then somebody holds the only reader up: every caller hears 503 in time, and no order is left half done.
    """
    trial = postgres_trial
    async with trial.gateway(trial.settings(database_url=trial.database_url + "?readers=1")) as house:
        call = await house.user()
        answers = await asyncio.gather(*(trial.add(call, f"{LINK}{n}") for n in range(50)))
        assert all("order" in each for each in answers)
        with Holding(trial.database_url, "LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"):
            await asyncio.sleep(1.1)  # Until keys are looked up again.
            began = time.monotonic()
            told = await asyncio.gather(*(asked(call, f"{LINK}-{n}") for n in range(50)))
            assert time.monotonic() - began < SOON_SECONDS
            assert {each.status_code for each in told} == {503}
        assert "order" in await trial.add(call, LINK + "after")
    states = await trial.judge()
    assert len(states) == 51
    assert set(states.values()) == {"completed"}
