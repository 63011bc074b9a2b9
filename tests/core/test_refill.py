"""Refills: for whom, how often, and what panels' words mean."""

import pytest

from gateway.core.order import OrderState
from gateway.core.refill import COOL_DOWN_MS, RefillState, Wish, eligible, read_word

WISH = Wish(state=OrderState.COMPLETED, offered=True, open=False, last_at=None)


@pytest.mark.parametrize(
    ("wish", "answer"),
    [
        (WISH, True),
        (Wish(state=OrderState.PARTIAL, offered=True, open=False, last_at=None), True),
        (Wish(state=OrderState.ACTIVE, offered=True, open=False, last_at=None), False),
        (Wish(state=OrderState.CANCELED, offered=True, open=False, last_at=None), False),
        (Wish(state=OrderState.COMPLETED, offered=False, open=False, last_at=None), False),
        (Wish(state=OrderState.COMPLETED, offered=True, open=True, last_at=None), False),
        (Wish(state=OrderState.COMPLETED, offered=True, open=False, last_at=1), False),
        (Wish(state=OrderState.COMPLETED, offered=True, open=False, last_at=0), True),
    ],
)
def test_finished_order_is_refilled_once_a_day(wish: Wish, answer: bool) -> None:
    """Offered, finished, none open, and a day since the last."""
    assert eligible(wish, now=COOL_DOWN_MS) is answer


@pytest.mark.parametrize(
    ("word", "state", "shown"),
    [
        ("Pending", RefillState.OPEN, "Pending"),
        ("IN_PROGRESS", RefillState.OPEN, "In progress"),
        ("complete", RefillState.COMPLETED, "Completed"),
        ("Cancelled", RefillState.REJECTED, "Rejected"),
    ],
)
def test_word_of_a_panel_is_understood(word: str, state: RefillState, shown: str) -> None:
    """In any spelling, and said again in ours."""
    assert read_word(word) == (state, shown)


def test_unknown_word_changes_nothing() -> None:
    """A word nobody knows is no news."""
    assert read_word("Levitating") is None


def test_open_states_forbid_another() -> None:
    """Also the one nobody can tell about."""
    assert RefillState.open_states() == {RefillState.ASKING, RefillState.UNKNOWN, RefillState.OPEN}
