"""Rows U16, U17, U18 and U23: panels that refuse, that refuse and do it all the same, or that are throttled."""

import asyncio
from decimal import Decimal

import pytest

from tests.matrix.trial import SHORT, Trial
from tests.world import balance, until

LINK = "https://social.example/r"
# Beyond every hold and every service switched off after a refusal.
FORGIVEN_SECONDS = 1000.0

NEXT_ROUTE = (
    "Invalid API key",
    "Not enough funds on balance",
    "Incorrect service ID",
    "Too many requests",
    "You have active order with this link. Please wait until order being completed.",
    "Incorrect request",
)
USERS_OWN = {
    "Bad link, dear panel-a-key": "Incorrect link",
    "Quantity less than minimal 200": "Incorrect quantity",
    "Incorrect hashtag": "Incorrect hashtag",
}


async def test_u16_clear_refusal_is_the_next_panels_or_the_users_own(trial: Trial) -> None:
    """Not the user's fault: the next route, at the same charge. The user's: nobody else is asked, the money is back."""
    async with trial.gateway() as house:
        call = await house.user()
        for number, text in enumerate(NEXT_ROUTE):
            trial.a.panel.switch("error", text, action="add", processed=False, times=1)
            placed = await trial.add(call, f"{LINK}/next/{number}")
            assert list(placed) == ["order"], (text, placed)
            trial.ahead += FORGIVEN_SECONDS
        assert await balance(call) == 100 - len(NEXT_ROUTE) * Decimal("0.135")
        asked = trial.b.panel.heard("add")
        assert asked == len(NEXT_ROUTE)
        for number, (text, told) in enumerate(USERS_OWN.items()):
            trial.a.panel.switch("error", text, action="add", processed=False, times=1)
            assert await trial.add(call, f"{LINK}/own/{number}") == {"error": told}
        assert trial.b.panel.heard("add") == asked
        trial.a.panel.switch("error", NEXT_ROUTE[1], action="add", processed=False, times=1)
        lonely = await trial.add(call, f"{LINK}/lonely", service="2")
        assert lonely == {"error": "Service temporarily unavailable"}
        assert await balance(call) == 100 - len(NEXT_ROUTE) * Decimal("0.135")
    states = await trial.judge()
    assert [state for link, state in states.items() if "/next/" in link] == ["completed"] * len(NEXT_ROUTE)
    assert [state for link, state in states.items() if "/next/" not in link] == ["failed"] * (len(USERS_OWN) + 1)
    assert trial.a.placed() == []


@pytest.mark.parametrize("words", ['200 {"error":"timed out"}', '400 {"error":"Something went wrong"}'])
async def test_u17_lying_refusal_is_in_doubt_and_never_sent_again(trial: Trial, words: str) -> None:
    """An error that smells of time, and the order comes into being afterwards: one order, held, asked of one."""
    async with trial.gateway() as house:
        call = await house.user()
        trial.a.panel.switch("late", "600", action="add", times=1)
        trial.a.panel.switch("status", words, action="add", times=1)
        placed = await trial.add(call, LINK)
        assert (await call("status", order=placed["order"]))["status"] == "Pending"
        assert trial.a.placed() == []
        await until(lambda: _there(trial))
        await asyncio.sleep(0.3)
        assert await balance(call) == Decimal("99.865")
    assert await trial.judge() == {LINK: "unknown"}
    assert trial.heard() == 1


async def test_u18_order_that_appears_long_after_our_deadline_is_not_sent_again(small_trial: Trial) -> None:
    """Silence up to our deadline, and the order appears later: still one call, still held."""
    trial = small_trial
    async with trial.gateway(trial.settings(panels=SHORT)) as house:
        call = await house.user()
        trial.a.panel.switch("late", "1500", action="add", times=1)
        trial.a.panel.switch("silent", action="add", times=1)
        await trial.add(call, LINK)

        async def doubted() -> bool:
            return await trial.state(LINK) == "unknown"

        await until(doubted)
        assert trial.a.placed() == []
        await until(lambda: _there(trial))
    assert await trial.judge() == {LINK: "unknown"}
    assert trial.heard() == 1


async def _there(trial: Trial) -> bool:
    return bool(trial.a.placed())


@pytest.mark.parametrize(
    ("wait", "seconds"), [("1", 1), ("120", 120), ("1000000000", 15 * 60), ("soon", 10), ("-5", 10), ("", 1)]
)
async def test_u23_throttled_panel_is_left_alone_as_long_as_it_asks(
    small_trial: Trial, wait: str, seconds: int
) -> None:
    """HTTP 429: the next route at once; the panel is asked again when it said so, within a quarter of an hour (Q78)."""
    trial = small_trial
    async with trial.gateway() as house:
        call, desk = await house.user(), house.gateway.desk
        trial.a.panel.switch("throttled", wait, action="add", processed=False, times=1)
        began = trial.clock()
        await trial.add(call, LINK + "1")
        over = desk.conditions.held_until("panel-a")
        assert began + seconds * 1000 <= over <= trial.clock() + seconds * 1000
        if seconds >= 10:  # Otherwise a busy machine may have slept through it.
            trial.ahead += seconds - 5
            assert desk.condition("panel-a").held == "throttled"
            await trial.add(call, LINK + "2")
        trial.ahead += 10
        assert desk.condition("panel-a").held is None
        await trial.add(call, LINK + "3")
    assert set((await trial.judge()).values()) == {"completed"}
    second = [LINK + "2"] if seconds >= 10 else []
    assert (trial.a.placed(), trial.b.placed()) == ([LINK + "3"], [LINK + "1", *second])
