"""Turns and pace: so many at once, so many a second, and nobody waits for ever."""

import asyncio
from decimal import Decimal

import pytest

from gateway.providers.limits import HOUSE, WAITING_MAX, Gate, NoTurn, Pacer

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


async def test_turns_go_round_the_users_who_wait() -> None:
    """Who has a hundred calls in the queue is dealt one turn for each one of somebody who came later."""
    gate = Gate(1, Pacer(FAST))
    served: list[int] = []

    async def call(user: int) -> None:
        async with gate.turn(user):
            served.append(user)
            await asyncio.sleep(0)

    async with gate.turn(1):
        crowd = [asyncio.create_task(call(1)) for _ in range(100)]
        await asyncio.sleep(0)
        late = [asyncio.create_task(call(user)) for user in (2, 3, 2)]
        await asyncio.sleep(0)
    await asyncio.gather(*crowd, *late)
    assert served[:6] == [1, 2, 3, 1, 2, 1]
    assert len(served) == 103


async def test_rate_is_waited_for_by_one_call_at_a_time() -> None:
    """A crowd that has slots enough and waits for the rate is still overtaken by somebody who has one call."""
    gate = Gate(1_000, Pacer(Decimal(50)))
    for _ in range(50):  # the burst
        await _pass(gate)
    served: list[int] = []

    async def call(user: int) -> None:
        async with gate.turn(user):
            served.append(user)

    crowd = [asyncio.create_task(call(1)) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.gather(call(2), *crowd)
    assert served.index(2) <= 2


async def test_full_queue_makes_room_for_who_has_less_in_it() -> None:
    """Its last call goes; nobody is put out for somebody who has as many."""
    gate = Gate(1, Pacer(FAST))
    async with gate.turn():
        crowd = [asyncio.create_task(_pass(gate, 1)) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        other = asyncio.create_task(_pass(gate, 2))
        await asyncio.sleep(0.01)
        assert [number for number, task in enumerate(crowd) if task.done()] == [WAITING_MAX - 1]
        with pytest.raises(NoTurn, match="others have fewer"):
            await crowd[-1]
        with pytest.raises(NoTurn, match="1000 calls are waiting already"):
            await _pass(gate, 1)
    await asyncio.gather(other, *crowd[:-1])


async def test_turn_that_comes_as_its_call_is_cancelled_goes_to_the_next() -> None:
    """Whichever of the two happens first, the slot is not lost, nor the right to wait for the rate."""
    for moment in range(6):
        gate = Gate(1, Pacer(FAST))
        held = asyncio.Event()

        async def hold(gate: Gate, until: asyncio.Event) -> None:
            async with gate.turn(3):
                await until.wait()

        first = asyncio.create_task(hold(gate, held))
        await asyncio.sleep(0)
        waiting, behind = asyncio.create_task(_pass(gate, 1)), asyncio.create_task(_pass(gate, 2))
        await asyncio.sleep(0)
        held.set()
        for _ in range(moment):
            await asyncio.sleep(0)
        waiting.cancel()
        async with asyncio.timeout(1):
            await asyncio.wait({first, waiting})
            await behind
            await _pass(gate)


async def _pass(gate: Gate, user: int = HOUSE) -> None:
    async with gate.turn(user):
        pass
