"""Faults: everything that is wrong with what the operator wrote, each with its place, its line and a way out."""

import difflib
from collections.abc import Iterable, Sequence

import msgspec

from gateway.core.errors import GatewayError


class Place(msgspec.Struct, frozen=True, order=True):
    """Where something stands in a file; both count from 1."""

    line: int
    column: int


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    file: str
    place: Place | None  # None: not in a file, as with the environment
    what: str
    source: str = ""  # the line itself

    def __str__(self) -> str:
        if self.place is None:
            return f"{self.file}: {self.what}"
        told = f"{self.file}:{self.place.line}:{self.place.column}: {self.what}"
        if not self.source.strip():
            return told
        return f"{told}\n    {self.source}\n    {' ' * (self.place.column - 1)}^"


class SettingsError(GatewayError):
    """What the operator wrote cannot be used; `faults` has all of it, the environment's first, then the file's."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=_order))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean x?`, when something known is near enough."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _order(fault: Fault) -> tuple[bool, str, Place]:
    return fault.place is not None, fault.file, fault.place or Place(0, 0)
