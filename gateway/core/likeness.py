"""Likeness: whether a provider's service is still the one it was, by its name and its type.

Panels rename services every day: another badge, another speed, another refill. That is no other service. One that was
for followers and is for likes is, and so is one whose name has little left of its old words. Nobody can tell for sure,
so what looks like another one waits for a person (core/holds.py); the words below are what panels sell most of.
"""

import re
from collections.abc import Iterable
from typing import Final

# What is delivered, and where: of each list a name has one word, or none that we know.
GOODS: Final = frozenset(
    {
        *("followers", "likes", "views", "comments", "subscribers", "members", "plays", "shares", "saves", "votes"),
        *(
            "retweets",
            "reactions",
            "impressions",
            "visitors",
            "traffic",
            "downloads",
            "installs",
            "reviews",
            "watchtime",
        ),
        *("streams", "mentions", "reposts", "pins", "friends", "connections", "hours", "listeners", "viewers", "reach"),
    }
)
PLACES: Final = frozenset(
    {
        *("instagram", "facebook", "youtube", "tiktok", "twitter", "telegram", "spotify", "soundcloud", "twitch"),
        *("linkedin", "pinterest", "snapchat", "discord", "reddit", "whatsapp", "threads", "kick", "tumblr", "vk"),
    }
)
# Of the old name's words at least so many of a hundred have to be left, where none of the lists says more.
WORDS_LEFT_MIN: Final = 34


def another(name: str, kind: str, *, now_name: str, now_kind: str) -> bool:
    """Whether a service of that name and type is another one under the new name and type."""
    if kind != now_kind:
        return True
    if name == now_name:
        return False
    was, becomes = _words(name), _words(now_name)
    if not was:  # Nothing but signs and digits: no word says that it is the same.
        return True
    if _parted(was, becomes, GOODS) or _parted(was, becomes, PLACES):
        return True
    return len(was & becomes) * 100 < len(was) * WORDS_LEFT_MIN


def _words(name: str) -> frozenset[str]:
    """The words of a name, without digits, signs and emoji."""
    return frozenset(re.findall(r"[^\W\d_]+", name.casefold()))


def _parted(was: Iterable[str], becomes: Iterable[str], known: frozenset[str]) -> bool:
    """Whether both names say a word of a list, and none that the other one says."""
    before, after = known.intersection(was), known.intersection(becomes)
    return bool(before and after) and before.isdisjoint(after)
