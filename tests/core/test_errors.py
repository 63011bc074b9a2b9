"""Errors carry the answer's text, which is part of the contract."""

from gateway.core.errors import (
    GatewayError,
    InvalidOrder,
    text_incorrect_field,
    text_less_than_minimum,
    text_more_than_maximum,
)


def test_request_error_carries_the_answer() -> None:
    """What is raised deep in the rules is what the caller reads."""
    error = InvalidOrder(text_less_than_minimum(10))
    assert error.text == str(error) == "Quantity less than minimal 10"
    assert isinstance(error, GatewayError)


def test_texts_name_the_bound_and_the_field() -> None:
    """The texts that panels match on."""
    assert text_more_than_maximum(500) == "Quantity more than maximum 500"
    assert text_incorrect_field("runs") == "Incorrect runs"
