"""Single values of strangers: read exactly, or not at all."""

from decimal import Decimal

import pytest

from gateway.core.lenient import Json
from gateway.core.scalars import IDS_READ_MAX, as_decimal, as_flag, as_id, as_ids, as_text, as_whole, first_of, plain


@pytest.mark.parametrize(
    ("value", "found"),
    [(123, "123"), ("123", "123"), (" EXT-200 ", "EXT-200"), (2**70, str(2**70)), ("a.b:c_d-1", "a.b:c_d-1")],
)
def test_id_is_kept_as_text(value: Json, found: str) -> None:
    """Numbers of any size and the texts panels use (Q41)."""
    assert as_id(value) == found


@pytest.mark.parametrize(
    "value",
    [
        0,
        -5,
        "",
        "0",
        "000",
        "null",
        "None",
        "false",
        True,
        False,
        None,
        [],
        [7],
        {},
        Decimal("1.5"),
        "١٢",
        "a b",
        "x" * 65,
    ],
)
def test_what_is_no_id_is_none(value: Json) -> None:
    """Every unusable id that has been met: nobody's order must become ours by a conversion (Q44)."""
    assert as_id(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1,000.50", "1000.5"),
        ("1 000", "1000"),
        ("1٬000", "1000"),
        (Decimal("1.0450000000000002"), "1.045"),
        (Decimal("1.0e-5"), "0.00001"),
        ("1.0e-5", "0.00001"),
        (100, "100"),
        ("-0", "0"),
        ("-3.50", "-3.5"),
        ("5.", "5"),
        (0, "0"),
    ],
)
def test_figure_is_plain_and_without_noise(value: Json, text: str) -> None:
    """Separators, noise of floats and exponents are gone, every real digit is there (Q50, Q51)."""
    assert plain(value) == text


@pytest.mark.parametrize(
    "value", [None, "", "Unknown", True, [], {}, "1.2.3", "x" * 99, Decimal("NaN"), "1e999", Decimal("1e-40"), "0x1"]
)
def test_unknown_is_not_nought(value: Json) -> None:
    """What is no figure is None (Q49)."""
    assert as_decimal(value) is None
    assert plain(value) is None
    assert as_whole(value) is None


def test_lone_comma_is_a_point_only_where_the_dialect_says_so() -> None:
    """`0,90` is ninety hundredths or ninety: only the operator can tell (Q50)."""
    assert plain("0,90") == "90"
    assert plain("0,90", decimal_comma=True) == "0.9"
    assert plain("1,000.5", decimal_comma=True) == "1000.5"


def test_whole_number_is_whole() -> None:
    """A part of a piece is no piece; a negative number is one."""
    assert (as_whole("12.0"), as_whole("-5"), as_whole("1.5")) == (12, -5, None)


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, True),
        (0, False),
        (1, True),
        ("yes", True),
        ("0", False),
        ("", False),
        ("maybe", None),
        (None, None),
        ([], None),
    ],
)
def test_flag_has_three_values(value: Json, flag: bool | None) -> None:
    """Yes, no, and not said (Q55)."""
    assert as_flag(value) is flag


def test_text_is_text_or_a_number() -> None:
    """A name that is a number is still a name."""
    assert (as_text("a"), as_text(5), as_text(Decimal("1.50"))) == ("a", "5", "1.50")
    assert (as_text(True), as_text(None), as_text([])) == (None, None, None)


def test_first_of_several_names() -> None:
    """The first name that has something; null is nothing."""
    assert first_of({"a": None, "b": 2, "c": 3}, ("a", "b", "c")) == 2
    assert first_of({"a": None}, ("a",)) is None
    assert first_of([], ("a",)) is None


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (["12", 13, " EXT-1 "], ("12", "13", "EXT-1")),
        ([{"order": 12}, {"order_id": "13"}, {"id": "14", "status": "Completed"}], ("12", "13", "14")),
        ({"0": "12", "1": 13}, ("12", "13")),
        ("12, 13,14", ("12", "13", "14")),
        (12, ("12",)),
        (["12", 12, "12"], ("12",)),
        ([], ()),
        ({}, ()),
        ("", ()),
        (" ", ()),
        (None, None),
        (["12", None], None),
        (["12", "none"], None),
        ([["12"]], None),
        ([{"status": "Completed"}], None),
        ("12,", None),
        (True, None),
        ([str(n) for n in range(1, IDS_READ_MAX + 2)], None),
    ],
)
def test_ids_are_read_whole_or_not_at_all(value: Json, ids: tuple[str, ...] | None) -> None:
    """In any spelling of a list, each once; where one cannot be read, nothing is said of how many there are."""
    assert as_ids(value) == ids
