"""Row G6: two versions at once, the next one being this code with a migration more, as a program of its own."""

import signal
import subprocess
import sys
from pathlib import Path

from gateway.store.migrate import load_migrations
from tests.matrix.served import served
from tests.matrix.trial import Trial
from tests.matrix.versions import ADDS, CHANGES, a_key, next_version, roll

NEWEST = load_migrations("sqlite")[-1].number


async def test_g6_versions_share_the_books_through_a_rolling_upgrade(trial: Trial) -> None:
    """The new one migrates beside the old one, no order fails; an old one may be started once more beside it."""
    code = next_version(trial.folder, ADDS.format(from_number=NEWEST), number=NEWEST + 1)
    await roll(trial, key=await a_key(trial), codes=(None, code), again=True)
    (row,) = await trial.rows("SELECT MAX(number) AS newest FROM schema_migrations")
    assert row["newest"] == NEWEST + 1
    states = await trial.judge()  # by this version, on the schema of the next
    assert len(states) == 1 + 3 + 6 + 1 + 2


async def test_g6_change_the_old_one_would_trip_over_waits_until_it_is_gone(small_trial: Trial) -> None:
    """Refused in words while a process of the version before lives; then it runs, and that version is refused."""
    trial = small_trial
    key = await a_key(trial)
    code = next_version(trial.folder, CHANGES, number=NEWEST + 1)
    async with served(trial.environ(), trial.folder) as old:
        await old.ready()
        said = command(trial, "migrate", code=code)
        assert said.returncode == 1
        assert f"migration {NEWEST + 1:04d}_later is not for running processes of the version before" in said.stderr
        assert "order" in await trial.add(old.caller(key), "https://social.example/still")
        old.signal(signal.SIGTERM)
        assert await old.ended() == 0
    await trial.judge()
    assert "1 migration ran" in command(trial, "migrate", code=code).stdout
    said = command(trial, "migrate", code=None)
    assert said.returncode == 1
    assert f"migration {NEWEST + 1:04d}, which this program does not know" in said.stderr


def command(trial: Trial, *words: str, code: Path | None) -> subprocess.CompletedProcess[str]:
    """What a command of a version says."""
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=code,
        env={"PATH": "/usr/bin:/bin", **trial.environ()},
    )
