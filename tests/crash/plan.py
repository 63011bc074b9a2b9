"""Plans: where a life ends, and what its panels do wrong meanwhile, drawn from a seed or spelled out by a sweep."""

import os
import random
import signal
from collections.abc import Callable
from typing import Any, Final

import msgspec

from tests.crash.kind import EDITS, Kind

# What a panel may do to a call, by name, value and whether it has done what was asked all the same. `same_id` is not
# among them: of two orders at once nobody can tell whose the id is, so that is a row of the fault matrix (U13).
FAULTS: Final[tuple[tuple[str, str, bool], ...]] = (
    ("silent", "", True),
    ("silent", "", False),
    ("close", "", True),
    ("close", "", False),
    ("reset", "", True),
    ("reset", "", False),
    ("status", "500", True),
    ("status", "502", False),
    ("status", "404", False),
    ("html", "", True),
    ("html", "", False),
    ("empty", "", True),
    ("cut", "20", True),
    ("cut", "120", True),
    ("order_as", "0", True),
    ("order_as", "true", True),
    ("error", "Server error, try again", True),
    ("error", "Server error, try again", False),
    ("error", "Not enough funds on balance", False),
    ("error", "Incorrect link", False),
    ("error", "Incorrect service ID", False),
    ("error", "You have active order with this link", False),
    ("throttled", "1", False),
    ("redirect", "/elsewhere", True),
    ("drip", "4", True),
    ("latency", "150", True),
    ("notices", "", True),
    ("framing", "close", True),
    ("error", "The moon is full", True),  # a text nobody has classified
    ("error", "The moon is full", False),
)
# Faults of the other actions: what a panel says late, wrongly or not at all.
READ_FAULTS: Final = ("silent", "close", "reset", "html", "empty", "missing", "as_list", "no_multi", "latency")


POSTS_SHARE: Final = 0.1
EDIT_SHARE: Final = 0.15
PERSON_SHARE: Final = 0.15
CALM_SHARE: Final = 0.08
GENTLE_CALM_SHARE: Final = 0.3
CALM_SECONDS: Final = 3.0


class Fault(msgspec.Struct, frozen=True):
    """One misdeed of one panel, for so many calls."""

    panel: str
    name: str
    value: str
    action: str
    processed: bool
    times: int

    def __str__(self) -> str:
        done = "after" if self.processed else "before"
        return f"{self.panel} {self.action} {self.name}={self.value or '-'} ({done} placing) ×{self.times}"


class Death(msgspec.Struct, frozen=True):
    """Where a life ends: at the n-th passing of one point or of any; at a time when no point is named."""

    point: str = ""  # "before order_insert"; "*" for any
    n: int = 1
    seconds: float = 0.0  # killed from outside by then in any case

    def __str__(self) -> str:
        return f"{self.point} #{self.n}" if self.point else f"after {self.seconds:.2f} s"


class Life(msgspec.Struct, frozen=True):
    """One life of the gateways of a world."""

    deaths: tuple[Death, ...]  # one a gateway
    faults: tuple[Fault, ...]
    calm: bool = False  # long and without faults: doubt is looked into, and killed while it is
    leap_at: float | None = None  # seconds into the life at which the clock leaps on, and everybody looks dead
    posts_at: float | None = None  # at which the panels' clocks go on by hours: posts appear, subscriptions expire
    edit: int | None = None  # of providers.yaml, by its number
    edit_at: float = 0.0  # at which it is written, and everybody told by SIGHUP
    person_at: float | None = None  # at which a person begins to settle doubt
    person_dies: int = 0  # at which point it passes; 0: with the gateways at the latest


def draw_life(chance: random.Random, points: list[str], *, gateways: int, seconds: float, gentle: bool = False) -> Life:
    """A life by chance; four in ten end early, while they still take up what the one before left.

    In a gentle world panels seldom do wrong and more lives are calm: little is in doubt at a time, and most of it is
    settled by evidence. In others most of it may not be.
    """
    if points and chance.random() < (GENTLE_CALM_SHARE if gentle else CALM_SHARE):
        ends = (Death(point=chance.choice(points), n=chance.choice((3, 10, 30, 100)), seconds=CALM_SECONDS),)
        return Life(deaths=ends * gateways, faults=(), calm=True)
    faults = chance.choice((0, 0, 0, 0, 1) if gentle else (0, 1, 1, 2, 3))
    return Life(
        deaths=tuple(_draw_death(chance, points, seconds) for _ in range(gateways)),
        faults=tuple(_draw_fault(chance) for _ in range(faults)),
        leap_at=chance.uniform(0.1, seconds) if chance.random() < 0.3 else None,
    )


def meddled(life: Life, chance: random.Random, kind: Kind, *, seconds: float) -> Life:
    """The life with what is done from outside meanwhile in a world of that kind."""
    if kind.children and chance.random() < POSTS_SHARE:
        life = msgspec.structs.replace(life, posts_at=chance.uniform(0, seconds))
    if kind.meddled and chance.random() < EDIT_SHARE:
        life = msgspec.structs.replace(life, edit=chance.randrange(len(EDITS)), edit_at=chance.uniform(0, seconds))
    if kind.meddled and chance.random() < PERSON_SHARE:
        dies = 0 if chance.random() < 0.3 else chance.randint(1, 120)
        life = msgspec.structs.replace(life, person_at=chance.uniform(0, seconds / 2), person_dies=dies)
    return life


def _draw_death(chance: random.Random, points: list[str], seconds: float) -> Death:
    if chance.random() < 0.4:
        return Death(point="*", n=chance.randint(1, 60), seconds=seconds)
    if chance.random() < 0.75 and points:
        return Death(point=chance.choice(points), n=chance.choice((1, 1, 1, 2, 3, 5)), seconds=seconds)
    if chance.random() < 0.7:
        return Death(point="*", n=int(60 * 40 ** chance.random()), seconds=seconds)
    return Death(seconds=chance.uniform(0.05, seconds))


def _draw_fault(chance: random.Random) -> Fault:
    panel = chance.choice(("panel-a", "panel-b"))
    times = chance.choice((1, 1, 2, 4))
    if chance.random() < 0.8:
        name, value, processed = chance.choice(FAULTS)
        return Fault(panel=panel, name=name, value=value, action="add", processed=processed, times=times)
    action = chance.choice(("status", "cancel", "refill", "balance"))
    name = chance.choice(READ_FAULTS)
    value = "100" if name == "latency" else ""
    return Fault(panel=panel, name=name, value=value, action=action, processed=chance.random() < 0.5, times=times)


def killer(death: Death, names: int) -> Callable[[str, str], None]:
    """The hook that ends this process where a death says; every point's name is written once to the file `names`."""
    known: set[str] = set()
    left = death.n

    def hook(what: str, of: str) -> None:
        nonlocal left
        name = f"{what} {of}"
        if name not in known:
            known.add(name)
            os.write(names, f"{name}\n".encode())
        if death.point in ("*", name):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


def as_switch(fault: Fault) -> dict[str, Any]:
    """The fault as the panel's control endpoint takes it."""
    return {
        "name": fault.name,
        "value": fault.value,
        "action": fault.action,
        "processed": fault.processed,
        "times": fault.times,
    }
