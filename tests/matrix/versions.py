"""Two versions of the gateway at once on one database: the code of the next one, and what both have to bear."""

import asyncio
import json
import shutil
import signal
from pathlib import Path
from typing import Final

import gateway
from tests.matrix.served import Served, served
from tests.matrix.trial import Trial

LINK = "https://social.example/roll"
# What a release may do to the schema while the one before serves: tables, columns, indexes; on the tables every
# statement of ours reads and writes, whose prepared statements have to bear it.
ADDS: Final = """-- What the next version wants besides.
-- Programs from {from_number:04d} on work with it.
ALTER TABLE orders ADD COLUMN later_note TEXT;
ALTER TABLE orders ADD COLUMN later_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN later_note TEXT;
ALTER TABLE polls ADD COLUMN later_note TEXT;
ALTER TABLE events ADD COLUMN later_note TEXT;
ALTER TABLE users ADD COLUMN later_note TEXT;
ALTER TABLE accounts ADD COLUMN later_note TEXT;
ALTER TABLE owners ADD COLUMN later_note TEXT;
CREATE TABLE laters(id {{ID}}, order_id BIGINT REFERENCES orders(id));
CREATE INDEX orders_later ON orders(later_count) WHERE later_count > 0;
"""
CHANGES: Final = """-- What the version before would trip over.
ALTER TABLE polls RENAME COLUMN misses TO later_misses;
"""


def next_version(folder: Path, text: str, *, number: int) -> Path:
    """The folder of this code with one more migration."""
    code = folder / f"version-{number}"
    source = Path(gateway.__file__).parent
    shutil.copytree(source, code / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    (code / "gateway/store/sql/migrations" / f"{number:04d}_later.sql").write_text(text, encoding="utf-8")
    return code


async def a_key(trial: Trial) -> str:
    """A user's key, in books of this version's schema."""
    async with trial.gateway() as house:
        made = (await house.user()).key
    trial.settings()
    return made


async def roll(trial: Trial, *, key: str, codes: tuple[Path | None, Path | None], again: bool) -> None:
    """Old serves, new starts beside it and migrates, both trade; then old ends, is started `again`, and ends for good.

    No order may fail at any moment. The caller judges the trial.
    """
    old_code, new_code = codes
    environ = trial.environ()
    async with served(environ, trial.folder, name="old", code=old_code) as old:
        await old.ready()
        await trade(trial, old, key, "before")
        async with served(environ, trial.folder, name="new", code=new_code) as new:
            # Orders go on while the schema changes under the old process.
            await asyncio.gather(new.ready(), *(trade(trial, old, key, f"meanwhile/{n}") for n in range(3)))
            await asyncio.gather(
                *(trade(trial, one, key, f"{one.log.stem}/{n}") for one in (old, new) for n in range(3))
            )
            old.signal(signal.SIGTERM)
            assert await old.ended() == 0
            await trade(trial, new, key, "after")
            if again:
                async with served(environ, trial.folder, name="again", code=old_code) as back:
                    await back.ready()
                    await asyncio.gather(trade(trial, back, key, "back"), trade(trial, new, key, "beside"))
                    back.signal(signal.SIGTERM)
                    assert await back.ended() == 0
            new.signal(signal.SIGTERM)
            assert await new.ended() == 0
    for log in trial.folder.glob("*.log"):
        said = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        wrong = [each for each in said if each["level"] in ("error", "critical")]
        # The panels of a trial name their currencies otherwise than its settings.
        assert [each for each in wrong if each["event"] != "currency_differs"] == []


async def trade(trial: Trial, at: Served, key: str, what: str) -> None:
    """An order and what follows of it: statuses, a cancel, a refill, the balance."""
    call = at.caller(key)
    answer = await trial.add(call, f"{LINK}/{what}")
    assert "order" in answer, answer
    assert "error" not in await call("status", order=answer["order"])
    await call("cancel", order=answer["order"])
    await call("refill", order=answer["order"])
    assert "balance" in await call("balance")
