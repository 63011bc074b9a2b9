"""Errors: the tree of everything this program raises, and the texts a user is answered with.

    GatewayError
     ├─ RequestError            a user's request cannot be done; carries the text of the answer
     │   └─ InvalidOrder        an `add` whose fields do not fit the service
     ├─ BadAmount               a text is no amount of money (core/money.py)
     ├─ NotJson                 bytes are no JSON we accept (core/lenient.py)
     ├─ StoreError …            the books (store/engine.py draws the rest)
     └─ SettingsError           what the operator wrote cannot be used (settings/)

A class is here only if somebody acts differently on it. An upstream's bad answer is no error: it is a value
(core/outcome.py, `Unreadable` in core/messages.py).
"""

from typing import Final

# The texts of PROTOCOL.md section 2. Panels match on some of them, so they are part of the contract, misspellings
# and full stops included; an upstream's own words are never passed on.
TEXT_INVALID_KEY: Final = "Invalid API key"
TEXT_INCORRECT_REQUEST: Final = "Incorrect request"
TEXT_INCORRECT_SERVICE: Final = "Incorrect service ID"
TEXT_INCORRECT_ORDER: Final = "Incorrect order ID"
TEXT_NOT_ENOUGH_FUNDS: Final = "Not enough funds on balance"
TEXT_INCORRECT_QUANTITY: Final = "Incorrect quantity"
TEXT_INCORRECT_LINK: Final = "Incorrect link"
TEXT_INVALID_IN_LIST: Final = "Invalid Request"
TEXT_REFILL_NOT_FOUND: Final = "Refill Request Not found"
TEXT_NOT_REFILLABLE: Final = "Order not eligible for refill."
TEXT_NOT_CANCELABLE: Final = "Order not eligible for cancellation."
TEXT_TOO_MANY_REQUESTS: Final = "Too many requests"
TEXT_UNAVAILABLE: Final = "Service temporarily unavailable"
TEXT_IDEMPOTENCY_REUSED: Final = "Idempotency key was used with other parameters"


def text_less_than_minimum(minimum: int) -> str:
    """The answer to a quantity under the service's minimum."""
    return f"Quantity less than minimal {minimum}"


def text_more_than_maximum(maximum: int) -> str:
    """The answer to a quantity over the service's maximum."""
    return f"Quantity more than maximum {maximum}"


def text_incorrect_field(field: str) -> str:
    """The answer to a field of an order that is missing or wrong; `field` is a name of ours, never a caller's text."""
    return f"Incorrect {field}"


class GatewayError(Exception):
    """Everything this program raises by itself."""


class RequestError(GatewayError):
    """A user's request cannot be done; `text` is the answer."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class InvalidOrder(RequestError):
    """The fields of an `add` do not fit its service."""
