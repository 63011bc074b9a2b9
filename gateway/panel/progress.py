"""How a simulated order goes on with time: a pure function of its age, so that asking twice never tells two stories."""

from typing import Final

import msgspec

from gateway.core.messages import StatusWord
from gateway.panel.services import PanelService

PENDING_SHARE: Final = 0.1  # of its time an order waits
PROCESSING_SHARE: Final = 0.2  # until then it is being prepared


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands."""

    status: StatusWord
    remains: int
    start_count: int

    @property
    def ended(self) -> bool:
        """Whether nothing changes any more."""
        return self.status in (StatusWord.COMPLETED, StatusWord.PARTIAL, StatusWord.CANCELED)


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """What decides how an order goes."""

    service: PanelService
    quantity: int
    start_count: int
    canceled_after: float | None = None  # seconds of its age at which a cancel was asked for
    pace: float = 1.0  # seconds are multiplied with it


def standing(course: Course, age: float) -> Standing:
    """How an order of that age (seconds) stands."""
    length = course.service.seconds * course.pace
    canceled_at = course.canceled_after
    if canceled_at is not None and canceled_at < length and age >= canceled_at:
        left = course.quantity - _delivered(course, canceled_at, length)
        word = StatusWord.CANCELED if left == course.quantity else StatusWord.PARTIAL
        return _standing(course, word, left)
    if age >= length:
        return _ended(course)
    delivered = _delivered(course, age, length)
    if age < length * PENDING_SHARE:
        return Standing(status=StatusWord.PENDING, remains=course.quantity, start_count=0)
    if age < length * PROCESSING_SHARE:
        return _standing(course, StatusWord.PROCESSING, course.quantity)
    return _standing(course, StatusWord.IN_PROGRESS, course.quantity - delivered)


def _ended(course: Course) -> Standing:
    match course.service.ends:
        case "completed":
            return _standing(course, StatusWord.COMPLETED, 0)
        case "canceled":
            return _standing(course, StatusWord.CANCELED, course.quantity)
        case "partial":
            left = course.quantity - int(course.quantity * course.service.delivered)
            return _standing(course, StatusWord.PARTIAL, min(max(left, 1), course.quantity))


def _delivered(course: Course, age: float, length: float) -> int:
    """Pieces delivered by then; the last one comes with the end."""
    share = (age / length - PROCESSING_SHARE) / (1 - PROCESSING_SHARE) if length else 1.0
    return min(max(int(course.quantity * share), 0), max(course.quantity - 1, 0))


def _standing(course: Course, status: StatusWord, remains: int) -> Standing:
    return Standing(status=status, remains=remains, start_count=course.start_count)
