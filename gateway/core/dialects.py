"""Dialects: what one panel, above or below us, does differently from the contract, as data.

The contract itself is PROTOCOL.md section 1. A user's dialect says how that user wants to be answered; a provider's
dialect says how that provider wants to be asked. No code anywhere asks for a panel's name.
"""

import re
from decimal import Decimal
from typing import Final, Literal

import msgspec

from gateway.core.messages import Action, StatusWord
from gateway.core.service_fields import FIELDS


class UserDialect(msgspec.Struct, frozen=True, kw_only=True):
    """How one user is answered; the defaults are the contract."""

    # `legacy` says `Cancelled`, lower-case types (`custom_comments`) and a JSON number for `charge` in multi-status.
    name: Literal["standard", "legacy"] = "standard"
    order_id: Literal["string", "number"] = "string"  # what `add` answers the id as
    escaped_newlines: bool = False  # whether the two characters `\n` part the lines of a list (Q15)
    average_time: bool = False  # whether each service of the list has one; the contract has not (Q69)


class ProviderDialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one provider is asked and how its answers are to be read; the defaults are the contract.

    Nothing here makes an answer to `add` mean more than it says: an alias only adds a place where an order's id may
    stand, and what speaks against an acceptance (core/outcome.py) does so wherever it stands.
    """

    # Which family of panels it started from; core/presets.py has what each says.
    preset: Literal["perfectpanel", "legacy", "smartpanel", "rentalpanel", "json"] = "perfectpanel"
    method: Literal["POST", "GET"] = "POST"  # GET puts every field into the query string, whatever `body` says
    body: Literal["form", "json", "query"] = "form"  # `query`: in the query string of a POST without a body
    key_field: str = "key"
    key_header: str = ""  # the header that carries the key, in place of the field
    key_scheme: str = ""  # what stands before the key in that header: `Bearer`
    action_field: str = "action"
    # Other names for our actions: {"services": "packages"}; `multi_status` where many ids have one of their own.
    actions: dict[str, str] = {}
    # Other names for the fields of a request: {"link": "url", "order": "order_id"}.
    fields: dict[str, str] = {}
    # Fields sent with every call beside the action's own: {"version": "2"}.
    extra_fields: dict[str, str] = {}
    # The same with `add` alone, where {order} and {attempt} stand for our numbers of what is sent (Q67).
    add_fields: dict[str, str] = {}
    headers: dict[str, str] = {}
    # Other names for what an answer says, a dot going one level down: {"order": "data.trx", "remains": "left"} (Q48).
    replies: dict[str, str] = {}
    # Status words and numeric codes of its own: {"1": "Processing"} (Q47).
    statuses: dict[str, StatusWord] = {}
    decimal_comma: bool = False  # whether a lone comma in a number is a decimal point (Q50)
    date_format: Literal["d/m/Y", "m/d/Y", "Y-m-d", "d-m-Y", "d.m.Y"] = "d/m/Y"  # of `expiry`
    # What it can do. Whatever it cannot is never asked of it.
    multi_status: bool = True  # `status` with `orders=1,2,3`; without it each order is asked by itself (Q46)
    multi_refill_status: bool = True  # `refill_status` with `refills=1,2,3`
    refill: bool = True
    cancel: bool = True
    balance: bool = True
    batch: int = 100  # ids in one call
    requests_per_second: Decimal = Decimal(10)  # calls it bears; a provider's own figure goes before it

    @property
    def lacks(self) -> tuple[str, ...]:
        """What it cannot do, by the fields' names."""
        return tuple(name for name in CAPABILITIES if not getattr(self, name))


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Our own numbers of what is sent, for a panel that wants one with every `add`; the same however often it is."""

    order: str
    attempt: str


CAPABILITIES: Final = ("multi_status", "multi_refill_status", "refill", "cancel", "balance")
# What `actions` may name.
ACTION_NAMES: Final = (*(action.value for action in Action), "multi_status")
# What `fields` may name: the ids, and every field of an order.
REQUEST_FIELDS: Final = (
    *("service", "order", "orders", "refill", "refills"),
    *FIELDS,
)
# What `replies` may name.
REPLY_FIELDS: Final = ("order", "refill", "status", "start_count", "remains", "charge", "currency", "balance")
# Names that mean something else in every panel's answer to `add`; an order's id is not looked for under them.
NO_ORDER_NAMES: Final = frozenset(
    {"error", "errors", "message", "msg", "status", "success", "code", "service", "quantity", "link", "user"}
    | {"charge", "price", "cost", "rate", "balance", "currency", "remains", "start_count", "refill", "time"}
)
PLACEHOLDERS: Final = tuple(field.name for field in msgspec.structs.fields(Mark))
_PLACEHOLDER: Final = re.compile(r"\{(\w*)\}", re.ASCII)
_DATE: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", re.ASCII)

STANDARD = UserDialect()
STANDARD_PROVIDER = ProviderDialect()


def placeholders(text: str) -> tuple[str, ...]:
    """The names in braces that a text has, known or not."""
    return tuple(_PLACEHOLDER.findall(text))


def fill(text: str, mark: Mark) -> str:
    """A text with its placeholders filled in; raises KeyError for one that PLACEHOLDERS has not."""
    values = {"order": mark.order, "attempt": mark.attempt}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def written_date(text: str, date_format: str) -> str:
    """A date of the contract, d/m/Y, as a panel wants it; what is no such date stays as it is."""
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return text
    parts = {"d": found[1].zfill(2), "m": found[2].zfill(2), "Y": found[3]}
    return "".join(parts.get(letter, letter) for letter in date_format)


def read_date(text: str, date_format: str) -> str:
    """The twin of `written_date`."""
    pattern = "".join(_DATE_PARTS.get(letter, re.escape(letter)) for letter in date_format)
    found = re.fullmatch(pattern, text, re.ASCII)
    return text if found is None else f"{found['d']}/{found['m']}/{found['Y']}"


_DATE_PARTS: Final = {"d": "(?P<d>[0-9]{2})", "m": "(?P<m>[0-9]{2})", "Y": "(?P<Y>[0-9]{4})"}
