"""A person who looks at the panels' own pages and settles doubt by the command line, and may be killed."""

import os
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

import gateway.cli.unknown as verbs
from gateway import points
from tests.crash.plan import Death, killer
from tests.crash.truth import GIVEN_UP, link_of, rows_of

_DOUBTS = (
    "SELECT a.id, a.order_id, a.provider, o.fields FROM attempts a JOIN orders o ON o.id = a.order_id "
    "WHERE a.state = 'unknown' ORDER BY a.id"
)
VERBS_MAX = 8  # in one life
_FOUND, _MISSING = "a person of the crash harness saw it", "a person of the crash harness did not see it"


class Verdict(msgspec.Struct, frozen=True):
    """What is to be said: of which attempt, if of one, and the words of the command."""

    attempt: int | None
    words: list[str]


def look(database_url: str, truth: dict[str, list[dict[str, Any]]], chance: random.Random) -> list[Verdict]:
    """What a person who sees the panels' pages would say of what is in doubt now; no gateway may be running.

    The verdicts are right: what the panel has is accepted under its id, what it has not was not placed. Now and then a
    user is given the charge back, whatever the panel has.
    """
    (doubts,) = rows_of(database_url, _DOUBTS)
    there = {
        (panel, each["link"]): str(each["order"])
        for panel, has in truth.items()
        for each in has
        if each["made_for"] is None
    }
    said = []
    for doubt in chance.sample(doubts, min(len(doubts), VERBS_MAX)):
        order, provider = str(doubt["order_id"]), doubt["provider"]
        found = there.get((provider, link_of(doubt["fields"])))
        if chance.random() < 0.2:
            words = ["refund", order, "--reason", GIVEN_UP]
        elif found is not None:
            words = ["accept", order, "--upstream-id", found, "--reason", _FOUND]
        else:
            words = ["not-placed", order, "--reason", _MISSING]
        said.append(Verdict(doubt["id"], words))
    said.append(Verdict(None, ["release", chance.choice(sorted(truth)), "--reason", "looked at"]))
    return said


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """Where a person sits: whose books, with what around, and where what is said and passed is written down."""

    database_url: str
    environ: Mapping[str, str]
    clock: Callable[[], int]
    names: Path
    log: Path


def settle(desk: Desk, verdicts: list[Verdict], *, dies: int) -> None:
    """Say all of it, in a process of its own that ends at the n-th point; 0 is none.

    What was settled meanwhile is left alone, as a person does who looks at the list before every word.
    """
    os.environ.update(desk.environ)
    sys.stdout = sys.stderr = desk.log.open("a", encoding="utf-8")
    vars(verbs)["now"] = desk.clock
    if dies:
        points.hook = killer(Death(point="*", n=dies), os.open(desk.names, os.O_WRONLY | os.O_APPEND))
    for verdict in verdicts:
        (doubts,) = rows_of(desk.database_url, _DOUBTS)
        if verdict.attempt in {None, *(each["id"] for each in doubts)}:
            try:
                verbs.unknown.main(verdict.words, standalone_mode=False)
            except SystemExit:
                continue  # Somebody was quicker, or the books were busy: it is said again in a later life.
