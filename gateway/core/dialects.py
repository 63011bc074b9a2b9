"""Dialects: what one panel, above or below us, does differently from the contract, as data.

The contract itself is PROTOCOL.md section 1. A user's dialect says how that user wants to be answered; a provider's
dialect says how that provider wants to be asked. No code anywhere asks for a panel's name.
"""

from typing import Literal

import msgspec


class UserDialect(msgspec.Struct, frozen=True, kw_only=True):
    """How one user is answered; the defaults are the contract."""

    # `legacy` says `Cancelled`, lower-case types (`custom_comments`) and a JSON number for `charge` in multi-status.
    name: Literal["standard", "legacy"] = "standard"
    order_id: Literal["string", "number"] = "string"  # what `add` answers the id as
    escaped_newlines: bool = False  # whether the two characters `\n` part the lines of a list (Q15)


class ProviderDialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one provider is asked and how its answers are to be read; the defaults are the contract."""

    method: Literal["POST", "GET"] = "POST"  # GET puts every field into the query string, whatever `body` says
    body: Literal["form", "json"] = "form"
    key_field: str = "key"
    action_field: str = "action"
    # Other names for actions, of our seven: {"services": "packages"}.
    actions: dict[str, str] = {}
    # Fields sent with every call beside the action's own: {"version": "2"}.
    extra_fields: dict[str, str] = {}
    headers: dict[str, str] = {}
    # Whether `status` takes `orders=1,2,3`; without it each order is asked by itself (Q46).
    multi_status: bool = True
    status_batch_max: int = 100  # ids in one `status` call
    # Numeric status codes of this panel: {"1": "Processing"} (Q47).
    status_codes: dict[str, str] = {}
    decimal_comma: bool = False  # whether a lone comma in a number is a decimal point (Q50)


STANDARD = UserDialect()
STANDARD_PROVIDER = ProviderDialect()
