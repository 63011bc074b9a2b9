"""Rows N1 to N4: two gateways on one set of books, one of them cut off from this or that."""

import asyncio
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal

import httpx
import pytest

from gateway.actions.dispatch import PAUSE_MAX_SECONDS
from gateway.providers.client import ProviderClient
from tests.fault_proxy import FaultProxy
from tests.gateway_process import Caller, House
from tests.matrix.trial import LATER_SECONDS, Trial
from tests.world import balance, status_of, until

LINK = "https://social.example/n"


@contextmanager
def books_behind(url: str) -> Iterator[tuple[FaultProxy, str]]:
    """A proxy before PostgreSQL, and the address of the books behind it."""
    head, _, name = url.rpartition("/")
    port = int(head.rpartition(":")[2])
    with FaultProxy(port) as proxy:
        # Without a question for TLS: asyncpg leaves an error behind that nobody takes when a line is cut in it.
        yield proxy, f"{head.rpartition(':')[0]}:{proxy.port}/{name}?sslmode=disable"


async def post_add(call: Caller, link: str) -> httpx.Response:
    """The whole answer to an add."""
    return await call.post({"key": call.key, "action": "add", "service": "1", "link": link, "quantity": "100"})


@pytest.mark.parametrize("how", ["refused", "swallowed"])
async def test_n1_replica_without_books_sends_nothing(postgres_trial: Trial, how: str) -> None:
    """A cannot reach the database, the panels it can: 503 and not one add; B goes on, and A is back by itself."""
    trial = postgres_trial
    with books_behind(trial.database_url) as (proxy, behind):
        async with trial.gateway() as b, trial.gateway(trial.settings(database_url=behind)) as a:
            at_b = await b.user()
            at_a = a.caller(at_b.key)
            await trial.add(at_a, LINK + "before")
            heard = trial.heard()
            if how == "refused":
                proxy.refuse()
                proxy.cut()
            else:
                proxy.partition()
            refused = await post_add(at_a, LINK + "cut-off")
            assert (refused.status_code, refused.json()) == (503, {"error": "Service temporarily unavailable"})
            assert trial.heard() == heard
            await trial.add(at_b, LINK + "other")
            proxy.heal()

            async def back() -> bool:
                answer = await post_add(at_a, LINK + "after")
                if answer.status_code == 200:
                    trial.told(LINK + "after", str(answer.json()["order"]))
                return answer.status_code == 200

            await until(back, seconds=30)
    states = await trial.judge()
    # What nobody could tell about may have been stored, and was sent once then; it was never charged for nothing.
    assert set(states) - {LINK + "cut-off"} == {LINK + name for name in ("before", "other", "after")}
    assert set(states.values()) == {"completed"}


async def test_n2_late_word_of_a_replica_that_was_cut_off_wins(postgres_trial: Trial) -> None:
    """A arms, loses the books, hears "accepted"; B doubts the attempt after its deadline; A is back: one order."""
    trial = postgres_trial
    with books_behind(trial.database_url) as (proxy, behind):
        async with trial.gateway(trial.settings(database_url=behind, answer_within="0.3", drain_seconds="20")) as a:
            call = await a.user()
            trial.a.panel.switch("latency", "2000", action="add", times=1)
            placed = await trial.add(call, LINK)
            assert await trial.state(LINK) == "placing"
            proxy.refuse()
            proxy.cut()

            async def doubted() -> bool:
                return await trial.state(LINK) == "unknown"

            async with trial.gateway(ahead=LATER_SECONDS) as b:
                await until(doubted)
                assert trial.heard() == 1
                shown = await b.caller(call.key)("status", order=placed["order"])
                assert shown["status"] == "Pending"
            proxy.heal()
            await until(lambda: _accepted(trial))
    assert await trial.judge() == {LINK: "completed"}
    assert trial.heard() == 1


async def _accepted(trial: Trial) -> bool:
    return await trial.state(LINK) in ("active", "completed")


async def test_n3_replica_without_panels_leaves_orders_to_the_other(trial: Trial) -> None:
    """A reaches no panel, B does: B's callers notice nothing, A's orders wait and go out once when A is mended."""
    near = {name: {"url": side.panel.url} for name, side in (("panel-a", trial.a), ("panel-b", trial.b))}
    direct = trial.settings(panels=near)
    async with trial.gateway(direct) as b, trial.gateway(trial.settings(answer_within="0.3")) as a:
        at_b = await b.user()
        at_a = a.caller(at_b.key)
        for side in (trial.a, trial.b):
            side.proxy.refuse()
            side.proxy.cut()
        waiting = await trial.add(at_a, LINK + "a")
        began = time.monotonic()
        gone_out = await trial.add(at_b, LINK + "b")
        await status_of(at_b, gone_out["order"], "Completed")
        assert time.monotonic() - began < 15
        assert (await at_b("status", order=waiting["order"]))["status"] == "Pending"
        for side in (trial.a, trial.b):
            side.proxy.heal()

        async def gone_out_too() -> bool:
            found: dict[str, str] = await at_b("status", order=waiting["order"])
            return found["status"] == "Completed"

        # A's next try comes after a pause that grew while it reached nobody, to half a minute at most.
        await until(gone_out_too, seconds=PAUSE_MAX_SECONDS + 30)
    assert await trial.judge() == {LINK + "a": "completed", LINK + "b": "completed"}


async def test_n3_orders_of_a_replica_that_stops_go_out_by_the_other(trial: Trial) -> None:
    """A reaches no panel, its breaker opens, and it is stopped: what it had not sent is B's at once, placed once."""
    near = {name: {"url": side.panel.url} for name, side in (("panel-a", trial.a), ("panel-b", trial.b))}
    direct = trial.settings(panels=near)
    async with trial.gateway(direct) as b:
        async with trial.gateway(trial.settings(answer_within="0.2", drain_seconds="0")) as a:
            call = await a.user()
            for side in (trial.a, trial.b):
                side.proxy.refuse()
                side.proxy.cut()
            waiting = await asyncio.gather(*(trial.add(call, f"{LINK}/{n}") for n in range(6)))

            async def tripped(providers: Collection[ProviderClient] = tuple(a.gateway.desk.providers.values())) -> bool:
                return all(client.tripped for client in providers)

            await until(tripped)
            assert not any(client.tripped for client in b.gateway.desk.providers.values())
        for placed in waiting:
            await status_of(b.caller(call.key), placed["order"], "Completed")
    assert await trial.judge() == {f"{LINK}/{n}": "completed" for n in range(6)}


async def test_n4_double_asking_harms_nothing(trial: Trial) -> None:
    """Two replicas ask about the same orders again and again, leases or not: every refund is paid once."""
    trial.a.panel.program.panel.pace = 0.1
    async with trial.gateway() as a, trial.gateway() as b:
        call = await a.user()
        orders = await asyncio.gather(*(trial.add(call, f"{LINK}/{n}", service="2") for n in range(6)))
        for _ in range(12):
            leased = await trial.rows("SELECT order_id FROM polls WHERE lease_until > 0 OR due_at > 0")
            for row in leased:  # one by one: never more than one lock, so that nobody waits in a ring
                await trial.rows(f"UPDATE polls SET lease_until = 0, due_at = 0 WHERE order_id = {row['order_id']}")  # noqa: S608 - an id
            await asyncio.sleep(0.02)

        async def all_ended() -> bool:
            return set((await trial.states()).values()) == {"partial"}

        await until(all_ended)
        told = await house_status(b, call.key, [str(each["order"]) for each in orders])
        assert {(row["status"], row["remains"]) for row in told.values()} == {("Partial", "40")}
        # 0.20 a thousand at cost and no markup, a hundred pieces, sixty delivered.
        assert await balance(call) == 100 - 6 * Decimal("0.012")
    refunds = await trial.rows("SELECT order_id FROM transfers WHERE kind = 'refund'")
    assert len(refunds) == 6
    assert set((await trial.judge()).values()) == {"partial"}


async def house_status(house: House, key: str, orders: list[str]) -> dict[str, dict[str, str]]:
    """The statuses of several orders, asked of this replica."""
    told: dict[str, dict[str, str]] = await house.caller(key)("status", orders=",".join(orders))
    return told
