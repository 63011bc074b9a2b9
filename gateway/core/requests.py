"""Requests: a caller's fields read into one of the protocol's messages, and a message written as a call of our own.

Two pairs of twins: `read_request` reads what any caller sends, `write_request` asks a provider in its dialect, and
`read_call` hears that call as the provider does: reading what was written gives the message back, in every dialect.
"""

from typing import Final, assert_never
from urllib.parse import urlencode

import msgspec

from gateway.core.dialects import Mark, ProviderDialect, fill, read_date, written_date
from gateway.core.errors import (
    TEXT_INCORRECT_ORDER,
    TEXT_INCORRECT_REQUEST,
    TEXT_INCORRECT_SERVICE,
    TEXT_REFILL_NOT_FOUND,
    RequestError,
)
from gateway.core.fields import KEY_FIELDS, Fields, HttpRequest, key_of, read_fields
from gateway.core.messages import (
    IDS_MAX,
    Action,
    AddRequest,
    BalanceRequest,
    CancelRequest,
    MultiCancelRequest,
    MultiRefillRequest,
    MultiRefillStatusRequest,
    MultiStatusRequest,
    OrderRefillStatusRequest,
    RefillRequest,
    RefillStatusRequest,
    Request,
    ServicesRequest,
    StatusRequest,
    action_of,
)
from gateway.core.service_fields import LIST_FIELDS

ID_CHARACTERS_MAX: Final = 64  # of one id in a request; ours have ten at most, and a reply repeats what was asked
IDEMPOTENCY_KEY_MAX: Final = 255  # RELIABILITY.md section 1.10

# Other names for `status` with many ids (Q8, Q9).
_MULTI_STATUS_NAMES: Final = frozenset({"orders", "multi_status", "multi-status", "statuses", "mass"})
_IDEMPOTENCY_FIELDS: Final = ("idempotency_key", "request_id")
_NOT_OF_THE_ORDER: Final = frozenset({*KEY_FIELDS, *_IDEMPOTENCY_FIELDS, "action", "service"})


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what."""

    key: str | None
    request: Request


def read_request(http: HttpRequest, *, escaped_newlines: bool = False) -> Asked:
    """The message in an HTTP request; raises RequestError with the answer's text.

    A server that knows keys reads in two steps, `read_fields` and `read_action`, so that a wrong key is answered
    before anything else is looked at.
    """
    fields = read_fields(http)
    return Asked(key=key_of(fields), request=read_action(fields, escaped_newlines=escaped_newlines))


def read_action(fields: Fields, *, escaped_newlines: bool = False) -> Request:
    r"""What is asked for; raises RequestError with the answer's text.

    `escaped_newlines`: the two characters `\n` part the lines of a list that has no real line end (Q15).
    """
    action = (_get(fields, "action") or "").strip().lower()
    if action in _MULTI_STATUS_NAMES:
        return MultiStatusRequest(_ids(_get(fields, "orders") or _get(fields, "order"), TEXT_INCORRECT_ORDER))
    match action:
        case Action.SERVICES:
            return ServicesRequest()
        case Action.BALANCE:
            return BalanceRequest()
        case Action.ADD:
            return _read_add(fields, escaped_newlines=escaped_newlines)
        case Action.STATUS:
            one, many = _order_or_orders(fields)
            return StatusRequest(one) if one is not None else MultiStatusRequest(many)
        case Action.REFILL:
            one, many = _order_or_orders(fields)
            return RefillRequest(one) if one is not None else MultiRefillRequest(many)
        case Action.CANCEL:
            one, many = _order_or_orders(fields)
            return CancelRequest(one) if one is not None else MultiCancelRequest(many)
        case Action.REFILL_STATUS:
            return _read_refill_status(fields)
        case _:
            raise RequestError(TEXT_INCORRECT_REQUEST)


def write_request(request: Request, key: str, dialect: ProviderDialect, *, mark: Mark | None = None) -> HttpRequest:
    """The call that asks a provider for something, in its dialect; `mark` is of the `add` that is sent."""
    pairs = [] if dialect.key_header else [(dialect.key_field, key)]
    pairs.append((dialect.action_field, _action_name(request, dialect)))
    pairs += [(dialect.fields.get(name, name), value) for name, value in _parameters(request, dialect)]
    pairs += dialect.extra_fields.items()
    if isinstance(request, AddRequest) and dialect.add_fields:
        assert mark is not None, "an add to a provider is marked by whoever sends it"
        pairs += [(name, fill(text, mark)) for name, text in dialect.add_fields.items()]
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in dialect.headers.items())
    if dialect.key_header:
        carried = f"{dialect.key_scheme} {key}".strip()
        headers = (*headers, (dialect.key_header.encode("latin-1"), carried.encode("latin-1")))
    if dialect.method == "GET" or dialect.body == "query":
        return HttpRequest(method=dialect.method, query=urlencode(pairs).encode(), headers=headers)
    if dialect.body == "json":
        json = ((b"content-type", b"application/json"), *headers)
        return HttpRequest(headers=json, body=msgspec.json.encode(dict(pairs)))
    form = ((b"content-type", b"application/x-www-form-urlencoded"), *headers)
    return HttpRequest(headers=form, body=urlencode(pairs).encode())


def read_call(http: HttpRequest, dialect: ProviderDialect) -> Asked:
    """What a provider of this dialect hears in a call; raises RequestError for one that is not in it."""
    values = dict(_in_place(http, dialect).values)
    key = _carried_key(http, dialect) if dialect.key_header else values.pop(dialect.key_field, None)
    for name, text in dialect.extra_fields.items():
        if values.pop(name, None) != text:
            raise RequestError(f"{TEXT_INCORRECT_REQUEST}: {name}")
    theirs = {_action_name_of(each, dialect): each for each in (*Action, "multi_status")}
    action = theirs.get(values.pop(dialect.action_field, ""), "")
    if action == Action.ADD:
        for name in dialect.add_fields:
            if values.pop(name, None) is None:
                raise RequestError(f"{TEXT_INCORRECT_REQUEST}: {name}")
    ours = {theirs: name for name, theirs in dialect.fields.items()}
    told = {ours.get(name, name): value for name, value in values.items()}
    if "expiry" in told:
        told["expiry"] = read_date(told["expiry"], dialect.date_format)
    return Asked(key=key, request=read_action(Fields(values={**told, "action": action})))


def _in_place(http: HttpRequest, dialect: ProviderDialect) -> Fields:
    """The fields of a call that came by the dialect's method and in its kind of body."""
    in_query = dialect.method == "GET" or dialect.body == "query"
    right = not http.body if in_query else http.body.startswith(b"{") == (dialect.body == "json")
    if http.method != dialect.method or not right:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    return read_fields(http)


def _carried_key(http: HttpRequest, dialect: ProviderDialect) -> str | None:
    name = dialect.key_header.lower().encode("latin-1")
    found = next((value.decode("latin-1") for header, value in http.headers if header.lower() == name), None)
    return None if found is None else found.removeprefix(f"{dialect.key_scheme} ").strip()


def _action_name(request: Request, dialect: ProviderDialect) -> str:
    many = isinstance(request, MultiStatusRequest) and "multi_status" in dialect.actions
    return _action_name_of("multi_status" if many else action_of(request), dialect)


def _action_name_of(action: str, dialect: ProviderDialect) -> str:
    return dialect.actions.get(action, str(action))


def _parameters(request: Request, dialect: ProviderDialect) -> tuple[tuple[str, str], ...]:
    match request:
        case ServicesRequest() | BalanceRequest():
            return ()
        case AddRequest():
            mark = () if request.idempotency_key is None else (("idempotency_key", request.idempotency_key),)
            fields = ((name, _as_wanted(name, value, dialect)) for name, value in request.fields)
            return (("service", request.service), *fields, *mark)
        case StatusRequest() | RefillRequest() | CancelRequest() | OrderRefillStatusRequest():
            return (("order", request.order),)
        case MultiStatusRequest() | MultiRefillRequest() | MultiCancelRequest():
            return (("orders", ",".join(request.orders)),)
        case RefillStatusRequest():
            return (("refill", request.refill),)
        case MultiRefillStatusRequest():
            return (("refills", ",".join(request.refills)),)
        case _:
            assert_never(request)


def _as_wanted(name: str, value: str, dialect: ProviderDialect) -> str:
    return written_date(value, dialect.date_format) if name == "expiry" else value


def _read_add(fields: Fields, *, escaped_newlines: bool) -> AddRequest:
    service = _get(fields, "service")
    if service is None:
        raise RequestError(TEXT_INCORRECT_SERVICE)
    if fields.broken - _NOT_OF_THE_ORDER:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    mark = next((found for name in _IDEMPOTENCY_FIELDS if (found := _get(fields, name))), fields.idempotency_header)
    if mark is not None and not 0 < len(mark.strip()) <= IDEMPOTENCY_KEY_MAX:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    return AddRequest(
        service=service.strip(),
        fields=tuple(
            (name, _with_lines(name, value) if escaped_newlines else value)
            for name, value in fields.values.items()
            if name not in _NOT_OF_THE_ORDER
        ),
        idempotency_key=None if mark is None else mark.strip(),
    )


def _with_lines(name: str, value: str) -> str:
    if name in LIST_FIELDS and "\n" not in value and "\r" not in value:
        return value.replace("\\r\\n", "\n").replace("\\n", "\n")
    return value


def _read_refill_status(fields: Fields) -> Request:
    many = _get(fields, "refills")
    one = _get(fields, "refill")
    order = _get(fields, "order")
    if many is None and one is None and order is not None:
        return OrderRefillStatusRequest(_one_id(order))
    if many is None and one is not None and "," not in one:
        return RefillStatusRequest(_one_id(one))
    return MultiRefillStatusRequest(_ids(many or one, TEXT_REFILL_NOT_FOUND))


def _order_or_orders(fields: Fields) -> tuple[str | None, tuple[str, ...]]:
    """One id, or several: `orders`, or a list where `order` stands (Q7, Q12)."""
    many = _get(fields, "orders")
    one = _get(fields, "order")
    if many is None and one is not None and "," not in one:
        return _one_id(one), ()
    return None, _ids(many or one, TEXT_INCORRECT_ORDER)


def _one_id(text: str) -> str:
    text = text.strip()
    if len(text) > ID_CHARACTERS_MAX:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    return text


def _ids(text: str | None, missing: str) -> tuple[str, ...]:
    """The ids of a list, blanks skipped and each once (Q13); over IDS_MAX the call is refused, never cut."""
    found = dict.fromkeys(_one_id(part) for part in (text or "").split(",") if part.strip())
    if not found:
        raise RequestError(missing)
    if len(found) > IDS_MAX:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    return tuple(found)


def _get(fields: Fields, name: str) -> str | None:
    if name in fields.broken:
        raise RequestError(TEXT_INCORRECT_REQUEST)
    return fields.values.get(name)
