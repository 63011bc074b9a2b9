"""A user with only what it must have lives by the contract."""

from gateway.core.dialects import STANDARD
from gateway.core.user import User


def test_plain_user_pays_everybodys_price_and_waits() -> None:
    """No tier, no duplicate window, and `add` waits for the panel's word."""
    user = User(id=1, name="alpha", dialect=STANDARD, avail_account=1, held_account=2)
    assert (user.state, user.tier, user.duplicate_window, user.answer) == ("active", "", 0, "wait")
