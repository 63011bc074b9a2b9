"""Dialects are data: the defaults are the contract, a misspelt field is refused, a placeholder is filled in whole."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.dialects import (
    CAPABILITIES,
    STANDARD,
    STANDARD_PROVIDER,
    Mark,
    ProviderDialect,
    fill,
    placeholders,
    read_date,
    written_date,
)


def test_defaults_are_the_contract() -> None:
    """Who says nothing is answered and asked as PROTOCOL.md section 1 has it."""
    assert (STANDARD.name, STANDARD.order_id, STANDARD.escaped_newlines) == ("standard", "string", False)
    assert (STANDARD_PROVIDER.method, STANDARD_PROVIDER.body, STANDARD_PROVIDER.batch) == ("POST", "form", 100)
    assert STANDARD_PROVIDER.lacks == ()


def test_misspelt_field_is_refused() -> None:
    """A dialect with a field nobody knows would silently not do what was meant."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"metod": "GET"}, ProviderDialect)


@pytest.mark.parametrize("name", CAPABILITIES)
def test_what_a_panel_cannot_do_is_told_by_name(name: str) -> None:
    """One flag, one word."""
    assert msgspec.structs.replace(STANDARD_PROVIDER, **{name: False}).lacks == (name,)


@pytest.mark.parametrize(
    ("text", "names", "filled"),
    [
        ("{order}", ("order",), "7"),
        ("gw-{order}-{attempt}", ("order", "attempt"), "gw-7-9"),
        ("plain", (), "plain"),
        ("a {b c} d", (), "a {b c} d"),
    ],
)
def test_q67_placeholders_are_filled_in(text: str, names: tuple[str, ...], filled: str) -> None:
    """Each by its value, and a brace that holds no word is a brace."""
    assert placeholders(text) == names
    assert fill(text, Mark(order="7", attempt="9")) == filled


@pytest.mark.parametrize("text", ["{}", "{Order}", "{x}"])
def test_placeholder_nobody_knows_is_seen(text: str) -> None:
    """So that the check at the start refuses it, and nothing is ever sent with it."""
    assert placeholders(text) == (text[1:-1],)
    with pytest.raises(KeyError):
        fill(text, Mark(order="7", attempt="9"))


@pytest.mark.parametrize(
    ("date_format", "written"),
    [
        ("d/m/Y", "05/11/2026"),
        ("m/d/Y", "11/05/2026"),
        ("Y-m-d", "2026-11-05"),
        ("d-m-Y", "05-11-2026"),
        ("d.m.Y", "05.11.2026"),
    ],
)
def test_date_is_written_as_a_panel_wants_it(date_format: str, written: str) -> None:
    """Two digits, two digits, four; and read back it is the contract's."""
    assert written_date(" 5/11/2026 ", date_format) == written
    assert read_date(written, date_format) == "05/11/2026"


@given(st.text(max_size=20), st.sampled_from(["d/m/Y", "Y-m-d"]))
def test_what_is_no_date_stays_as_it_is(text: str, date_format: str) -> None:
    """It is the panel's to refuse."""
    if "/" not in text:
        assert written_date(text, date_format) == text
    if "/" not in text and "-" not in text:
        assert read_date(text, date_format) == text
