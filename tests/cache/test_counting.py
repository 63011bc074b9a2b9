"""Limits counted in this process."""

from gateway.cache.counting import Counting
from gateway.cache.memory import MemoryCache
from gateway.core.gcra import Limit

TWO = Limit(2, 60_000)


async def test_each_name_has_a_bucket_of_its_own() -> None:
    """Two times each; what one has used is not the other's, and a minute later it is there again."""
    cache = MemoryCache()
    waits = [await cache.take(name, TWO, now=1_000) for name in ("a", "a", "a", "b")]
    assert waits == [0, 0, 30_000, 0]
    assert await cache.take("a", TWO, now=31_000) == 0


def test_names_are_bounded() -> None:
    """The longest untouched is forgotten first, so no flood of names fills the memory."""
    counting = Counting(names_max=2)
    for name in ("a", "a", "b", "a", "c"):
        counting.take(name, TWO, now=0)
    assert counting.take("b", TWO, now=0) == 0
    assert counting.take("c", TWO, now=0) == 0
    assert len(counting._empty_at) == 2
