"""Webhooks: the body, the signature of the specification's own kind, the form of a secret."""

import base64
import hashlib
import hmac
import json

import pytest

from gateway.core.webhook import Happened, read_secret, signed_headers, write_event

SECRET = b"0123456789abcdefghijklmn"


def happened(**changes: object) -> Happened:
    """An event."""
    values: dict[str, object] = {
        "id": 7, "kind": "order.active", "actor": "me", "user_id": 1, "order_id": 100_001, "reason": "panel-a has it",
        "before": '{"state":"placing"}', "after": '{"state":"active"}', "at": "2026-01-31T00:00:00.000+00:00",
        **changes,
    }  # fmt: skip
    return Happened(**values)  # type: ignore[arg-type] # the fields by name


def test_body_tells_who_did_what_to_whom_and_why() -> None:
    """Type, time and data; the two sides of a change are JSON in JSON, not texts."""
    assert json.loads(write_event(happened())) == {
        "type": "order.active",
        "timestamp": "2026-01-31T00:00:00.000+00:00",
        "data": {
            "event": 7,
            "actor": "me",
            "user": 1,
            "order": 100_001,
            "before": {"state": "placing"},
            "after": {"state": "active"},
            "reason": "panel-a has it",
        },
    }
    bare = json.loads(write_event(happened(before=None, after='"gw_abc"', user_id=None, order_id=None, reason=None)))
    assert bare["data"]["before"] is None
    assert bare["data"]["after"] == "gw_abc"


def test_signature_is_the_specifications() -> None:
    """HMAC-SHA-256 over `id.timestamp.body`, base64, after `v1,`; the id is the same at every try."""
    headers = dict(signed_headers(7, b'{"a":1}', SECRET, at=1_700_000_000))
    digest = hmac.new(SECRET, b'evt_7.1700000000.{"a":1}', hashlib.sha256).digest()
    assert headers[b"webhook-signature"] == b"v1," + base64.b64encode(digest)
    assert (headers[b"webhook-id"], headers[b"webhook-timestamp"]) == (b"evt_7", b"1700000000")
    assert headers[b"content-type"] == b"application/json"
    later = dict(signed_headers(7, b'{"a":1}', SECRET, at=1_700_000_001))
    assert later[b"webhook-id"] == headers[b"webhook-id"]
    assert later[b"webhook-signature"] != headers[b"webhook-signature"]


def test_example_of_the_specification_is_signed_alike() -> None:
    """The published test vector of Standard Webhooks' reference libraries."""
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert secret is not None
    digest = hmac.new(secret, b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}', hashlib.sha256).digest()
    assert base64.b64encode(digest) == b"g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("whsec_" + base64.b64encode(SECRET).decode(), SECRET),
        (base64.b64encode(SECRET).decode(), None),
        ("whsec_" + base64.b64encode(SECRET[:-1]).decode(), None),
        ("whsec_" + base64.b64encode(SECRET * 3).decode(), None),
        ("whsec_!!!!", None),
        ("whsec_QUJ", None),
        ("whsec_é", None),
    ],
)
def test_secret_has_a_prefix_and_enough_bytes(text: str, secret: bytes | None) -> None:
    """A text that is no secret is none; nothing is guessed."""
    assert read_secret(text) == secret
