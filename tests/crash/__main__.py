"""`python -m tests.crash run|sweep|mutants`: what `make crash`, `make crash-sweep` and `make crash-mutants` start."""

import argparse
import gc
import random
import sys
import time
from pathlib import Path

import msgspec

from tests.crash.harness import Tally, databases, random_run, sweep_run
from tests.crash.mutants import MUTANTS, OF_TWO

KINDS = ("sqlite", "postgresql")
# Kills in which a mutant has to be found. The rarest needs a take-over within milliseconds.
MUTANT_KILLS = 2_000


def main() -> int:
    """Run what is asked for; 1 when a violation was found or a mutant lives."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("what", choices=("run", "sweep", "mutants"))
    parser.add_argument("--kills", type=int, default=1_000, help="of a run")
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--seed", type=int, help="of an earlier run, to have it again")
    parser.add_argument("--world", type=int, help="only this world of the seed")
    parser.add_argument("--few", type=int, help="of a sweep: only so many pairs, spread evenly")
    parser.add_argument("--only", choices=sorted(MUTANTS), help="of the mutants")
    parser.add_argument("--state", type=Path, help="where a run keeps its tally, and goes on from")
    asked = parser.parse_args()
    gc.freeze()
    if asked.what == "mutants":
        return _mutants([asked.only] if asked.only else list(MUTANTS))
    tally = _tally(asked)
    with databases(asked.database) as bases:
        if asked.what == "run":
            random_run(bases, tally, asked.kills, state=asked.state, only=asked.world)
            again = f"make crash DB={asked.database} SEED={tally.seed} WORLD="
        else:
            missed = sweep_run(bases, tally, few=asked.few, state=asked.state)
            again = f"make crash-sweep DB={asked.database}"
            print(f"{tally.at_points} deaths at their points; never reached: {', '.join(missed) or 'none'}")
    for violation in tally.violations:
        print(f"VIOLATION {violation}")
    if tally.violations:
        world = tally.violations[0].partition(":")[0].removeprefix("world ")
        print(f"again: {again}{world if asked.what == 'run' else ''}")
    return int(bool(tally.violations))


def _tally(asked: argparse.Namespace) -> Tally:
    """The tally of the state file, or a new one."""
    if asked.state is not None and asked.state.exists():
        kept = msgspec.json.decode(asked.state.read_bytes(), type=Tally)
        if kept.database == asked.database and asked.seed in (None, kept.seed) and not kept.violations:
            print(f"going on with {asked.state}: {kept.kills} kills so far")
            return kept
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    return Tally(seed=seed, database=asked.database)


def _mutants(names: list[str]) -> int:
    """Each mutant has to be found; answers how many were not."""
    alive = []
    for name in names:
        mutate = MUTANTS[name]
        kind = "postgresql" if name in OF_TWO else "sqlite"
        tally = Tally(seed=1, database=kind)
        began = time.monotonic()
        with databases(kind) as bases:
            random_run(bases, tally, MUTANT_KILLS, state=None, mutate=mutate)
        found = tally.violations[0].splitlines()[0][:160] if tally.violations else "NOT FOUND"
        print(f"{name}: after {tally.kills} kills, {time.monotonic() - began:.0f} s: {found}", flush=True)
        if not tally.violations:
            alive.append(name)
    print(f"{len(names) - len(alive)} of {len(names)} found")
    return len(alive)


if __name__ == "__main__":
    sys.exit(main())
