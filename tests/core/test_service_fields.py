"""Service fields: each field's text is read as callers write it, or refused by its name."""

from datetime import date

import pytest

from gateway.core.errors import InvalidOrder
from gateway.core.fields import BODY_MAX
from gateway.core.service_fields import (
    FIELDS,
    LINE_MAX,
    LINES_MAX,
    LIST_FIELDS,
    Field,
    field_named,
    left_out,
    read_day,
    read_quantity,
    read_value,
    split_lines,
)


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


def test_lines_are_parted_by_any_line_end() -> None:
    """CRLF, LF and CR, empty lines dropped, each trimmed (Q15)."""
    assert split_lines("a\r\n\r\n b \rc\n\n") == ("a", "b", "c")


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_example_of_each_field_is_a_value_of_it(field: Field) -> None:
    """What users are shown is taken, and reading what was read changes nothing."""
    once = read_value(field, f" {field.example} ")
    assert once == field.example
    assert read_value(field, once) == once
    assert field.about
    assert not field.about.endswith(".")


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_field_that_is_not_there_is_refused_by_its_name(field: Field) -> None:
    """`Incorrect <field>`, for every field alike."""
    for text in ("", "  ", "\r\n"):
        with pytest.raises(InvalidOrder) as caught:
            read_value(field, text)
        assert caught.value.text == f"Incorrect {field.name}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("link", "x" * (LINE_MAX + 1)),
        ("link", "https://x.example/\nhttps://y.example/"),
        ("username", "some\tone"),
        ("comments", "a\n" * (LINES_MAX + 1)),
        ("runs", "10001"),
        ("interval", "10081"),
        ("answer_number", "1001"),
        ("answer_number", "first"),
        ("device", "6"),
        ("device", "0"),
        ("type_of_traffic", "4"),
        ("quantity", "2147483648"),
        ("posts", "1001"),
        ("delay", "7"),
        ("delay", "05"),
        ("expiry", "2027-01-31"),
        ("expiry", "31/01/27"),
        ("expiry", "29/02/2027"),
    ],
)
def test_value_out_of_its_field_is_refused(name: str, text: str) -> None:
    """Too long, of more than one line, over the largest number or none of the choices."""
    with pytest.raises(InvalidOrder) as caught:
        read_value(FIELDS[name], text)
    assert caught.value.text == f"Incorrect {name}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("link", "  https://x.example/a  ", "https://x.example/a"),
        ("quantity", "1,000.0", "1000"),
        ("comments", "one\r\n\r\n two \rthree", "one\ntwo\nthree"),
        ("device", " 5 ", "5"),
        ("country", "United States", "United States"),
        ("delay", " 90 ", "90"),
        ("expiry", " 1/2/2027 ", "01/02/2027"),
        ("expiry", "29/02/2028", "29/02/2028"),
    ],
)
def test_value_is_sent_on_as_panels_read_it(name: str, text: str, value: str) -> None:
    """Trimmed, plain numbers, one line end."""
    assert read_value(FIELDS[name], text) == value


def test_what_may_be_missing_is_missing_when_nothing_is_said() -> None:
    """Nothing, blanks, and for a number nought; a field that has to be there is never missing, only wrong."""
    old_posts, expiry, posts = (FIELDS[name] for name in ("old_posts", "expiry", "posts"))
    assert [left_out(old_posts, text) for text in ("", " ", " 0 ", "1", "x")] == [True, True, True, False, False]
    assert [left_out(expiry, text) for text in ("", "0", "1/2/2027")] == [True, False, False]
    assert not any(left_out(posts, text) for text in ("", "0"))
    assert [field.name for field in FIELDS.values() if field.optional] == ["old_posts", "expiry"]


def test_day_is_read_as_a_day() -> None:
    """With or without noughts before it, and only one that exists."""
    assert read_day("1/2/2027") == read_day("01/02/2027") == date(2027, 2, 1)
    assert [read_day(text) for text in ("", "31/4/2027", "1/13/2027", "1/2/0000", "1-2-2027")] == [None] * 5


def test_lists_are_known_by_what_they_hold() -> None:
    """Exactly these may have their line ends written as two characters (Q15); the longest list fits a body."""
    assert {"comments", "usernames", "hashtags", "keywords", "groups"} == LIST_FIELDS
    assert LINES_MAX * 25 < BODY_MAX


def test_field_that_needs_another_names_one_that_stands_before_it() -> None:
    """A field's need is decided by what was read already, and by a value that the other field can have."""
    names = list(FIELDS)
    needy = [field for field in FIELDS.values() if field.needs is not None]
    assert [field.name for field in needy] == ["google_keyword", "referring_url"]
    for field in needy:
        assert field.needs is not None
        other, value = field.needs
        assert names.index(other) < names.index(field.name)
        assert read_value(FIELDS[other], value) == value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *((f"Incorrect {name}", name) for name in FIELDS),
        ("INVALID  Comments!", "comments"),
        ("Comments field is required", "comments"),
        ("error: answer number is required", "answer_number"),
        ("Incorrect hashtags", "hashtags"),
        ("Incorrect username. Invalid hashtag.", None),
        ("Incorrect request", None),
        ("Incorrect panel-a key 123", None),
        ("HTTP 413: your media are too large for this device", None),
        ("", None),
    ],
)
def test_field_that_a_panel_finds_fault_with_is_known(text: str, name: str | None) -> None:
    """By one name of ours in a panel's usual words; nothing else of what it says is looked at."""
    assert field_named(text) == name
