"""How a simulated subscription goes on with time: which posts have appeared, and what it is called, by its age alone.

Old posts are there at once; a new one appears each time a service's seconds have passed. Each is an order of its own,
made when its delay is over and charged then. It ends when all posts have appeared, after its last day, or by a cancel.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import inf

import msgspec

from gateway.core.messages import StatusWord
from gateway.core.service_fields import read_day
from gateway.panel.progress import Standing


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What decides how a subscription goes; times in seconds of its age."""

    posts: int
    old_posts: int
    smallest: int
    largest: int
    every: float  # a new post appears each time so much has passed
    delay: float = 0.0  # from a post to its order
    expires: float = inf
    canceled: float = inf


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How a subscription stands."""

    made: int  # orders, one for each post
    word: str  # the panel's own
    left: int  # posts that have not appeared

    @property
    def ended(self) -> bool:
        """Whether it makes no more orders."""
        return self.word != "Active"

    @property
    def standing(self) -> Standing:
        """The same in the words of any order."""
        word = {"Active": StatusWord.IN_PROGRESS, "Completed": StatusWord.COMPLETED}.get(self.word, StatusWord.CANCELED)
        return Standing(status=word, remains=self.left, start_count=0)


def subscription_of(fields: Mapping[str, str], created_at: int, *, seconds: float, pace: float) -> Subscription:
    """A subscription out of its fields; `created_at` is in ms, `seconds` apart are its posts at pace 1."""
    last = read_day(fields.get("expiry", ""))
    expires = inf
    if last is not None:
        over = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
        expires = over.timestamp() - created_at / 1000
    return Subscription(
        posts=int(fields["posts"]),
        old_posts=int(fields.get("old_posts", "0")),
        smallest=int(fields["min"]),
        largest=int(fields["max"]),
        every=seconds * pace,
        delay=int(fields["delay"]) * 60 * pace,
        expires=expires,
    )


def made_after(found: Subscription, n: int) -> float:
    """At which age the order for post n, from 0, is made."""
    return max(n - found.old_posts + 1, 0) * found.every + found.delay


def stand(found: Subscription, age: float) -> Stand:
    """How a subscription of that age stands."""
    posts, until = found.posts + found.old_posts, min(age, found.expires, found.canceled)
    made = sum(made_after(found, n) <= until for n in range(posts))
    if made == posts:
        word = "Completed"
    elif found.canceled <= min(age, found.expires):
        word = "Canceled"
    else:
        word = "Expired" if found.expires <= age else "Active"
    return Stand(made=made, word=word, left=posts - made)


def pieces(found: Subscription, order: int, n: int) -> int:
    """How many pieces post n gets: somewhere between the fewest and the most, the same whenever it is asked."""
    return found.smallest + (7 * order + 3 * n) % (found.largest - found.smallest + 1)
