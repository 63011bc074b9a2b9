"""Rows U1 to U4 and U24: panels that cannot be reached; nothing was sent, so the next route may follow at once."""

import asyncio
import time
from decimal import Decimal

from tests.matrix.trial import SHORT, Trial
from tests.world import balance, status_of, until

LINK = "https://social.example/u"


async def test_u1_refused_connection_goes_to_the_next_route_at_once(trial: Trial) -> None:
    """A closed port: the second panel has the order within a second, charged once."""
    async with trial.gateway() as house:
        call = await house.user()
        trial.a.proxy.refuse()
        began = time.monotonic()
        placed = await trial.add(call, LINK)
        assert time.monotonic() - began < 1.0
        await status_of(call, placed["order"], "Completed")
        assert await balance(call) == Decimal("99.865")
    assert await trial.judge() == {LINK: "completed"}
    assert (trial.a.placed(), trial.b.placed()) == ([], [LINK])


async def test_u2_unanswered_connection_goes_to_the_next_route_after_its_time(small_trial: Trial) -> None:
    """A full backlog: given up after the connect timeout, then the second panel."""
    trial = small_trial
    async with trial.gateway(trial.settings(panels=SHORT)) as house:
        call = await house.user()
        trial.a.proxy.ignore()
        placed = await trial.add(call, LINK)
        await status_of(call, placed["order"], "Completed")
        assert await balance(call) == Decimal("99.865")
    (first, second) = await trial.rows("SELECT state, created_at, resolved_at FROM attempts ORDER BY n")
    assert (first["state"], second["state"]) == ("not_sent", "accepted")
    assert 450 <= first["resolved_at"] - first["created_at"] < 3000
    assert await trial.judge() == {LINK: "completed"}
    assert (trial.a.placed(), trial.b.placed()) == ([], [LINK])


async def test_u24_orders_queue_while_nobody_can_be_reached_and_then_drain_at_the_panels_pace(
    small_trial: Trial,
) -> None:
    """Every panel down, sixteen orders: all have ids and wait as Pending; back, they go out no faster than allowed."""
    trial = small_trial
    slow = {"requests_per_second": 10, "concurrency": 4}
    settings = trial.settings(panels={"panel-a": slow, "panel-b": slow}, answer_within="0.1")
    async with trial.gateway(settings) as house:
        call = await house.user()
        trial.a.proxy.refuse()
        trial.b.proxy.refuse()
        links = [f"{LINK}/{n}" for n in range(16)]
        placed = await asyncio.gather(*(trial.add(call, link) for link in links))
        assert all("order" in answer for answer in placed)
        told = await call("status", orders=",".join(answer["order"] for answer in placed))
        assert {row["status"] for row in told.values()} == {"Pending"}
        assert await balance(call) == 100 - 16 * Decimal("0.135")
        trial.a.proxy.accept()
        trial.b.proxy.accept()

        async def all_there() -> bool:
            return len(trial.a.placed() + trial.b.placed()) >= len(links)

        await until(all_there)
        for side in (trial.a, trial.b):
            times = sorted(order.created_at for order in side.panel.program.books.orders())
            # A burst of one second's worth, then a tenth of a second each; a busy machine may only make it slower.
            assert all(later - sooner > 200 for sooner, later in zip(times, times[13:], strict=False)), times
    assert set((await trial.judge()).values()) == {"completed"}
    assert sorted(trial.a.placed() + trial.b.placed()) == sorted(links)
