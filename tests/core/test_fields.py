"""What callers send, from wherever they put it (PROTOCOL.md section 2)."""

import pytest

from gateway.core.errors import TEXT_INCORRECT_REQUEST, RequestError
from gateway.core.fields import FIELDS_MAX, HttpRequest, key_of, read_fields

FORM = (b"content-type", b"application/x-www-form-urlencoded")


def values(http: HttpRequest) -> dict[str, str]:
    """The fields of a request."""
    return read_fields(http).values


def test_form_is_read() -> None:
    """The usual way: a urlencoded body."""
    http = HttpRequest(
        headers=(FORM,), body=b"key=K&action=add&link=https%3A%2F%2Fx.example%2F%3Fa%3D1&comments=a%0Ab+c"
    )
    assert values(http) == {"key": "K", "action": "add", "link": "https://x.example/?a=1", "comments": "a\nb c"}


def test_q1_query_string_is_read() -> None:
    """GET with everything in the query string."""
    assert values(HttpRequest(method="GET", query=b"key=K&action=balance")) == {"key": "K", "action": "balance"}


@pytest.mark.parametrize("header", [(), (FORM,), ((b"Content-Type", b"application/json"),)])
def test_q2_json_is_known_by_its_first_byte(header: tuple[tuple[bytes, bytes], ...]) -> None:
    """JSON with, without or in spite of a Content-Type."""
    http = HttpRequest(headers=header, body=b' {"key": "K", "order": 7, "quantity": 1.50, "flag": true, "none": null}')
    assert values(http) == {"key": "K", "order": "7", "quantity": "1.50", "flag": "true"}


def test_q2_lists_in_json_are_what_a_form_would_say() -> None:
    """Ids are joined by commas, lines of comments by line ends; what a form cannot say spoils its own field alone."""
    http = HttpRequest(
        body=b'{"orders": [1, 2, "x"], "comments": ["a", "b"], "odd": {"a": 1}, "deep": [[1]], "no": [false]}'
    )
    fields = read_fields(http)
    assert fields.values == {"orders": "1,2,x", "comments": "a\nb", "no": "false"}
    assert fields.broken == {"odd", "deep"}


@pytest.mark.parametrize(
    "body", [b"[1]", b'{"key": }', b'{"a": 1, "a": 2}', b"{" + b",".join(b'"f%d":1' % n for n in range(65)) + b"}"]
)
def test_json_that_is_no_object_of_fields_is_refused(body: bytes) -> None:
    """A list, broken JSON, a key twice, more fields than anybody has."""
    with pytest.raises(RequestError, match=TEXT_INCORRECT_REQUEST):
        read_fields(HttpRequest(body=body))


def test_q3_multipart_is_read() -> None:
    """multipart/form-data, with a file read as its text and a part without a name passed over."""
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="key"\r\n\r\nK\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="comments"; filename="c.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\na\r\nb\r\n"
        b"--XX\r\nContent-Disposition: form-data\r\n\r\nnobody\r\n"
        b'--XX\r\nContent-Disposition: form-data; name="headless"\r\n--XX--\r\n'
    )
    http = HttpRequest(headers=((b"content-type", b'multipart/form-data; boundary="XX"'),), body=body)
    assert values(http) == {"key": "K", "comments": "a\r\nb"}


def test_multipart_of_too_many_parts_is_refused() -> None:
    """The same limit as for a form."""
    part = b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    header = ((b"content-type", b"multipart/form-data; boundary=XX"),)
    with pytest.raises(RequestError):
        read_fields(HttpRequest(headers=header, body=part * (FIELDS_MAX + 2) + b"--XX--"))


def test_form_of_too_many_fields_is_refused_cheaply() -> None:
    """700 000 fields are counted, not parsed."""
    with pytest.raises(RequestError, match=TEXT_INCORRECT_REQUEST):
        read_fields(HttpRequest(body=b"a=1&" * 700_000))


@pytest.mark.parametrize(
    ("http", "key"),
    [
        (HttpRequest(body=b"key=K&api_token=T"), "K"),
        (HttpRequest(body=b"api_token=T"), "T"),
        (HttpRequest(body=b"apiKey=A"), "A"),
        (HttpRequest(headers=((b"Authorization", b"Bearer  B "),)), "B"),
        (HttpRequest(headers=((b"authorization", b"Basic B"), (b"X-Api-Key", b" X "))), "X"),
        (HttpRequest(headers=((b"x-api-key", b"X"),), body=b"key=K"), "K"),
        (HttpRequest(headers=((b"authorization", b"Bearer "),)), None),
        (HttpRequest(), None),
        (HttpRequest(query=b"key=Q", body=b"key=B"), "B"),
        (HttpRequest(body=b"key=A&key=B"), "B"),
        (HttpRequest(body=b"key%5B%5D=A"), None),
        (HttpRequest(body=b"key=%00"), None),
        (HttpRequest(body=b"key=%ff"), None),
        (HttpRequest(body=b'{"key": "\\ud800"}'), None),
    ],
)
def test_q5_key_is_found_and_has_one_reading(http: HttpRequest, key: str | None) -> None:
    """Every place a key has been met; `key` wins, the body goes before the query, the last of two counts, as in PHP."""
    assert key_of(read_fields(http)) == key


@pytest.mark.parametrize("text", [b"", b"undefined", b"null", b"+"])
def test_q6_words_for_nothing_are_absent(text: bytes) -> None:
    """What JavaScript and PHP send for a variable that is not set."""
    assert values(HttpRequest(body=b"order=" + text)) == {}


def test_later_field_replaces_an_earlier_one_even_a_broken_one() -> None:
    """One name has one value: the last."""
    assert values(HttpRequest(body=b"link=%00&link=good")) == {"link": "good"}
    fields = read_fields(HttpRequest(body=b"link=good&link=%00"))
    assert (fields.values, fields.broken) == ({}, frozenset({"link"}))


def test_idempotency_header_is_seen() -> None:
    """One of the three ways to mark an order (Q19)."""
    assert read_fields(HttpRequest(headers=((b"Idempotency-Key", b"I"),))).idempotency_header == "I"
