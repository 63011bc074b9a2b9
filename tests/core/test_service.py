"""Service types: which fields, what is billed, which bounds."""

import pytest

from gateway.core.errors import InvalidOrder
from gateway.core.service import (
    LINES_MAX,
    Limits,
    ServiceType,
    find_type,
    fold,
    read_details,
    read_quantity,
    split_lines,
)

LIMITS = Limits(min=10, max=1000, dripfeed=True)
LINK = ("link", " https://x.example/a ")


def type_named(name: str) -> ServiceType:
    """A type that exists."""
    found = find_type(name)
    assert found is not None
    return found


DEFAULT, PACKAGE, COMMENTS = (type_named(name) for name in ("Default", "Package", "Custom Comments"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("default", "Default"),
        ("", "Default"),
        ("  ", "Default"),
        ("custom_comments", "Custom Comments"),
        ("CUSTOM-COMMENTS", "Custom Comments"),
        ("Special comments", "Custom Comments"),
        ("Package", "Package"),
        ("Hologram", None),
    ],
)
def test_type_is_known_in_any_spelling(text: str, name: str | None) -> None:
    """Case, `_`, `-` and spaces mean nothing; no word is Default; an unknown word is no type (Q58)."""
    found = find_type(text)
    assert (found.name if found else None) == name
    assert fold("Custom_Com-ments ") == "customcomments"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (" 1000 ", 1000),
        ("1,000", 1000),
        ("1 000 000", 1_000_000),
        ("100.0", 100),
        ("0", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("0x10", None),
        ("٥", None),
        ("1,00", None),
        ("", None),
        ("9" * 13, None),
        ("2147483648", None),
    ],
)
def test_q16_quantity_is_read_as_callers_write_it(text: str, number: int | None) -> None:
    """Spaces, thousands separators and a vain decimal point are dropped; everything else is no quantity."""
    assert read_quantity(text) == number


def test_plain_order_is_billed_by_quantity() -> None:
    """Link and quantity, trimmed, and nothing else goes to the panel (Q21)."""
    details = read_details(DEFAULT, LIMITS, (LINK, ("quantity", "1,000"), ("rate", "0"), ("comments", "x")))
    assert details.fields == (("link", "https://x.example/a"), ("quantity", "1000"))
    assert (details.quantity, details.billable, details.per_run, details.runs, details.flat) == (
        1000,
        1000,
        1000,
        None,
        False,
    )


def test_drip_feed_is_billed_for_all_runs() -> None:
    """Quantity is per run; all runs are billed and delivered."""
    fields = (LINK, ("quantity", "100"), ("runs", "5"), ("interval", "60"))
    details = read_details(DEFAULT, LIMITS, fields)
    assert (details.quantity, details.billable, details.per_run, details.runs, details.interval) == (
        500,
        500,
        100,
        5,
        60,
    )
    assert details.fields[1:] == (("quantity", "100"), ("runs", "5"), ("interval", "60"))


def test_noughts_for_drip_feed_mean_none() -> None:
    """Some callers always send both fields."""
    details = read_details(DEFAULT, Limits(min=1, max=10), (LINK, ("quantity", "5"), ("runs", "0"), ("interval", "0")))
    assert details.runs is None


@pytest.mark.parametrize(
    ("fields", "limits", "text"),
    [
        ((("quantity", "10"),), LIMITS, "Incorrect link"),
        ((("link", "x" * 2049), ("quantity", "10")), LIMITS, "Incorrect link"),
        ((LINK,), LIMITS, "Incorrect quantity"),
        ((LINK, ("quantity", "9")), LIMITS, "Quantity less than minimal 10"),
        ((LINK, ("quantity", "1001")), LIMITS, "Quantity more than maximum 1000"),
        ((LINK, ("quantity", "500"), ("runs", "3"), ("interval", "1")), LIMITS, "Quantity more than maximum 1000"),
        ((LINK, ("quantity", "10"), ("runs", "3")), LIMITS, "Incorrect interval"),
        ((LINK, ("quantity", "10"), ("interval", "3")), LIMITS, "Incorrect runs"),
        ((LINK, ("quantity", "10"), ("runs", "20000"), ("interval", "1")), LIMITS, "Incorrect runs"),
        ((LINK, ("quantity", "10"), ("runs", "2"), ("interval", "20000")), LIMITS, "Incorrect interval"),
        ((LINK, ("quantity", "10"), ("runs", "2"), ("interval", "1")), Limits(min=1, max=100), "Incorrect runs"),
    ],
)
def test_order_that_does_not_fit_is_refused_by_its_text(
    fields: tuple[tuple[str, str], ...], limits: Limits, text: str
) -> None:
    """The words panels know, with the bound that was broken."""
    with pytest.raises(InvalidOrder) as caught:
        read_details(DEFAULT, limits, fields)
    assert caught.value.text == text


def test_comments_are_counted_by_their_lines() -> None:
    """Lines that are not empty are billed, whatever ends them; `quantity` beside them is ignored (Q14, Q15)."""
    fields = (LINK, ("comments", "one\r\n\r\n two \rthree\nfour"), ("quantity", "999"))
    details = read_details(COMMENTS, Limits(min=1, max=10), fields)
    assert (details.quantity, details.billable) == (4, 4)
    assert details.fields == (("link", "https://x.example/a"), ("comments", "one\ntwo\nthree\nfour"))
    assert split_lines("a\n\nb") == ("a", "b")


@pytest.mark.parametrize(
    ("comments", "text"),
    [
        ("", "Incorrect comments"),
        (" \n ", "Incorrect comments"),
        ("a\n" * (LINES_MAX + 1), "Incorrect comments"),
        ("a\nb\nc", "Quantity more than maximum 2"),
    ],
)
def test_comments_that_do_not_fit_are_refused(comments: str, text: str) -> None:
    """None, too many to read, or more than the service takes."""
    with pytest.raises(InvalidOrder) as caught:
        read_details(COMMENTS, Limits(min=1, max=2), (LINK, ("comments", comments)))
    assert caught.value.text == text


def test_package_needs_a_link_alone() -> None:
    """One whole at a flat rate; a quantity is neither needed nor read (Q14)."""
    details = read_details(PACKAGE, Limits(min=1, max=1), (LINK, ("quantity", "5000")))
    assert (details.quantity, details.billable, details.flat, details.fields) == (
        1,
        1,
        True,
        (("link", LINK[1].strip()),),
    )
