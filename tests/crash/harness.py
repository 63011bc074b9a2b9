"""Runs: many worlds, each killed many times, judged, counted, and told on the terminal as they go."""

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.errors import TEXT_TOO_MANY_REQUESTS
from gateway.store.queries import load_statements
from tests.crash.kind import EDITS, Kind, draw_kind, every_kind
from tests.crash.plan import CALM_SECONDS, FAULTS, Death, Fault, Life, draw_life, meddled
from tests.crash.truth import judge, rows_of, unsettled
from tests.crash.world import PANELS, World
from tests.servers import PostgresServer

LIVES_A_WORLD: Final = 100
LIFE_SECONDS: Final = 0.5
GENTLE_SHARE: Final = 0.3  # of the worlds
SWEPT_A_WORLD: Final = 24  # lives between two judgements of a sweep
# The worlds a sweep goes through, each for the points that none before passes; in calm ones lives are long.
CALM: Final = "calm"
SWEPT_KINDS: Final = {"plain": Kind(meddled=True), "all": every_kind(), CALM: Kind(meddled=True)}
# What a user hears of at once, so that orders end with their money given back.
REFUSALS: Final = tuple(
    Fault(panel=panel, name="error", value="Incorrect link", action="add", processed=False, times=3) for panel in PANELS
)


# A point, and what the panels do wrong meanwhile.
Pair = tuple[str, tuple[str, str, bool] | None]


class Tally(msgspec.Struct):
    """What a run has done so far; kept in its state file."""

    seed: int
    database: str
    worlds: int = 0
    lives: int = 0
    kills: int = 0
    at_points: int = 0  # kills at a named moment, by the process itself
    orders: int = 0
    upstream: int = 0
    unknown: int = 0  # orders still in doubt at a judgement: nobody may guess them
    resolved: int = 0  # orders that were in doubt and are settled by evidence
    seconds: float = 0.0
    children: int = 0  # orders that panels made by themselves
    limited: int = 0  # adds that a user's limit stood in the way of
    meddled: int = 0  # edits of providers.yaml, and orders that a person settled
    points: dict[str, str] = {}  # of a sweep: each, and the kind of world in which it is passed
    pairs: int = 0  # of a sweep: how many are done
    part: tuple[int, int] = (0, 1)  # of a sweep: which share of the pairs, of how many
    reached: list[str] = []  # of a sweep: points at which somebody died
    violations: list[str] = []


class Databases:
    """Fresh databases of one kind."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self._folder = folder
        self._server = PostgresServer(folder) if kind == "postgresql" else None

    @contextmanager
    def fresh(self) -> Iterator[tuple[Path, str]]:
        """A folder and the address of an empty database, both gone afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        if self._server is None:
            yield folder, f"sqlite:///{folder}/books.db"
        else:
            url = self._server.create_database()
            yield folder, url
            self._server.drop_database(url)
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the server, if there is one."""
        if self._server is not None:
            self._server.stop()


@contextmanager
def databases(kind: str) -> Iterator[Databases]:
    """The databases of a run, in a folder that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-crash-"))
    made = Databases(kind, folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def run_world(
    bases: Databases, seed: str, lives: Iterator[Life] | Callable[[World], Iterator[Life]], tally: Tally,
    *, kind: Kind, mutate: Callable[[], None] | None = None,
) -> list[str]:  # fmt: skip
    """One world from its first life to its judgement; answers the faults found, and adds to the tally."""
    gateways = 2 if bases.kind == "postgresql" else 1
    with bases.fresh() as (folder, url):
        world = World(folder, url, gateways=gateways, seed=seed, kind=kind)
        if mutate is not None:
            world.mutate = mutate
        try:
            world.open()
            for life in lives(world) if callable(lives) else lives:
                ends = world.live(life)
                tally.lives += 1
                tally.kills += sum(end.killed for end in ends)
                odd = [end.code for end in ends if not end.killed]
                if odd:
                    return [f"a gateway ended by itself with {odd}:\n{_tail(world.log)}"]
            why = world.settle(lambda: unsettled(url, world.truth))
            faults = judge(url, world.truth(), [world.journal])
            if why is not None:
                faults.append(f"not settled: {why}\n{_tail(world.log)}")
            _count(tally, url, world)
            return faults
        finally:
            world.close()


def random_run(
    bases: Databases, tally: Tally, kills: int, *, state: Path | None, only: int | None = None,
    mutate: Callable[[], None] | None = None, kind: Kind | None = None,
) -> None:  # fmt: skip
    """Kill by chance until there are so many kills, or a violation; each world has a seed of its own."""
    points: list[str] = []
    while tally.kills < kills and not tally.violations:
        number = tally.worlds if only is None else only
        chance = random.Random(f"{tally.seed}:{number}")
        gentle = chance.random() < GENTLE_SHARE
        of = kind or draw_kind(f"{tally.seed}:{number}")
        more = random.Random(f"more:{tally.seed}:{number}")

        def lives(
            world: World,
            chance: random.Random = chance,
            more: random.Random = more,
            of: Kind = of,
            *,
            gentle: bool = gentle,
        ) -> Iterator[Life]:
            gateways = 2 if bases.kind == "postgresql" else 1
            left = -(-(kills - tally.kills) // gateways)
            for _ in range(min(LIVES_A_WORLD, left)):
                known = sorted(set(world.names.read_text().splitlines()) | set(points))
                points[:] = known
                life = draw_life(chance, known, gateways=gateways, seconds=LIFE_SECONDS, gentle=gentle)
                yield meddled(life, more, of, seconds=LIFE_SECONDS)

        began = time.monotonic()
        faults = run_world(bases, f"{tally.seed}-{number}", lives, tally, kind=of, mutate=mutate)
        tally.seconds += time.monotonic() - began
        tally.worlds += 1
        tally.violations += [f"world {number}: {fault}" for fault in faults]
        if state is not None:
            state.write_bytes(msgspec.json.encode(tally))
        tell(tally, kills, points=len(points))
        if only is not None:
            return


def sweep_run(bases: Databases, tally: Tally, *, few: int | None = None, state: Path | None = None) -> list[str]:
    """Each point with each fault of an `add`, once; answers the points that no life reached.

    `few` takes so many of the pairs, spread evenly, for a run within the tests. The points are recorded once and kept
    with the tally, so that a run that goes on has the pairs of the one before.
    """
    record_points(bases, tally, few=few)
    kinds = _kinds(few)
    pairs = _pairs(tally, few)
    while tally.pairs < len(pairs) and not tally.violations:
        begin = tally.pairs
        name = tally.points[pairs[begin][0]]
        some = [pair for pair in pairs[begin : begin + SWEPT_A_WORLD] if tally.points[pair[0]] == name]
        chance = random.Random(f"sweep:{begin}:{tally.part}")
        lives = iter([_swept(pair, bases.kind, kinds[name], chance, calm=name == CALM) for pair in some])
        began = time.monotonic()
        faults = run_world(bases, f"sweep-{begin}", _watching(lives, some, tally), tally, kind=kinds[name])
        tally.seconds += time.monotonic() - began
        tally.worlds += 1
        tally.pairs += 0 if faults else len(some)  # a world with a violation is the first of the run that goes on
        tally.violations += [f"pairs {begin}…: {[(p, f) for p, f in some]}: {fault}" for fault in faults]
        if state is not None:
            state.write_bytes(msgspec.json.encode(tally))
        tell(tally, len(pairs), points=len(tally.points), done=tally.pairs)
    return sorted({point for point, _ in pairs[: tally.pairs]} - set(tally.reached))


def record_points(bases: Databases, tally: Tally, *, few: int | None = None) -> None:
    """Find the points of a sweep and the world each is passed in, unless the tally has them."""
    if not tally.points:
        for name, kind in _kinds(few).items():
            for point in known_points(bases, tally, kind, calm=name == CALM):
                tally.points.setdefault(point, name)


def _kinds(few: int | None) -> dict[str, Kind]:
    return {"all": every_kind()} if few is not None else SWEPT_KINDS


def _pairs(tally: Tally, few: int | None) -> list[Pair]:
    """The pairs that are this tally's part of a sweep."""
    pairs = [pair for name in _kinds(few) for pair in product(_of(tally, name), (None, *FAULTS))]
    if few is not None:
        pairs = [pairs[n * len(pairs) // few] for n in range(min(few, len(pairs)))]
    part, parts = tally.part
    return pairs[part::parts]


def never_passed(tally: Tally) -> list[str]:
    """Statements that write and are no point of a sweep, for no life comes by them: other tests have to prove them."""
    passed = {point.partition(" ")[2] for point in tally.points}
    writing = {name for name, each in load_statements("sqlite").items() if not each.text.lstrip().startswith("SELECT")}
    return sorted(writing - passed)


def _of(tally: Tally, kind: str) -> list[str]:
    return sorted(point for point, name in tally.points.items() if name == kind)


def known_points(bases: Databases, tally: Tally, kind: Kind, *, calm: bool = False) -> list[str]:
    """Every point that lives in a world of that kind pass which nobody ends early: what a sweep goes through.

    With `calm` lives are long, so that doubt is looked into.
    """
    found: set[str] = set()
    seconds = CALM_SECONDS if calm else LIFE_SECONDS * 2

    def lives(world: World) -> Iterator[Life]:
        chance = random.Random("points")
        for n in range(10):
            life = draw_life(chance, [], gateways=1, seconds=LIFE_SECONDS)
            deaths = (Death(seconds=seconds),) * (2 if bases.kind == "postgresql" else 1)
            faults = (
                _everywhere(FAULTS[-1 if n == 7 else n % 6], times=2) if calm else life.faults if n % 2 else REFUSALS
            )
            lived = Life(deaths=deaths, faults=faults, calm=calm, posts_at=0.5 if n == 6 else None)
            more = {"person_at": 0.1} if n in (5, 8) else {"edit": n % len(EDITS), "edit_at": 0.3}
            yield msgspec.structs.replace(lived, **more) if kind.meddled else lived
        found.update(world.names.read_text().splitlines())

    faults = run_world(bases, "points", lives, tally, kind=kind)
    tally.violations += [f"recording: {fault}" for fault in faults]
    return sorted(found)


def _everywhere(fault: tuple[str, str, bool], *, times: int) -> tuple[Fault, ...]:
    name, value, processed = fault
    return tuple(
        Fault(panel=panel, name=name, value=value, action="add", processed=processed, times=times) for panel in PANELS
    )


def _swept(pair: Pair, database: str, kind: Kind, chance: random.Random, *, calm: bool) -> Life:
    point, fault = pair
    seconds = CALM_SECONDS if calm else LIFE_SECONDS
    deaths: tuple[Death, ...] = (Death(point=point, seconds=seconds),)
    if database == "postgresql":
        deaths += (Death(seconds=seconds),)
    faults = () if fault is None else _everywhere(fault, times=2)
    return meddled(Life(deaths=deaths, faults=faults, calm=calm), chance, kind, seconds=LIFE_SECONDS)


def _watching(lives: Iterator[Life], pairs: list[Pair], tally: Tally) -> Callable[[World], Iterator[Life]]:
    """Note which points were reached: there the first gateway ends by itself."""

    def watched(world: World) -> Iterator[Life]:
        for (point, _fault), life in zip(pairs, lives, strict=True):
            yield life
            if world.by_itself[0]:
                tally.reached = sorted({*tally.reached, point})
                tally.at_points += 1

    return watched


def _count(tally: Tally, url: str, world: World) -> None:
    doubted = "SELECT COUNT(DISTINCT order_id) AS orders FROM events WHERE kind = 'order.unknown'"
    said = "SELECT COUNT(DISTINCT order_id) AS orders FROM events WHERE actor LIKE 'cli%'"
    states, doubts, by_hand = rows_of(url, "SELECT state, COUNT(*) AS orders FROM orders GROUP BY state", doubted, said)
    tally.orders += sum(row["orders"] for row in states)
    unknown = sum(row["orders"] for row in states if row["state"] == "unknown")
    tally.unknown += unknown
    tally.resolved += doubts[0]["orders"] - unknown
    there = [each["made_for"] is None for has in world.truth().values() for each in has]
    tally.upstream += sum(there)
    tally.children += len(there) - sum(there)
    tally.limited += world.journal.read_text().count(f'"error": "{TEXT_TOO_MANY_REQUESTS}"')
    tally.meddled += world.edits + by_hand[0]["orders"]


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""


def tell(tally: Tally, wanted: int, *, points: int, done: int | None = None) -> None:
    """One line of progress."""
    if done is None:
        so_far = f"{tally.kills}/{wanted} kills"
    else:
        part = f" (part {tally.part[0] + 1} of {tally.part[1]})" if tally.part[1] > 1 else ""
        so_far = f"{done}/{wanted} pairs{part}, {tally.at_points} of them died at their point, {tally.kills} kills"
    print(
        f"{tally.database}  seed {tally.seed}  {so_far}  {tally.worlds} worlds  "
        f"{tally.orders} orders  {tally.upstream} placed  {tally.children} children  {tally.limited} limited  "
        f"{tally.meddled} meddled  {tally.unknown} unknown  {tally.resolved} resolved  {points} points  "
        f"{tally.kills / max(tally.seconds, 0.001):.1f} kills/s  {len(tally.violations)} violations",
        flush=True,
    )
