"""Striking out a key: in whatever spelling it comes back."""

import json
from base64 import b64encode, urlsafe_b64encode
from html import escape
from urllib.parse import quote, quote_plus

import pytest

from gateway.providers.strike import KEY_MIN, Strike, spellings

KEY = 'a1/b2+c3&d"4 ü9>>??xyz'


@pytest.mark.parametrize(
    "repeated",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        quote_plus(KEY),
        json.dumps(KEY)[1:-1],
        json.dumps(KEY, ensure_ascii=False)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        escape(KEY),
        b64encode(KEY.encode()).decode(),
        urlsafe_b64encode(KEY.encode()).decode(),
        KEY.encode().hex(),
        KEY.encode().hex().upper(),
    ],
)
def test_key_is_struck_out_of_texts_and_bodies(repeated: str) -> None:
    """Plain, as in a URL, as in JSON (PHP's too), in HTML, in base 64, in hex; twice, and what is around it stays."""
    strike = Strike(KEY)
    assert strike.text(f"no {repeated}, {repeated}.") == "no [key], [key]."
    assert strike.body(f"no {repeated}.".encode()) == b"no [key]."


@pytest.mark.parametrize(
    "repeated",
    [
        'a1%2fb2+c3&amp;d\\"4 ü9>>??xyz',
        "a1\\/b2%2Bc3&d%224+ü9&gt;%3e??xyz",
        "a1&#47;b2&#x2b;c3&#038;d&#x22;4 \\u00fc9>>??xyz",
        "%611/b2+c3&d%224%20%C3%BC9>>%3F%3fx\\u0079z",
    ],
)
def test_key_escaped_in_several_ways_at_once_is_struck_out_of_texts(repeated: str) -> None:
    """As servers do that escape only what they must."""
    assert Strike(KEY).text(f"no {repeated}.") == "no [key]."


def test_longer_text_in_base_64_loses_the_key_it_begins_with() -> None:
    """As in `Authorization: Basic`, where a key comes first."""
    struck = Strike("secret-key-9").text(b64encode(b"secret-key-9:password").decode())
    assert struck == "[key]OnBhc3N3b3Jk"


def test_short_key_is_not_struck_out() -> None:
    """It would strike out ordinary words."""
    assert spellings("k" * (KEY_MIN - 1)) == ()
    assert Strike("").text("order") == "order"
    assert Strike("order").body(b'{"order":1}') == b'{"order":1}'
