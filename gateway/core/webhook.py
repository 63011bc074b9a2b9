"""Webhooks: how an event is written for its consumer, and signed, as Standard Webhooks says.

    webhook-id         evt_ and the event's number, or what a notice's message is known by: the same at every try, so
                       that consumers can dedupe by it
    webhook-timestamp  when this try was made, seconds since the epoch: an old one can be refused
    webhook-signature  v1, and the HMAC-SHA-256 of `id.timestamp.body` in base64

The body is {"type", "timestamp", "data"}. Source: standardwebhooks.com, specification of 2023.
"""

import base64
import binascii
import hmac
from typing import Final

import msgspec

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every such secret begins with
# Bytes behind the prefix, as the specification has them.
SECRET_BYTES_MIN: Final = 24
SECRET_BYTES_MAX: Final = 64


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the books have it."""

    id: int
    kind: str
    actor: str
    user_id: int | None
    order_id: int | None
    before: str | None  # JSON
    after: str | None  # JSON
    reason: str | None
    at: str  # RFC 3339


def read_secret(text: str) -> bytes | None:
    """The bytes of a signing secret; None for a text that is none."""
    if not text.startswith(SECRET_PREFIX):
        return None
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if SECRET_BYTES_MIN <= len(secret) <= SECRET_BYTES_MAX else None


def write_event(event: Happened) -> bytes:
    """The body that tells of an event."""
    return msgspec.json.encode(
        {
            "type": event.kind,
            "timestamp": event.at,
            "data": {
                "event": event.id,
                "actor": event.actor,
                "user": event.user_id,
                "order": event.order_id,
                "before": _json(event.before),
                "after": _json(event.after),
                "reason": event.reason,
            },
        }
    )


def signed_headers(event_id: int, body: bytes, secret: bytes, *, at: int) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of one try of telling an event, `at` seconds since the epoch."""
    return signed(f"evt_{event_id}", body, secret, at=at)


def signed(message_id: str, body: bytes, secret: bytes, *, at: int) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of one try of telling anything that has an id, `at` seconds since the epoch."""
    name, moment = message_id.encode(), str(at).encode()
    digest = hmac.digest(secret, b".".join((name, moment, body)), "sha256")
    return (
        (b"content-type", b"application/json"),
        (b"webhook-id", name),
        (b"webhook-timestamp", moment),
        (b"webhook-signature", b"v1," + base64.b64encode(digest)),
    )


def _json(text: str | None) -> msgspec.Raw | None:
    """A side of an event, which the books keep as JSON, put in as it is."""
    return None if text is None else msgspec.Raw(text.encode())
