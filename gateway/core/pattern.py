"""Patterns: one text that stands for all variants of a panel's sentence, whatever numbers, ids and links are in it.

    Order EXT-200 for https://social.example/p/1 costs 1,200.50      order # for <link> costs #

So a million answers are one row of a list, and one word of an operator holds for all of them. Letters are kept: what
they say is what is judged.
"""

import re
from typing import Final

from gateway.core.lenient import ERROR_TEXT_MAX

# Characters of a pattern; a panel's sentence has some 60. What is cut off, here or as it was read, ends in `…`:
# nobody knows how it goes on.
PATTERN_MAX: Final = 200
CUT: Final = "…"
NUMBER: Final = "#"
LINK: Final = "<link>"
NAME: Final = "<name>"

_LINK: Final = re.compile(r"(?:https?://|www\.)\S+|[\w-]+(?:\.[\w-]+)+/\S*")
_NAME: Final = re.compile(r"\S*@\S+")
# Whatever has a digit in it: numbers, ids, sums, dates, hashes. A word of 24 letters is no word either.
_NUMBER: Final = re.compile(r"[\w$€£₹+-]*\d[\w%$€£₹-]*|\b[^\W\d_]{24,}\b")
_NUMBERS: Final = re.compile(r"#(?:[.,:/ -]{0,3}#)+")
_PLACES: Final = re.compile(f"{LINK}|{NAME}|{NUMBER}")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
# Words that say no more than that something is wrong.
_EMPTY: Final = frozenset(
    (
        *("an", "and", "at", "by", "code", "err", "error", "errors", "exception", "fail", "failed", "failure"),
        *("false", "fatal", "for", "has", "have", "http", "in", "is", "it", "message", "msg", "no", "not", "of", "on"),
        *("or", "result", "sorry", "status", "text", "the", "to", "type", "unknown", "warning", "was", "with", "wrong"),
    )
)


def pattern_of(text: str) -> str:
    """The pattern of a panel's text, at most PATTERN_MAX characters that can be seen."""
    seen = text[:ERROR_TEXT_MAX]
    line = "".join(each if each.isprintable() else " " if each.isspace() else "" for each in seen)
    folded = " ".join(line.lower().split())
    for found, place in ((_LINK, LINK), (_NAME, NAME), (_NUMBER, NUMBER), (_NUMBERS, NUMBER)):
        folded = found.sub(place, folded)
    whole = len(folded) <= PATTERN_MAX and len(text) < ERROR_TEXT_MAX
    return folded if whole else folded[: PATTERN_MAX - 1] + CUT


def telling(pattern: str) -> bool:
    """Whether a pattern says what is wrong: `error #` is every error a panel has, and says nothing of any of them."""
    words = _WORD.findall(_PLACES.sub(" ", pattern))
    return any(word not in _EMPTY for word in words)
