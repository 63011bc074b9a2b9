"""The pulse of a provider: whether it is there, by what came of every call, whichever it was.

For one that has no `balance`, which says so each minute of the others. What its orders, statuses and list tell is
evidence enough: as long as calls are answered it is there, and the first that is not raises doubt, which a look at its
list ends one way or the other (jobs/balances.py). Nothing here waits or reads a clock.
"""

from typing import Final

from gateway.core.error_type import ErrorType
from gateway.core.messages import Action

# What is said of one that is not there, or that does not know our key any more.
_AWAY: Final = frozenset(
    {ErrorType.PANEL_UNREACHABLE, ErrorType.PANEL_SILENT, ErrorType.PANEL_BROKEN, ErrorType.PANEL_CREDENTIALS}
)
# Calls that were never made, and faults that are ours: they tell nothing of it.
_OURS: Final = ("policy_", "gateway_", "_unclassified")


class Pulse:
    """What the calls to one provider told so far."""

    def __init__(self) -> None:
        self.known = False  # whether any call has told anything yet
        self.doubted = False  # the last that told anything was not answered
        self._answered = False  # since somebody asked

    def answered(self) -> bool:
        """Whether a call was answered since this was asked last."""
        since, self._answered = self._answered, False
        return since

    def note(self, action: Action, error: ErrorType | None) -> None:
        """A call has ended, with what went wrong in it."""
        if error is not None and error.startswith(_OURS):
            return
        # A list is always to be had, so anything in its place is a fault; of other calls a refusal is an answer too.
        listless = action is Action.SERVICES and error is not None and error is not ErrorType.PANEL_THROTTLED
        if listless or error in _AWAY:
            self.known = self.doubted = True
        elif error is not ErrorType.PANEL_UNREADABLE:  # A page, or words nobody knows: from whom, it does not say.
            self.known, self.doubted, self._answered = True, False, True
