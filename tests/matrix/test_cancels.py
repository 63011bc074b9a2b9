"""Row G2: a cancel that is owed when its process is killed is told by the next one, and never more often than twice."""

import asyncio
import signal
from typing import Final

import httpx
import pytest

from tests.gateway_process import Caller
from tests.matrix.killed import killed_at
from tests.matrix.served import served
from tests.matrix.trial import Trial
from tests.world import until

LINK: Final = "https://social.example/unwanted"
# In the books, and not a byte sent; counted, and not a byte sent; heard by the panel, and nobody heard its answer.
OWED: Final = (("after", "cancel_owe"), ("after", "COMMIT"))
COUNTED: Final = (("before", "TOLD"),)
HEARD: Final = (("after", "TOLD"),)
ANOTHER_MINUTE: Final = 60.0
AGAIN_SECONDS: Final = 5 * 60.0


@pytest.mark.parametrize(
    ("way", "heard_before", "ends"),
    [(OWED, 0, (1, "taken")), (COUNTED, 0, (2, "taken")), (HEARD, 1, (1, "dropped"))],
    ids=["owed", "counted", "heard"],
)
async def test_g2_cancel_whose_process_was_killed_is_told_by_the_next_one(
    trial: Trial, way: tuple[tuple[str, str], ...], heard_before: int, ends: tuple[int, str]
) -> None:
    """At once where nobody had begun to tell; else after five minutes, unless the order turns out canceled by then."""
    panel = trial.a.panel
    panel.program.panel.pace = 1000.0
    key = await user(trial)
    trial.settings()
    environ = {**trial.environ(), **killed_at(way, trial.folder)}
    async with served(environ, trial.folder) as running:
        await running.ready()
        call = running.caller(key)
        number = (await trial.add(call, LINK))["order"]
        await asked(call, number)
        assert await running.ended() == -signal.SIGKILL
    assert panel.heard("cancel") == heard_before
    async with trial.gateway() as house:
        if way == COUNTED:
            trial.ahead += ANOTHER_MINUTE
            await asyncio.sleep(1.0)
            assert panel.heard("cancel") == 0
            trial.ahead += AGAIN_SECONDS
            await until(lambda: canceled_in_time(trial))
        await until(lambda: canceled(trial))
        assert (await house.caller(key)("status", order=number))["status"] == "Canceled"
        trial.ahead += 2 * AGAIN_SECONDS
        await until(lambda: told(trial, *ends))
        assert panel.heard("cancel") == 1
    assert await trial.judge() == {LINK: "canceled"}


async def test_g2_panel_that_says_nothing_is_told_of_a_cancel_twice_and_not_again(trial: Trial) -> None:
    """Five minutes apart; whether it heard is for a later status to say."""
    trial.a.panel.program.panel.pace = 1000.0
    trial.a.panel.switch("close", action="cancel", processed=False)
    async with trial.gateway() as house:
        call = await house.user()
        number = (await trial.add(call, LINK))["order"]
        assert "success" in await call("cancel", order=number)
        await until(lambda: heard(trial, 1))
        for times in (1, 2, 2):
            trial.ahead += ANOTHER_MINUTE
            await asyncio.sleep(0.7)
            trial.ahead += AGAIN_SECONDS - 2 * ANOTHER_MINUTE
            await asyncio.sleep(0.7)
            assert trial.a.panel.heard("cancel") == times
            trial.ahead += 2 * ANOTHER_MINUTE
            await until(lambda: heard(trial, 2))
        assert await told(trial, 2, None)
    assert await trial.judge() == {LINK: "completed"}


async def test_g2_cancel_wished_before_the_panel_took_it_outlives_the_process_that_learnt_it(trial: Trial) -> None:
    """Asked for while the order was being sent; the process dies as its books have the acceptance."""
    panel = trial.a.panel
    panel.program.panel.pace = 1000.0
    panel.switch("latency", "3000", action="add")
    key = await user(trial)
    trial.settings()
    environ = {**trial.environ(answer_within="0.3"), **killed_at(OWED, trial.folder)}
    async with served(environ, trial.folder) as running:
        await running.ready()
        call = running.caller(key)
        number = (await trial.add(call, LINK))["order"]
        assert "success" in await call("cancel", order=number)
        assert await trial.state(LINK) == "placing"
        assert await running.ended() == -signal.SIGKILL
    assert (panel.heard("add"), panel.heard("cancel")) == (1, 0)
    assert await trial.state(LINK) == "active"
    async with trial.gateway():
        await until(lambda: canceled(trial))
        assert panel.heard("cancel") == 1
    kinds = [
        row["kind"]
        for row in await trial.rows("SELECT kind FROM events WHERE kind LIKE 'order.cancel?_%' ESCAPE '?' ORDER BY id")
    ]
    assert kinds == ["order.cancel_asked", "order.cancel_owed", "order.cancel_told"]
    assert await trial.judge() == {LINK: "canceled"}


async def test_g2_panel_that_cannot_be_reached_is_told_of_the_cancel_when_it_is_back(trial: Trial) -> None:
    """Nothing left, so nothing is doubtful: it is tried until it gets there, then once."""
    trial.a.panel.program.panel.pace = 1000.0
    async with trial.gateway() as house:
        call = await house.user()
        number = (await trial.add(call, LINK))["order"]
        trial.a.proxy.refuse()
        assert "success" in await call("cancel", order=number)
        await until(lambda: due_later(trial))
        assert trial.a.panel.heard("cancel") == 0
        trial.a.proxy.heal()
        trial.ahead += 2 * ANOTHER_MINUTE
        await until(lambda: canceled(trial))
    assert trial.a.panel.heard("cancel") == 1
    assert await trial.judge() == {LINK: "canceled"}


async def user(trial: Trial) -> str:
    """The key of a user with money, from a gateway that came before."""
    async with trial.gateway() as house:
        return (await house.user()).key


async def asked(call: Caller, number: object) -> None:
    """Ask for a cancel of a process that may die of it."""
    try:
        await call("cancel", order=str(number))
    except httpx.TransportError:
        return


async def canceled_in_time(trial: Trial) -> bool:
    """The same, while time passes: a poll under way when the panel was told puts the next off by the order's pace."""
    trial.ahead += 1
    return await canceled(trial)


async def canceled(trial: Trial) -> bool:
    """Whether the order is canceled."""
    return await trial.state(LINK) == "canceled"


async def heard(trial: Trial, times: int) -> bool:
    """Whether the panel heard of it so often."""
    return trial.a.panel.heard("cancel") == times


async def told(trial: Trial, sends: int, answer: str | None) -> bool:
    """Whether the panel was told so often in the books' count, with this for an end, and is told no more."""
    rows = await trial.rows("SELECT sends, due_at, answer FROM cancels")
    return [(row["sends"], row["due_at"], row["answer"]) for row in rows] == [(sends, None, answer)]


async def due_later(trial: Trial) -> bool:
    """Whether the panel was tried in vain, and is tried again later."""
    rows = await trial.rows("SELECT sends, due_at, created_at FROM cancels")
    return bool(rows) and rows[0]["sends"] == 0 and rows[0]["due_at"] > rows[0]["created_at"]
