"""Unclassified texts: what panels say went wrong that no table knows, and what a person may say they mean.

A meaning is of one provider and one pattern (core/pattern.py), and is looked up when an answer is judged
(core/rejections.py). It changes nothing about what was judged before: an order in doubt stays in doubt, and whether
a look at a panel denied an order is never read from it (actions/probe.py).
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from gateway.core.answers import OUR_WORDS
from gateway.core.messages import (
    ErrorReply,
    MultiCancelReply,
    MultiRefillReply,
    MultiRefillStatusReply,
    MultiStatusReply,
)
from gateway.core.pattern import CUT, telling
from gateway.core.rejections import RejectKind, is_vague

# A kind of refusal, or None: the text was looked at and proves nothing.
Meaning: TypeAlias = RejectKind | None
NOTHING: Final = "nothing"  # how that is written
MEANINGS: Final = (*(kind.value for kind in RejectKind), NOTHING)


def write_meaning(meaning: Meaning) -> str:
    """A meaning as it is typed and kept."""
    return NOTHING if meaning is None else meaning.value


def read_meaning(word: str) -> Meaning:
    """The meaning of a word; one that this version does not know proves nothing."""
    return RejectKind(word) if word in MEANINGS and word != NOTHING else None


def objection(pattern: str, meaning: Meaning, *, sure: bool = False) -> str | None:
    """Why a pattern may not be taken for a refusal, or None; `sure` passes over what a person may know better.

    A refusal is sent on to the next panel, so a text that says too little is none whoever says so.
    """
    if meaning in (None, RejectKind.ORDER):
        return None
    if pattern.endswith(CUT):
        return "it is cut off, and how it goes on decides"
    if not telling(pattern):
        return "it stands for every error of this panel, also for those after which an order was made"
    if is_vague(pattern) and not sure:
        return "it smells of time or trouble: panels have said such things and made the order all the same"
    return None


def error_texts(reply: object) -> frozenset[str]:
    """What a panel said went wrong in an answer to a read, a refill or a cancel, for the whole or for some ids."""
    found: set[str] = set()
    if isinstance(reply, ErrorReply):
        found.add(reply.error)
    elif isinstance(reply, MultiStatusReply | MultiRefillReply | MultiCancelReply):
        found |= _errors(each for _, each in reply.orders)
    elif isinstance(reply, MultiRefillStatusReply):
        found |= _errors(each for _, each in reply.refills)
    return frozenset(found - OUR_WORDS)


def _errors(rows: Iterable[object]) -> set[str]:
    return {row.error for row in rows if isinstance(row, ErrorReply)}
