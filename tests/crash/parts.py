"""A sweep in parts side by side: most of a world is waiting, so a machine has time for several at once."""

import signal
import time
from functools import partial
from pathlib import Path

import msgspec

from tests.crash.harness import Tally, databases, record_points, sweep_run
from tests.crash.processes import Child

# What a part counts for itself and the whole is the sum of.
_COUNTED = (
    *("worlds", "lives", "kills", "at_points", "orders", "upstream", "unknown", "resolved", "seconds", "children"),
    *("limited", "meddled", "pairs"),
)


def sweep_in_parts(tally: Tally, jobs: int, state: Path, *, few: int | None = None) -> list[str]:
    """Each point with each fault of an `add`, by so many processes; answers the points that no life reached.

    The points are recorded once, into `state`; part n keeps its own tally beside it, in `state` with `.n`, so that what
    was ended goes on where it was, with as many jobs as before.
    """
    if not tally.points:
        with databases(tally.database) as bases:
            record_points(bases, tally, few=few)
        state.write_bytes(msgspec.json.encode(tally))
    parts = [_part(tally, state, number, jobs) for number in range(jobs)]
    running = [Child(partial(_sweep, part, file, few)) for part, file in parts]
    try:
        while any(child.poll() is None for child in running):
            time.sleep(0.2)
    finally:
        ends = [child.end(signal.SIGTERM, seconds=5) for child in running]
    done = [msgspec.json.decode(file.read_bytes(), type=Tally) for _, file in parts if file.exists()]
    for name in _COUNTED:
        setattr(tally, name, sum(getattr(each, name) for each in done))
    tally.reached = sorted({point for each in done for point in each.reached})
    tally.violations += [violation for each in done for violation in each.violations]
    if not tally.violations:
        tally.violations += [f"part {n + 1} ended with {end}" for n, end in enumerate(ends) if end.killed or end.code]
    return sorted(set(tally.points) - set(tally.reached))


def _part(tally: Tally, state: Path, number: int, jobs: int) -> tuple[Tally, Path]:
    """The tally of a part, new or as it was left, and its file; raises ValueError where that is of other jobs."""
    file = state.with_name(f"{state.name}.{number}")
    if not file.exists():
        return Tally(seed=tally.seed, database=tally.database, points=tally.points, part=(number, jobs)), file
    kept = msgspec.json.decode(file.read_bytes(), type=Tally)
    if kept.part != (number, jobs) or kept.points != tally.points:
        raise ValueError(f"{file} is part {kept.part} of another sweep: go on with as many jobs as it was begun with")
    kept.violations = []  # the world with them comes again, and whatever is wrong still shows
    return kept, file


def _sweep(part: Tally, file: Path, few: int | None) -> None:
    with databases(part.database) as bases:
        sweep_run(bases, part, few=few, state=file)
