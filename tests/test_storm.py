"""A small storm of cancelled and timed-out calls leaves every slot usable; `make storm` runs one of ten thousand."""

from tests.storm import storm

CALLS = 600


async def test_storm_leaves_every_slot_usable() -> None:
    """No slot, no task and no socket is lost, whatever moment a call was cancelled at."""
    report = await storm(CALLS, seed=1)
    assert report.clean, report
    assert report.ends["cancelled"] > CALLS / 3
    assert report.ends["Accepted"] > 0
    assert report.ends["Unknown"] > 0
