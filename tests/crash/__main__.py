"""`python -m tests.crash run|sweep|mutants`: what `make crash`, `make crash-sweep` and `make crash-mutants` start."""

import argparse
import gc
import random
import sys
import time
from pathlib import Path

import msgspec

from tests.crash import mutants
from tests.crash.harness import Tally, databases, never_passed, random_run, sweep_run
from tests.crash.kind import Kind
from tests.crash.mutants import MUTANTS, OF_TWO
from tests.crash.parts import sweep_in_parts

KINDS = ("sqlite", "postgresql")
# Kills in which a mutant has to be found. The rarest needs a take-over within milliseconds.
MUTANT_KILLS = 2_000


def main() -> int:
    """Run what is asked for; 1 when a violation was found or a mutant lives."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("what", choices=("run", "sweep", "mutants"))
    parser.add_argument("--kills", type=int, default=1_000, help="of a run")
    parser.add_argument("--database", choices=KINDS, help="sqlite if not said; a mutant runs where it shows")
    parser.add_argument("--seed", type=int, help="of an earlier run, to have it again")
    parser.add_argument("--world", type=int, help="only this world of the seed")
    parser.add_argument("--few", type=int, help="of a sweep: only so many pairs, spread evenly")
    parser.add_argument("--only", choices=sorted(MUTANTS), help="of the mutants")
    parser.add_argument("--state", type=Path, help="where a run keeps its tally, and goes on from")
    parser.add_argument("--jobs", type=int, default=1, help="of a sweep: how many parts side by side; wants --state")
    asked = parser.parse_args()
    gc.freeze()
    if asked.what == "mutants":
        return _mutants([asked.only] if asked.only else list(MUTANTS), asked.database)
    if asked.jobs > 1 and (asked.what != "sweep" or asked.state is None):
        parser.error("--jobs is of a sweep, and wants --state")
    asked.database = asked.database or "sqlite"
    tally = _tally(asked)
    again = f"make crash-sweep DB={asked.database}"
    if asked.jobs > 1:
        _tell_sweep(tally, sweep_in_parts(tally, asked.jobs, asked.state, few=asked.few))
    else:
        with databases(asked.database) as bases:
            if asked.what == "run":
                random_run(bases, tally, asked.kills, state=asked.state, only=asked.world)
                again = f"make crash DB={asked.database} SEED={tally.seed} WORLD="
            else:
                _tell_sweep(tally, sweep_run(bases, tally, few=asked.few, state=asked.state))
    for violation in tally.violations:
        print(f"VIOLATION {violation}")
    if tally.violations:
        world = tally.violations[0].partition(":")[0].removeprefix("world ")
        print(f"again: {again}{world if asked.what == 'run' else ''}")
    return int(bool(tally.violations))


def _tell_sweep(tally: Tally, missed: list[str]) -> None:
    print(
        f"{tally.pairs} pairs, {tally.at_points} of them died at their point, the others did not pass it; "
        f"{len(tally.points) - len(missed)} of {len(tally.points)} points had a death, without one: "
        f"{', '.join(missed) or 'none'}"
    )
    print(f"statements that write to the books and no life passes: {', '.join(never_passed(tally)) or 'none'}")


def _tally(asked: argparse.Namespace) -> Tally:
    """The tally of the state file, or a new one."""
    if asked.state is not None and asked.state.exists():
        kept = msgspec.json.decode(asked.state.read_bytes(), type=Tally)
        if asked.what == "sweep":
            kept.violations = []  # the world with them comes again, and whatever is wrong still shows
        if kept.database == asked.database and asked.seed in (None, kept.seed) and not kept.violations:
            print(f"going on with {asked.state}: {kept.kills} kills and {kept.pairs} pairs so far")
            return kept
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    return Tally(seed=seed, database=asked.database)


def _mutants(names: list[str], database: str | None) -> int:
    """Each mutant has to be found; answers how many were not."""
    alive, sown = [], 0
    for name in names:
        mutate = MUTANTS[name]
        kind = database or ("postgresql" if name in OF_TWO else "sqlite")
        if kind == "sqlite" and name in OF_TWO:
            print(f"{name}: is a bug of two gateways, and SQLite has one")
            continue
        of, sown = mutants.KINDS.get(name, Kind()), sown + 1
        tally = Tally(seed=1, database=kind)
        began = time.monotonic()
        with databases(kind) as bases:
            random_run(bases, tally, MUTANT_KILLS, state=None, mutate=mutate, kind=of)
        found = tally.violations[0].splitlines()[0][:160] if tally.violations else "NOT FOUND"
        print(f"{name}: after {tally.kills} kills, {time.monotonic() - began:.0f} s: {found}", flush=True)
        if not tally.violations:
            alive.append(name)
    print(f"{sown - len(alive)} of {sown} found")
    return len(alive)


if __name__ == "__main__":
    sys.exit(main())
