"""Turns and pace: so many at once, so many a second, and nobody waits for ever."""

import asyncio
from decimal import Decimal

import pytest

from gateway.providers.limits import WAITING_MAX, Gate, NoTurn, Pacer

FAST = Decimal(100_000)


async def test_no_more_run_at_once_than_there_are_slots() -> None:
    """And each slot is given back, also by a call that fails."""
    gate = Gate(2, Pacer(FAST))
    running, most = 0, 0

    async def call(number: int) -> None:
        nonlocal running, most
        async with gate.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.002)
            running -= 1
            if number % 2:
                raise OSError

    await asyncio.gather(*(call(number) for number in range(20)), return_exceptions=True)
    assert (running, most) == (0, 2)


async def test_slot_is_waited_for_only_so_long() -> None:
    """Then the call is not sent, and the slot is still good for the next one."""
    gate = Gate(1, Pacer(FAST), wait_max=0.02)
    async with gate.turn():
        with pytest.raises(NoTurn, match=r"no free slot within 0\.02 s"):
            async with gate.turn():
                pytest.fail("two at once")
    async with gate.turn():
        pass


async def test_queue_has_an_end() -> None:
    """Who would come too late anyway is turned away at once."""
    gate = Gate(1, Pacer(FAST))

    async def wait() -> None:
        async with gate.turn():
            pass

    async with gate.turn():
        waiting = [asyncio.create_task(wait()) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(NoTurn, match="1000 calls are waiting already"):
            await wait()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await wait()


async def test_call_that_is_cancelled_while_it_waits_gives_its_place_back() -> None:
    """Neither its slot nor its place in the queue is lost."""
    gate = Gate(1, Pacer(FAST))
    for moment in range(6):
        async with gate.turn():
            waiting = asyncio.create_task(_pass(gate))
            for _ in range(moment):
                await asyncio.sleep(0)
            waiting.cancel()
        await asyncio.wait({waiting})
    async with asyncio.timeout(1):
        await _pass(gate)


async def test_pace_is_kept_after_a_burst() -> None:
    """A quiet second's worth at once, then one by one."""
    pacer = Pacer(Decimal(100))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(100):
        await pacer.pace()
    burst = loop.time() - began
    for _ in range(10):
        await pacer.pace()
    assert burst < 0.1
    assert 0.05 < loop.time() - began < 0.5


@pytest.mark.parametrize("rate", ["0.5", "0.01"])
async def test_slow_pace_lets_the_first_call_through_at_once(rate: str) -> None:
    """A provider that wants one call in 100 seconds still gets it."""
    async with asyncio.timeout(0.5):
        await Pacer(Decimal(rate)).pace()


async def test_pace_that_is_too_slow_turns_the_next_call_away() -> None:
    """Nobody waits 100 seconds; the call that was turned away takes nobody's turn."""
    pacer = Pacer(Decimal("0.01"))
    await pacer.pace()
    for _ in range(3):
        with pytest.raises(NoTurn, match=r"the rate allows the next call in (99|100) s"):
            await pacer.pace()


async def test_slot_is_given_back_where_the_pace_turns_a_call_away() -> None:
    """Or a slow provider would lose all of them."""
    gate = Gate(1, Pacer(Decimal("0.01")), wait_max=0.05)
    await _pass(gate)
    for _ in range(3):
        with pytest.raises(NoTurn, match="the rate"):
            await _pass(gate)


async def _pass(gate: Gate) -> None:
    async with gate.turn():
        pass
