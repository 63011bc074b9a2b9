"""Points: the named moments in an order's life at which the crash harness may end its own process."""

from collections.abc import Callable

# Called with what happens ("before", "after", "wire", …) and to what (a statement, COMMIT, a trace event). Set by
# tests/crash in a process of its own, before anything runs; never in earnest. With None a point costs one call of a
# function that looks at it, some 50 ns beside the microseconds of the statement it stands at.
hook: Callable[[str, str], None] | None = None


def point(what: str, of: str) -> None:
    """Pass a point."""
    if hook is not None:
        hook(what, of)
