"""What a provider said went wrong that nobody has classified, counted here until the books take it."""

from typing import Final

import msgspec

from gateway.core.lenient import ERROR_TEXT_MAX
from gateway.core.messages import Action
from gateway.core.pattern import pattern_of

# Patterns of one provider between two visits to the books. A panel with more of them than that says something new
# each time; what is beyond is counted and not kept.
PATTERNS_MAX: Final = 100


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """One pattern, as it was heard since the last visit."""

    pattern: str
    example: str  # the first of its texts, our key struck out
    action: Action  # what that was the answer to
    seen: int


class Heard:
    """The texts of one provider, by pattern."""

    def __init__(self) -> None:
        self._noted: dict[str, Noted] = {}
        self._beyond = 0

    def note(self, action: Action, text: str) -> None:
        """Keep a text, or count one more of its pattern."""
        pattern = pattern_of(text)
        known = self._noted.get(pattern)
        if known is not None:
            self._noted[pattern] = msgspec.structs.replace(known, seen=known.seen + 1)
        elif len(self._noted) < PATTERNS_MAX:
            example = "".join(each if each.isprintable() else " " for each in text)[:ERROR_TEXT_MAX]
            self._noted[pattern] = Noted(pattern=pattern, example=example, action=action, seen=1)
        else:
            self._beyond += 1

    def take(self) -> tuple[tuple[Noted, ...], int]:
        """Everything heard since the last time, and how many texts were not kept; both are begun anew."""
        taken = tuple(self._noted.values()), self._beyond
        self._noted, self._beyond = {}, 0
        return taken
