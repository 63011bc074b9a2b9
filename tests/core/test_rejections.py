"""Error texts: what they prove, and that vague ones prove nothing."""

import pytest

from gateway.core.rejections import (
    USERS_FAULT,
    RejectKind,
    denies_order,
    error_kind,
    fold_text,
    is_vague,
    proves_nothing,
    recognised,
)


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
        ("Order not eligible for cancellation.", RejectKind.ORDER),
        ("Order not eligible for refill.", RejectKind.ORDER),
        ("Refill Request Not found", RejectKind.ORDER),
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


def test_order_that_cannot_be_canceled_is_not_denied() -> None:
    """It is there; only what says that there is none denies it, in the panel's own words as well."""
    own = {"never heard of it": RejectKind.ORDER}
    for text in ("Incorrect order ID", "Order not found", "We have never heard of it"):
        assert denies_order(text, own)
    for text in ("Order not eligible for cancellation.", "Order not eligible for refill.", "Refill Request Not found"):
        assert not denies_order(text, own)
    assert not denies_order("Incorrect order ID, try again", {})
    assert not denies_order("Bad link", own)


def test_providers_own_texts_go_first() -> None:
    """What an operator has learnt of one panel counts before the common catalogue, vague or not."""
    own = {"Try again with money": RejectKind.FUNDS}
    assert error_kind("try again, with MONEY!", own) is RejectKind.FUNDS
    assert error_kind("Bad link", own) is RejectKind.LINK


def test_text_without_a_letter_is_no_part_of_every_text() -> None:
    """`404` folds to nothing, which stands in everything."""
    assert error_kind("Try again later", {"404": RejectKind.SERVICE}) is None


CLASSIFIED = {"account # is private": RejectKind.LINK, "please wait #": None, "closed temporarily": RejectKind.SERVICE}


def test_classified_text_means_what_was_said_in_all_its_variants() -> None:
    """A person's word on a pattern; the provider's file goes before it."""
    assert error_kind("Account 17 is private", None, CLASSIFIED) is RejectKind.LINK
    assert error_kind("ACCOUNT ab-12  is private", {}, CLASSIFIED) is RejectKind.LINK
    assert error_kind("Account 17 is private", {"private": RejectKind.FIELD}, CLASSIFIED) is RejectKind.FIELD
    assert error_kind("Account 17 is private now", None, CLASSIFIED) is None
    assert error_kind("closed temporarily", None, CLASSIFIED) is RejectKind.SERVICE


def test_classified_text_is_no_refusal_where_what_it_leaves_out_is_vague() -> None:
    """Nobody has judged what stands in a number's place."""
    assert error_kind("Account try-again-1 is private", None, CLASSIFIED) is None
    assert not recognised("Account try-again-1 is private", {}, CLASSIFIED)


def test_text_that_was_said_to_prove_nothing_is_known_and_proves_nothing() -> None:
    """It is not collected any more, and a policy for unknown texts does not hold for it."""
    assert error_kind("Please wait 5", None, CLASSIFIED) is None
    assert recognised("Please wait 5", {}, CLASSIFIED)
    assert proves_nothing("Please wait 5", CLASSIFIED)
    assert not proves_nothing("Account 17 is private", CLASSIFIED)
    assert not proves_nothing("Blub", CLASSIFIED)


def test_known_text_is_recognised_wherever_it_is_known() -> None:
    """By the table, by the provider's file, by a person; not by anybody else."""
    assert recognised("Bad link", {}, {})
    assert recognised("Blub", {"blub": RejectKind.LINK}, {})
    assert recognised("Account 1 is private", {}, CLASSIFIED)
    assert not recognised("Blub", {}, {})


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
