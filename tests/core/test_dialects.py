"""Dialects are data: the defaults are the contract, a misspelt field is refused."""

import msgspec
import pytest

from gateway.core.dialects import STANDARD, STANDARD_PROVIDER, ProviderDialect


def test_defaults_are_the_contract() -> None:
    """Who says nothing is answered and asked as PROTOCOL.md section 1 has it."""
    assert (STANDARD.name, STANDARD.order_id, STANDARD.escaped_newlines) == ("standard", "string", False)
    assert (STANDARD_PROVIDER.method, STANDARD_PROVIDER.body, STANDARD_PROVIDER.status_batch_max) == (
        "POST",
        "form",
        100,
    )


def test_misspelt_field_is_refused() -> None:
    """A dialect with a field nobody knows would silently not do what was meant."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"metod": "GET"}, ProviderDialect)
