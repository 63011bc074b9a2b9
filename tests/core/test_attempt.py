"""An attempt's table of transitions."""

from gateway.core.attempt import LIVE, TRANSITIONS, AttemptState, may_become, sources_of


def test_nothing_leads_back_to_planned() -> None:
    """What may have been sent is never sent again: unknown and sending cannot become planned."""
    assert sources_of(AttemptState.PLANNED) == frozenset()


def test_every_state_is_in_the_table() -> None:
    """No state was forgotten, and the ended ones lead nowhere."""
    assert set(TRANSITIONS) == set(AttemptState)
    ended = {state for state, targets in TRANSITIONS.items() if not targets}
    assert ended == {AttemptState.ACCEPTED, AttemptState.REJECTED, AttemptState.NOT_SENT, AttemptState.NOT_PLACED}


def test_only_an_unarmed_attempt_is_not_sent() -> None:
    """Once armed, "nothing was sent" can no longer be claimed; only unknown can be proved not placed."""
    assert sources_of(AttemptState.NOT_SENT) == {AttemptState.PLANNED}
    assert sources_of(AttemptState.NOT_PLACED) == {AttemptState.UNKNOWN}
    assert may_become(AttemptState.SENDING, AttemptState.UNKNOWN)
    assert not may_become(AttemptState.ACCEPTED, AttemptState.UNKNOWN)


def test_doubt_keeps_an_order_from_being_sent_twice() -> None:
    """Unknown and accepted attempts are live: no second one may exist beside them."""
    assert {AttemptState.UNKNOWN, AttemptState.ACCEPTED} < LIVE
    assert AttemptState.REJECTED not in LIVE
