"""Moments: something is done to the world right when a gateway in this process passes a certain point."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gateway import points

# The statement by which a step of an order's life is known, RELIABILITY.md section 1.4.
A1, A5, A9 = "order_insert", "attempt_arm", "attempt_resolve"


class Moment:
    """A point, once the points before it were passed; what is done there is done once."""

    def __init__(self, way: Sequence[tuple[str, str]], act: Callable[[], None]) -> None:
        self._way = list(way)
        self._act = act
        self.came = False

    def __call__(self, what: str, of: str) -> None:
        """Pass a point; on SQLite this is the writer's thread."""
        if not self.came and self._way[0] == (what, of):
            del self._way[0]
            if not self._way:
                self.came = True
                self._act()


@contextmanager
def at(*moments: Moment) -> Iterator[None]:
    """Do what is to be done at these moments while this lasts; each of them has to come."""

    def hook(what: str, of: str) -> None:
        for moment in moments:
            moment(what, of)

    points.hook = hook
    try:
        yield
    finally:
        points.hook = None
    assert all(moment.came for moment in moments), "a moment did not come"


@contextmanager
def always(what: str, of: str, act: Callable[[], None]) -> Iterator[None]:
    """Do something each time a point is passed while this lasts."""

    def hook(passed: str, by: str) -> None:
        if (passed, by) == (what, of):
            act()

    points.hook = hook
    try:
        yield
    finally:
        points.hook = None


def before(statement: str, act: Callable[[], None]) -> Moment:
    """Right before a statement is executed."""
    return Moment([("before", statement)], act)


def before_commit_of(statement: str, act: Callable[[], None]) -> Moment:
    """Right before the COMMIT of the transaction that a statement was executed in."""
    return Moment([("after", statement), ("before", "COMMIT")], act)


def after_commit_of(statement: str, act: Callable[[], None]) -> Moment:
    """Right after that COMMIT succeeded."""
    return Moment([("after", statement), ("after", "COMMIT")], act)
