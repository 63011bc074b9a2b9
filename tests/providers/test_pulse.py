"""The pulse: which calls prove that a provider is there, which raise doubt, and which tell nothing of it."""

import pytest

from gateway.core.error_type import ErrorType
from gateway.core.messages import Action
from gateway.providers.pulse import Pulse

AWAY = [
    ErrorType.PANEL_UNREACHABLE, ErrorType.PANEL_SILENT, ErrorType.PANEL_BROKEN, ErrorType.PANEL_CREDENTIALS,
]  # fmt: skip
ANSWERS = [
    None, ErrorType.PANEL_FUNDS, ErrorType.PANEL_SERVICE, ErrorType.PANEL_LINK_ACTIVE, ErrorType.PANEL_THROTTLED,
    ErrorType.PANEL_REQUEST, ErrorType.PANEL_ORDER, ErrorType.PANEL_REFUSED, ErrorType.CALLER_LINK,
]  # fmt: skip
NOTHING = [
    ErrorType.PANEL_UNREADABLE, ErrorType.POLICY_SPARED, ErrorType.POLICY_BUSY, ErrorType.GATEWAY_BOOKS,
    ErrorType.UNCLASSIFIED,
]  # fmt: skip


def name(error: ErrorType | None) -> str:
    """What a test of it is called."""
    return "none" if error is None else error.value


@pytest.mark.parametrize("error", AWAY, ids=name)
def test_call_that_was_not_answered_raises_doubt(error: ErrorType) -> None:
    """Whatever was answered before."""
    pulse = Pulse()
    pulse.note(Action.STATUS, None)
    pulse.note(Action.ADD, error)
    assert (pulse.known, pulse.doubted) == (True, True)


@pytest.mark.parametrize("error", ANSWERS, ids=name)
def test_answer_is_an_answer_though_it_be_a_no(error: ErrorType | None) -> None:
    """And ends doubt."""
    pulse = Pulse()
    pulse.note(Action.STATUS, ErrorType.PANEL_SILENT)
    pulse.note(Action.ADD, error)
    assert (pulse.known, pulse.doubted) == (True, False)


@pytest.mark.parametrize("doubted", [False, True])
@pytest.mark.parametrize("error", NOTHING, ids=name)
def test_what_was_never_sent_or_cannot_be_read_changes_nothing(error: ErrorType, *, doubted: bool) -> None:
    """It is known as little as before, and as much."""
    pulse = Pulse()
    pulse.note(Action.STATUS, error)
    assert not pulse.known
    pulse.note(Action.STATUS, ErrorType.PANEL_SILENT if doubted else None)
    pulse.note(Action.STATUS, error)
    assert pulse.doubted is doubted


@pytest.mark.parametrize("error", [*AWAY, ErrorType.PANEL_UNREADABLE, ErrorType.PANEL_REQUEST], ids=name)
def test_list_is_shown_or_there_is_doubt(error: ErrorType) -> None:
    """A page or a refusal in its place is as bad as none; being told to come later is not."""
    pulse = Pulse()
    pulse.note(Action.SERVICES, error)
    assert pulse.doubted
    pulse.note(Action.SERVICES, ErrorType.PANEL_THROTTLED)
    assert not pulse.doubted


def test_answers_are_told_once() -> None:
    """Since they were asked about last; a call that failed afterwards takes nothing away."""
    pulse = Pulse()
    assert not pulse.answered()
    pulse.note(Action.STATUS, None)
    pulse.note(Action.STATUS, ErrorType.PANEL_SILENT)
    assert (pulse.answered(), pulse.answered()) == (True, False)
    pulse.note(Action.STATUS, ErrorType.PANEL_SILENT)
    assert not pulse.answered()
