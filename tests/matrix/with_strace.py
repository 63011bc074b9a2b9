"""Rows D4, D5 and D6 with the kernel's own answers: `make faults-strace`, where the program is installed."""

import asyncio
from typing import Final

import pytest

from tests.matrix.served import served
from tests.matrix.trial import Trial

LINK: Final = "https://social.example/s"
# The program stays the gateway; strace is beside it, and tells nobody what it sees.
STRACE: Final = ["strace", "-D", "-f", "-qq", "-o", "/dev/null"]
SYNCS: Final = "fsync,fdatasync"
INJECTED: Final = {
    "d4_no_room_now_and_then": f"{SYNCS},pwrite64:error=ENOSPC:when=200+400",
    "d5_sync_fails_now_and_then": f"{SYNCS}:error=EIO:when=20+7",
    "d6_slow_disk": f"{SYNCS}:delay_enter=300000",
}


@pytest.mark.parametrize("row", INJECTED)
async def test_d4_d5_d6_faults_of_the_kernel_leave_the_books_sound(small_trial: Trial, row: str) -> None:
    """Under trade: every add is answered by an id or by 503, and the verdict over it all is clean."""
    trial = small_trial
    async with trial.gateway() as house:
        key = (await house.user()).key
    around = [*STRACE, "-e", f"trace={SYNCS},pwrite64", "-e", f"inject={INJECTED[row]}"]
    answers: list[int] = []
    async with served(trial.environ(answer_within="2"), trial.folder, around=around) as running:
        await running.ready()
        call = running.caller(key)

        async def add(n: int) -> None:
            fields = {"key": key, "action": "add", "service": "1", "link": f"{LINK}{n}", "quantity": "100"}
            answer = await call.post(fields)
            answers.append(answer.status_code)
            if answer.status_code == 200 and "order" in answer.json():
                trial.told(f"{LINK}{n}", answer.json()["order"])

        for begin in range(0, 60, 10):
            await asyncio.gather(*(add(n) for n in range(begin, begin + 10)))
    assert set(answers) <= {200, 503}
    # A full disk refuses a whole group of commands at once, so how many adds that meets is a matter of chance.
    assert answers.count(200) >= (1 if row.startswith("d4") else 20)
    states = await trial.judge()
    assert len(states) >= answers.count(200)
