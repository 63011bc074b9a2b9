"""Error texts: what they prove, and that vague ones prove nothing."""

import pytest

from gateway.core.rejections import USERS_FAULT, RejectKind, error_kind, fold_text, is_vague


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Invalid API key", RejectKind.CREDENTIALS),
        ("invalid_api_key", RejectKind.CREDENTIALS),
        ("API is disabled for this user", RejectKind.CREDENTIALS),
        ("neworder.error.not_enough_funds", RejectKind.FUNDS),
        ("You don't have sufficient balance", RejectKind.FUNDS),
        ("Not enough funds on balance!", RejectKind.FUNDS),
        ("Incorrect service ID", RejectKind.SERVICE),
        ("error.incorrect_service_id", RejectKind.SERVICE),
        ("Quantity less than minimal 100", RejectKind.QUANTITY),
        ("neworder.error.max_quantity", RejectKind.QUANTITY),
        ("Bad link", RejectKind.LINK),
        ("neworder.error.link", RejectKind.LINK),
        ("Incorrect type_of_traffic", RejectKind.FIELD),
        ("neworder.error.link_duplicate", RejectKind.LINK_ACTIVE),
        ("You have active order with this link. Please wait until order being completed.", RejectKind.LINK_ACTIVE),
        ("Comments field is required", RejectKind.FIELD),
        ("Rate limit exceeded", RejectKind.THROTTLED),
        ("Unknown action specified", RejectKind.REQUEST),
        ("No order was placed with this ORDER ID", RejectKind.ORDER),
    ],
)
def test_text_of_the_catalogue_is_known(text: str, kind: RejectKind) -> None:
    """PROTOCOL.md section 5, in the spellings that were met."""
    assert error_kind(text) is kind


@pytest.mark.parametrize(
    "text",
    [
        "Timed out",
        "Please try again",
        "Internal error: incorrect service ID",
        "Database error",
        "Something went wrong",
        "Your order is processing",
        "Down for maintenance",
        "Blub",
        "",
    ],
)
def test_vague_text_proves_nothing(text: str) -> None:
    """Panels have said so and placed the order all the same (U17)."""
    assert error_kind(text) is None


def test_providers_own_texts_go_first() -> None:
    """What an operator has learnt of one panel counts before the common catalogue, vague or not."""
    own = {"Try again with money": RejectKind.FUNDS}
    assert error_kind("try again, with MONEY!", own) is RejectKind.FUNDS
    assert error_kind("Bad link", own) is RejectKind.LINK


def test_folding_keeps_letters_alone() -> None:
    """Punctuation, digits and case are how spellings differ."""
    assert fold_text(" Quantity-less_than 100! ") == "quantity less than"


def test_users_fault_is_what_every_panel_would_refuse() -> None:
    """Link, quantity and fields; never our own money or key."""
    assert {RejectKind.LINK, RejectKind.QUANTITY, RejectKind.FIELD} == USERS_FAULT


def test_nothing_said_is_vague() -> None:
    """No letter, no proof."""
    assert is_vague("12!")
    assert is_vague("Please TRY AGAIN.")
    assert not is_vague("Blub")
