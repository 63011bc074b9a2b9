"""Requests: read from what callers send, written for providers, and the two are twins."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.dialects import STANDARD_PROVIDER, Mark, ProviderDialect
from gateway.core.errors import (
    TEXT_INCORRECT_ORDER,
    TEXT_INCORRECT_REQUEST,
    TEXT_INCORRECT_SERVICE,
    TEXT_REFILL_NOT_FOUND,
    RequestError,
)
from gateway.core.fields import HttpRequest
from gateway.core.messages import (
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
)
from gateway.core.presets import PRESETS
from gateway.core.requests import read_call, read_request, write_request


def read(form: str, *, escaped_newlines: bool = False) -> Request:
    """The message in a form."""
    return read_request(HttpRequest(body=form.encode()), escaped_newlines=escaped_newlines).request


@pytest.mark.parametrize(
    ("form", "request_read"),
    [
        ("action=services", ServicesRequest()),
        ("action=+Balance+", BalanceRequest()),
        ("action=status&order=7", StatusRequest("7")),
        ("action=status&order=+7+", StatusRequest("7")),
        ("action=status&order=-1", StatusRequest("-1")),
        ("action=status&orders=1,2", MultiStatusRequest(("1", "2"))),
        ("action=status&order=1,2", MultiStatusRequest(("1", "2"))),
        ("action=orders&orders=1,2", MultiStatusRequest(("1", "2"))),
        ("action=multi-status&orders=1", MultiStatusRequest(("1",))),
        ("action=multi_status&orders=1,2", MultiStatusRequest(("1", "2"))),
        ("action=mass&order=1,2", MultiStatusRequest(("1", "2"))),
        ("action=statuses&orders=1", MultiStatusRequest(("1",))),
        ("action=status&orders=1,+,2,1,", MultiStatusRequest(("1", "2"))),
        ("action=refill&order=7", RefillRequest("7")),
        ("action=refill&orders=7,8", MultiRefillRequest(("7", "8"))),
        ("action=refill_status&refill=7", RefillStatusRequest("7")),
        ("action=refill_status&refills=7,8", MultiRefillStatusRequest(("7", "8"))),
        ("action=refill_status&refill=7,8", MultiRefillStatusRequest(("7", "8"))),
        ("action=refill_status&order=7", OrderRefillStatusRequest("7")),
        ("action=cancel&order=7", CancelRequest("7")),
        ("action=cancel&orders=7,8", MultiCancelRequest(("7", "8"))),
        ("action=cancel&order=7,8", MultiCancelRequest(("7", "8"))),
    ],
)
def test_request_is_read(form: str, request_read: Request) -> None:
    """Every action, single and multi, and every way to say it (Q7, Q8, Q9, Q11, Q12, Q13, Q20)."""
    assert read(form) == request_read


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", TEXT_INCORRECT_REQUEST),
        ("key=K", TEXT_INCORRECT_REQUEST),
        ("action=drop", TEXT_INCORRECT_REQUEST),
        ("action=%00", TEXT_INCORRECT_REQUEST),
        ("action=status", TEXT_INCORRECT_ORDER),
        ("action=status&orders=,,", TEXT_INCORRECT_ORDER),
        ("action=refill_status", TEXT_REFILL_NOT_FOUND),
        ("action=status&order=" + "1" * 65, TEXT_INCORRECT_REQUEST),
        ("action=status&orders=" + ",".join(map(str, range(101))), TEXT_INCORRECT_REQUEST),
        ("action=add&link=x", TEXT_INCORRECT_SERVICE),
        ("action=add&service=1&link=%ff", TEXT_INCORRECT_REQUEST),
        ("action=add&service=1&idempotency_key=" + "k" * 256, TEXT_INCORRECT_REQUEST),
    ],
)
def test_request_that_makes_no_sense_is_refused_by_its_text(form: str, text: str) -> None:
    """A clear word for each, and over the limit of ids nothing is cut silently (Q10, Q13)."""
    with pytest.raises(RequestError, match=text):
        read(form)


def test_a_hundred_ids_are_allowed_after_duplicates_and_blanks() -> None:
    """The limit counts orders, not commas (Q13)."""
    asked = ",".join([*map(str, range(100)), "5", " ", ""])
    assert read(f"action=status&orders={asked}") == MultiStatusRequest(tuple(map(str, range(100))))


def test_add_keeps_every_field_of_the_order_and_no_other() -> None:
    """Key, action, service and marks are taken out; the rest goes on as it was sent (Q21)."""
    asked = read_request(HttpRequest(body=b"key=K&action=add&service=+7+&link=L&extra=1&apiKey=Z"))
    assert asked.key == "K"
    assert asked.request == AddRequest(service="7", fields=(("link", "L"), ("extra", "1")))


@pytest.mark.parametrize(
    "http",
    [
        HttpRequest(body=b"action=add&service=1&idempotency_key=I"),
        HttpRequest(body=b"action=add&service=1&request_id=I"),
        HttpRequest(body=b"action=add&service=1", headers=((b"idempotency-key", b" I "),)),
    ],
)
def test_q19_mark_of_an_order_is_found(http: HttpRequest) -> None:
    """All three ways to mark an add are the same mark."""
    assert read_request(http).request == AddRequest(service="1", fields=(), idempotency_key="I")


def test_q15_escaped_line_ends_part_lines_only_where_the_user_says_so() -> None:
    """A backslash and an n are two characters, unless this user's panel means a line end by them."""
    form = "action=add&service=1&comments=a%5Cnb%5Cr%5Cnc&link=x%5Cny"
    plain = read(form)
    assert isinstance(plain, AddRequest)
    assert dict(plain.fields)["comments"] == "a\\nb\\r\\nc"
    split = read(form, escaped_newlines=True)
    assert isinstance(split, AddRequest)
    assert dict(split.fields) == {"comments": "a\nb\nc", "link": "x\\ny"}
    real = read("action=add&service=1&comments=a%0Ab%5Cn", escaped_newlines=True)
    assert isinstance(real, AddRequest)
    assert dict(real.fields)["comments"] == "a\nb\\n"


IDS = st.text("0123456789abcdef", min_size=1, max_size=12).filter(lambda text: text != "null")
MANY = st.lists(IDS, min_size=1, max_size=100, unique=True).map(tuple)
# Blanks at the ends and the words for nothing mean something else on the wire, so they are no field's value.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40).filter(
    lambda text: text.strip() not in ("", "null", "undefined")
)
NAMES = st.sampled_from(["link", "quantity", "comments", "runs", "interval", "username"])
REQUESTS = st.one_of(
    st.just(ServicesRequest()),
    st.just(BalanceRequest()),
    st.builds(
        AddRequest,
        service=IDS,
        fields=st.dictionaries(NAMES, TEXTS).map(lambda fields: tuple(fields.items())),
        idempotency_key=st.none() | IDS,
    ),
    *(st.builds(kind, IDS) for kind in (StatusRequest, RefillRequest, CancelRequest, RefillStatusRequest)),
    st.builds(OrderRefillStatusRequest, IDS),
    *(st.builds(kind, MANY) for kind in (MultiStatusRequest, MultiRefillRequest, MultiCancelRequest)),
    st.builds(MultiRefillStatusRequest, MANY),
)
DIALECTS = st.sampled_from(
    [
        STANDARD_PROVIDER,
        ProviderDialect(body="json"),
        ProviderDialect(method="GET"),
        ProviderDialect(key_field="api_token", extra_fields={"version": "2"}, headers={"x-client": "gw"}),
    ]
)


@given(REQUESTS, DIALECTS)
def test_reading_what_was_written_gives_it_back(request: Request, dialect: ProviderDialect) -> None:
    """The two ends are one protocol, whatever the encoding."""
    asked = read_request(write_request(request, "secret-key", dialect))
    assert asked.key == "secret-key"
    if isinstance(request, AddRequest):
        extra = tuple(dialect.extra_fields.items())
        request = AddRequest(
            service=request.service, fields=(*request.fields, *extra), idempotency_key=request.idempotency_key
        )
    assert asked.request == request


def test_provider_is_asked_in_its_own_words() -> None:
    """Other names for fields and actions are the dialect's business alone (Q62)."""
    dialect = ProviderDialect(
        key_field="api_token", action_field="act", actions={"services": "packages"}, headers={"x-client": "gw"}
    )
    call = write_request(ServicesRequest(), "K", dialect)
    assert (call.method, call.body) == ("POST", b"api_token=K&act=packages")
    assert (b"x-client", b"gw") in call.headers
    asked = write_request(StatusRequest("7"), "K", ProviderDialect(method="GET"))
    assert (asked.method, asked.query, asked.body) == ("GET", b"key=K&action=status&order=7", b"")
    assert b'"order":"7"' in write_request(StatusRequest("7"), "K", ProviderDialect(body="json")).body


MARK = Mark(order="23501", attempt="42")
WANTS_MARK = {"request_id": "{order}", "trace": "gw-{attempt}"}
ODD = ProviderDialect(
    key_header="Authorization",
    key_scheme="Bearer",
    action_field="act",
    actions={"services": "packages", "add": "create", "multi_status": "orders"},
    fields={"order": "order_id", "link": "url", "quantity": "qty", "service": "package"},
    extra_fields={"version": "2"},
    add_fields=WANTS_MARK,
    headers={"x-client": "gw"},
    date_format="Y-m-d",
)
IN_OWN_WORDS = st.sampled_from(
    [
        *(preset.dialect for preset in PRESETS.values()),
        ODD,
        *(
            msgspec.structs.replace(ODD, method=method, body=body)
            for method, body in [("GET", "form"), ("POST", "json"), ("POST", "query")]
        ),
        msgspec.structs.replace(ODD, key_header="X-Api-Key", key_scheme=""),
        msgspec.structs.replace(ODD, key_header="", key_scheme="", key_field="api_token"),
    ]
)


@given(REQUESTS, IN_OWN_WORDS)
def test_provider_hears_what_was_asked_in_its_own_words(request: Request, dialect: ProviderDialect) -> None:
    """Reading is the writing turned round, for every action in every dialect."""
    asked = read_call(write_request(request, "secret-key", dialect, mark=MARK), dialect)
    assert asked.key == "secret-key"
    assert asked.request == request


@given(REQUESTS, IN_OWN_WORDS)
def test_call_is_written_the_same_every_time(request: Request, dialect: ProviderDialect) -> None:
    """What is sent depends on the message alone: an attempt that is taken up again bears the same mark (Q67)."""
    assert write_request(request, "k", dialect, mark=MARK) == write_request(request, "k", dialect, mark=MARK)


def test_q67_add_bears_our_numbers_and_no_other_call_does() -> None:
    """A panel that wants a mark with every order is given the order's or the attempt's, and only with an order."""
    dialect = ProviderDialect(add_fields=WANTS_MARK)
    add = AddRequest(service="7", fields=(("link", "L"),))
    body = write_request(add, "K", dialect, mark=MARK).body
    assert body == b"key=K&action=add&service=7&link=L&request_id=23501&trace=gw-42"
    assert read_call(HttpRequest(body=body), dialect).request == add
    assert b"request_id" not in write_request(StatusRequest("1"), "K", dialect).body


def test_add_without_a_mark_is_never_sent_to_who_wants_one() -> None:
    """It would be our own mistake, and half a mark is worse than none."""
    with pytest.raises(AssertionError):
        write_request(AddRequest(service="7", fields=()), "K", ProviderDialect(add_fields=WANTS_MARK))


def test_date_of_a_subscription_is_written_as_the_dialect_says() -> None:
    """Only `expiry` is a date; a link that looks like one is a link."""
    add = AddRequest(service="7", fields=(("expiry", "24/12/2026"), ("link", "1/2/2026")))
    body = write_request(add, "K", ProviderDialect(date_format="Y-m-d")).body
    assert body == b"key=K&action=add&service=7&expiry=2026-12-24&link=1%2F2%2F2026"
    heard = read_call(HttpRequest(body=body), ProviderDialect(date_format="Y-m-d"))
    assert heard.request == add


@pytest.mark.parametrize(
    ("http", "dialect"),
    [
        (HttpRequest(method="GET", query=b"key=K&action=balance"), STANDARD_PROVIDER),
        (HttpRequest(body=b'{"key":"K","action":"balance"}'), STANDARD_PROVIDER),
        (HttpRequest(body=b"key=K&action=balance"), ProviderDialect(body="json")),
        (HttpRequest(body=b"key=K&action=balance"), ProviderDialect(method="GET")),
        (HttpRequest(body=b"key=K&action=balance"), ProviderDialect(extra_fields={"version": "2"})),
        (HttpRequest(body=b"key=K&action=balance&version=3"), ProviderDialect(extra_fields={"version": "2"})),
        (HttpRequest(body=b"key=K&action=services"), ProviderDialect(actions={"services": "packages"})),
        (HttpRequest(body=b"key=K&action=add&service=1"), ProviderDialect(add_fields={"request_id": "{order}"})),
        (HttpRequest(body=b"key=K&do=balance"), STANDARD_PROVIDER),
    ],
)
def test_call_that_is_not_in_the_dialect_is_refused(http: HttpRequest, dialect: ProviderDialect) -> None:
    """As the panel itself would."""
    with pytest.raises(RequestError, match=TEXT_INCORRECT_REQUEST):
        read_call(http, dialect)


def test_key_in_a_header_is_nowhere_else() -> None:
    """Neither in the body nor in the query string, which ends in logs."""
    dialect = ProviderDialect(method="GET", key_header="X-Api-Key")
    call = write_request(BalanceRequest(), "secret", dialect)
    assert (b"X-Api-Key", b"secret") in call.headers
    assert b"secret" not in call.query + call.body
    assert read_call(msgspec.structs.replace(call, headers=()), dialect).key is None
