"""Rows G2, G4 and G5: providers that are switched off, and processes that are told to end under load."""

import asyncio
import json
import signal
import time
from decimal import Decimal

import httpx
import pytest

from tests.fault_proxy import Blackhole
from tests.matrix.served import Served, served
from tests.matrix.trial import Trial
from tests.world import balance, until

LINK = "https://social.example/g"
IN_FLIGHT = 200
CONNECTIONS = 50  # of one caller
# The machine may be busy: no row here is about how long anything takes, but for ends that come before a panel's word.
SECONDS_MAX = 60.0


async def test_g2_provider_that_is_switched_off_keeps_its_orders_and_gets_no_new_ones(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    """Orders it has are followed, canceled and paid back; new ones go elsewhere, also those that wait for it."""
    trial.a.panel.program.panel.pace = 1000.0
    async with trial.gateway() as house:
        call = await house.user()
        partial_one = await trial.add(call, LINK + "partial")
        canceled = await trial.add(call, LINK + "canceled")
    gone = trial.settings(without=["panel-a"], services={"1": {"routes": ["panel-b/2001"]}})
    async with trial.gateway(gone):
        assert "provider_missing" in capsys.readouterr().out
    settings = trial.settings(panels={"panel-a": {"enabled": False}})
    async with trial.gateway(settings) as house:
        later = house.caller(call.key)
        await trial.add(later, LINK + "new")
        assert "error" not in await later("cancel", order=canceled["order"])
        books = trial.a.panel.program.books
        books.force(books.orders(link=LINK + "partial")[0].id, status="Partial", remains=40, start_count=1)

        async def followed() -> bool:
            states = await trial.states()
            return (states[LINK + "partial"], states[LINK + "canceled"]) == ("partial", "canceled")

        await until(followed)
        assert (await later("status", order=partial_one["order"]))["remains"] == "40"
        # Sixty of a hundred at the first panel's price, and the new one at the second's, 0.85 and half as much again.
        assert await balance(later) == 100 - Decimal("0.081") - Decimal("0.1275")
    assert (await trial.judge(settings))[LINK + "new"] == "completed"
    assert (trial.a.panel.heard("add"), trial.b.placed()) == (2, [LINK + "new"])


async def under_load(trial: Trial, running: Served, key: str) -> list[asyncio.Task[object]]:
    """Many adds on their way to a panel that has taken them and says nothing until the trial heals its line."""
    trial.a.proxy.down(Blackhole())
    calls = [running.caller(key) for _ in range(IN_FLIGHT // CONNECTIONS)]
    for call in calls:
        call.http.timeout = 2 * SECONDS_MAX
    adding = [asyncio.create_task(trial.add(calls[n // CONNECTIONS], f"{LINK}/{n}")) for n in range(IN_FLIGHT)]

    async def all_in_flight() -> bool:
        return list((await trial.states()).values()).count("placing") == IN_FLIGHT

    await until(all_in_flight, seconds=SECONDS_MAX)
    return adding


# As many at once as there are adds, and a panel may take its time.
LOAD = {"panel-a": {"concurrency": IN_FLIGHT, "timeouts": {"connect": 60, "total": 120}}}


async def test_g4_told_to_end_under_load_it_takes_no_more_finishes_and_ends_well(trial: Trial) -> None:
    """Not ready at once, no new connection, everybody in flight is answered with an id that exists, exit code 0."""
    async with trial.gateway() as house:
        key = (await house.user()).key
    trial.settings(panels=LOAD)
    async with served(trial.environ(drain_seconds="60", answer_within="30"), trial.folder) as running:
        await running.ready()
        adding = await under_load(trial, running, key)
        running.signal(signal.SIGTERM)
        await until(lambda: refuses(running))
        assert await not_ready(running)
        trial.a.proxy.heal()
        answers = await asyncio.gather(*adding)
        assert all("order" in answer for answer in answers)  # type: ignore[operator] # each is a reply
        assert await running.ended(SECONDS_MAX) == 0
        ended = [line for line in running.log.read_text().splitlines() if '"stopped"' in line]
        assert json.loads(ended[0])["left"] == 0
    assert set((await trial.judge()).values()) == {"completed"}
    assert len(trial.a.placed()) == IN_FLIGHT


async def test_g4_what_a_slow_panel_leaves_open_is_settled_by_the_next_process(trial: Trial) -> None:
    """A panel that takes two minutes: the end comes in its time all the same, and every id that was told exists."""
    async with trial.gateway() as house:
        key = (await house.user()).key
    trial.settings(panels=LOAD)
    async with served(trial.environ(drain_seconds="1", answer_within="0.3"), trial.folder) as running:
        await running.ready()
        adding = await under_load(trial, running, key)
        answers = await asyncio.gather(*adding)
        assert all("order" in answer for answer in answers)  # type: ignore[operator] # each is a reply
        told = time.monotonic()
        running.signal(signal.SIGTERM)
        assert await running.ended(SECONDS_MAX) == 0
        assert time.monotonic() - told < SECONDS_MAX
        ended = [line for line in running.log.read_text().splitlines() if '"stopped"' in line]
        assert json.loads(ended[0])["left"] >= IN_FLIGHT
    states = await trial.judge()
    assert len(states) == IN_FLIGHT
    assert set(states.values()) <= {"completed", "unknown"}


async def test_g4_what_it_was_asking_about_is_asked_about_by_the_next_at_once(trial: Trial) -> None:
    """Told to end while a panel thinks about statuses, it hands back what it had claimed; a lease would be a minute."""
    trial.a.panel.program.panel.pace = 1000.0
    async with trial.gateway() as house:
        await trial.add(await house.user(), LINK + "asked")
        trial.a.panel.switch("latency", "5000", action="status")

        async def asking() -> bool:
            return any(row["lease_until"] > trial.clock() for row in await trial.rows("SELECT lease_until FROM polls"))

        await until(asking)
    assert await trial.rows("SELECT lease_until FROM polls") == [{"lease_until": 0}]
    trial.a.panel.program.switches.clear()
    trial.a.panel.program.panel.pace = 0.001
    async with trial.gateway():

        async def followed() -> bool:
            return await trial.state(LINK + "asked") == "completed"

        await until(followed)
    await trial.judge()


async def test_g4_refill_it_was_asking_about_is_asked_about_by_the_next_at_once(trial: Trial) -> None:
    """As an order: the next process hears of it with its first look, not when a lease of a minute has run out."""
    leases = "SELECT lease_until FROM refills WHERE state = 'open'"
    async with trial.gateway() as house:
        call = await house.user()
        order = await trial.add(call, LINK + "refilled")

        async def refilled() -> bool:
            return "refill" in await call("refill", order=order["order"])

        await until(refilled)
        trial.a.panel.switch("latency", "5000", action="refill_status")

        async def asking() -> bool:
            return any(row["lease_until"] > trial.clock() for row in await trial.rows(leases))

        await until(asking)
    assert await trial.rows(leases) == [{"lease_until": 0}]
    trial.a.panel.program.switches.clear()
    async with trial.gateway() as house:
        later = house.caller(call.key)

        async def followed() -> bool:
            said: dict[str, str] = await later("refill_status", order=order["order"])
            return said["status"] == "Completed"

        await until(followed)
    await trial.judge()


async def test_g5_second_signal_during_the_drain_is_a_kill_and_loses_nothing(trial: Trial) -> None:
    """Ended at once, in the middle of everything: what was in flight is in doubt, and no wish is at two panels."""
    async with trial.gateway() as house:
        key = (await house.user()).key
    trial.settings(panels=LOAD)
    async with served(trial.environ(drain_seconds="60"), trial.folder) as running:
        await running.ready()
        adding = await under_load(trial, running, key)
        running.signal(signal.SIGTERM)
        await until(lambda: refuses(running))
        running.signal(signal.SIGTERM)
        assert await running.ended(SECONDS_MAX) == -signal.SIGTERM
        answers = await asyncio.gather(*adding, return_exceptions=True)
        assert all(isinstance(answer, httpx.TransportError) or "order" in answer for answer in answers)  # type: ignore[operator] # each is a reply
    states = await trial.judge()
    assert len(states) == IN_FLIGHT
    assert set(states.values()) <= {"completed", "unknown"}


async def refuses(running: Served) -> bool:
    """Whether it takes no more connections from users."""
    host, port = running.users.removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return True
    writer.close()
    return False


async def not_ready(running: Served) -> bool:
    """Whether it says that it takes no orders."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        answer = await http.get(f"{running.health}/ready")
    return answer.status_code == 503 and "on its way out" in answer.text
