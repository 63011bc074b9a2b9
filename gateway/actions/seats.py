"""Seats: how many orders of one user this process hands to panels at once, so that none takes a process for itself."""

import asyncio
from collections import Counter

from gateway.core.spending import ADDS_AT_ONCE_DEFAULT
from gateway.core.user import User


class Seat:
    """A place of one user's, or the news that there is none."""

    def __init__(self, taken: Counter[int], user: User) -> None:
        self._taken = taken
        self._user = user.id
        self.there = taken[user.id] < (user.limits.adds_at_once or ADDS_AT_ONCE_DEFAULT)
        self._held = self.there
        if self.there:
            taken[user.id] += 1

    def keep_until(self, task: asyncio.Task[object]) -> None:
        """Leave it only when a task has ended, whatever `leave` says before."""
        held, self._held = self._held, False
        if held:
            task.add_done_callback(lambda _: self._free())

    def leave(self) -> None:
        """Give it back, once."""
        held, self._held = self._held, False
        if held:
            self._free()

    def _free(self) -> None:
        self._taken[self._user] -= 1
        if not self._taken[self._user]:
            del self._taken[self._user]
