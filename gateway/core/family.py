"""Families: which kind of panel gave these answers, and the lines of providers.yaml that say so.

Judged from what a probe may ask: the balance, the list, and the status of orders that nobody has. What only an order
would show (its id's name, what a refill is answered) stays as the family's pages have it, and is told as not seen.
"""

import json
import re
from typing import Final

import msgspec

from gateway.core.answers import read_reply
from gateway.core.dialects import ProviderDialect
from gateway.core.lenient import Json, NotJson, parse_json
from gateway.core.messages import (
    BalanceReply,
    BalanceRequest,
    MultiStatusReply,
    MultiStatusRequest,
    Reply,
    Request,
    ServicesReply,
    ServicesRequest,
    Unreadable,
)
from gateway.core.presets import PRESETS

# Ids that nobody has: the last ones a panel can give out.
NOBODYS: Final = ("2147483646", "2147483647")
_TYPE: Final = re.compile(r'"type"\s*:\s*"([^"]*)"')
_FLAG: Final = re.compile(r'"(dripfeed|refill|cancel)"\s*:\s*("?[A-Za-z0-9]*"?)')
_COMMA_RATE: Final = re.compile(r'"(?:rate|price)"\s*:\s*"[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})"')


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a panel answered, in which dialect it was asked; None where it was not asked, or did not answer."""

    dialect: ProviderDialect
    balance: bytes | None = None
    services: bytes | None = None
    many: bytes | None = None  # the status of NOBODYS, in one call


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out."""

    dialect: ProviderDialect
    currency: str = ""
    saw: tuple[str, ...] = ()  # sentences for the operator


def family_of(heard: Heard) -> Family:
    """The nearest preset, with what this panel does otherwise."""
    text = (heard.services or b"").decode("utf-8", "replace")
    comma = _COMMA_RATE.search(text) is not None
    asked = msgspec.structs.replace(heard.dialect, decimal_comma=comma)
    many = _many(heard, asked)
    name = _preset(heard, text)
    base = PRESETS[name].dialect
    flags = {flag for flag, value in _FLAG.findall(text) if value.strip('"').lower() in ("1", "true", "yes")}
    found = msgspec.structs.replace(
        asked,
        preset=name,
        multi_status=many is not None,
        multi_refill_status=base.multi_refill_status,
        refill=base.refill or "refill" in flags,
        cancel=base.cancel or "cancel" in flags,
        balance=heard.balance is not None,
    )
    balance = None if heard.balance is None else read_reply(BalanceRequest(), heard.balance, found)
    currency = balance.currency if isinstance(balance, BalanceReply) else ""
    return Family(dialect=found, currency=currency, saw=_sentences(heard, found, many, balance=balance))


def understood(request: Request, body: bytes, dialect: ProviderDialect) -> bool:
    """Whether an answer to a question about the balance or the list is that, and no error."""
    reply: Reply | Unreadable = read_reply(request, body, dialect)
    return isinstance(reply, BalanceReply) or (isinstance(reply, ServicesReply) and bool(reply.services))


def dialect_line(dialect: ProviderDialect) -> str:
    """A dialect as providers.yaml has it; empty for the contract itself."""
    base = PRESETS[dialect.preset].dialect
    names = [field.name for field in msgspec.structs.fields(dialect)]
    own = {name: getattr(dialect, name) for name in names if getattr(dialect, name) != getattr(base, name)}
    if not own:
        return "" if dialect.preset == "perfectpanel" else f"dialect: {dialect.preset}"
    # JSON of texts, numbers and flags is YAML as well.
    said = ", ".join(f"{name}: {json.dumps(value)}" for name, value in own.items())
    return f"dialect: {{preset: {dialect.preset}, {said}}}"


def _preset(heard: Heard, text: str) -> str:
    """The family whose habits the answers show; the first that fits, the most telling first."""
    many = _value(heard.many)
    balance = _value(heard.balance)
    if isinstance(many, dict) and any(isinstance(many.get(each), str) for each in NOBODYS):
        return "smartpanel"
    if isinstance(balance, dict) and str(balance.get("status")).lower() == "success":
        return "smartpanel"
    services = _value(heard.services)
    if heard.dialect.body == "json" or (isinstance(services, dict) and "success" in services):
        return "json"
    types = _TYPE.findall(text)
    if types and all(each == each.lower() for each in types):
        return "rentalpanel" if _FLAG.search(text) else "legacy"
    return "perfectpanel"


def _many(heard: Heard, dialect: ProviderDialect) -> MultiStatusReply | None:
    """The answer for each of several ids, or None where there was none."""
    if heard.many is None:
        return None
    reply = read_reply(MultiStatusRequest(NOBODYS), heard.many, dialect)
    return reply if isinstance(reply, MultiStatusReply) else None


def _sentences(
    heard: Heard, found: ProviderDialect, many: MultiStatusReply | None, *, balance: Reply | Unreadable | None
) -> tuple[str, ...]:
    told = []
    if isinstance(balance, BalanceReply):
        told.append(f"balance: {balance.balance} {balance.currency or 'in a currency it does not name'}")
    else:
        told.append("balance: no answer")
    listed = None if heard.services is None else read_reply(ServicesRequest(), heard.services, found)
    if isinstance(listed, ServicesReply):
        left = f", {len(listed.unreadable)} rows that cannot be read" if listed.unreadable else ""
        told.append(f"services: {len(listed.services)}{left}")
    else:
        told.append("services: no list")
    if many is None:
        told.append("status of two orders: no answer for each, so each order will be asked about by itself")
    else:
        told.append(f"status of two orders: answered for {len(many.orders)} of 2")
    told += [f"{name}: not in use; the list offers none, and it was not tried" for name in found.lacks if name in _TOLD]
    told.append(f"family: {found.preset}, {PRESETS[found.preset].about}")
    return tuple(told)


_TOLD: Final = ("refill", "cancel")


def _value(body: bytes | None) -> Json:
    try:
        return None if body is None else parse_json(body, strict=False)
    except NotJson:
        return None
