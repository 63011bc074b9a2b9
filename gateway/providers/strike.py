"""Striking: our key out of whatever a panel repeats, in every spelling it may come back in (Q88)."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from html import escape
from typing import Final
from urllib.parse import quote, quote_plus

STRUCK_OUT: Final = "[key]"
KEY_MIN: Final = 6  # characters; a shorter key would strike out ordinary words


class Strike:
    """Strikes one key out of bytes and texts."""

    def __init__(self, key: str) -> None:
        self._forms = spellings(key)
        self._raw = tuple(form.encode() for form in self._forms)
        self._mixed = re.compile("".join(map(_any_spelling, key))) if self._forms else None

    def text(self, text: str) -> str:
        """A text without the key, even if each of its characters is escaped in another way."""
        for form in self._forms:
            text = text.replace(form, STRUCK_OUT)
        return text if self._mixed is None else self._mixed.sub(STRUCK_OUT, text)

    def body(self, body: bytes) -> bytes:
        """A body without the key, before anybody reads it."""
        for form in self._raw:
            body = body.replace(form, STRUCK_OUT.encode())
        return body


def spellings(key: str) -> tuple[str, ...]:
    """How a key may be repeated: plain, as in a URL, as in JSON, in HTML, in base 64 and in hex; the longest first."""
    if len(key) < KEY_MIN:
        return ()
    plain = key.encode()
    found = {key, escape(key), plain.hex(), plain.hex().upper()}
    found |= {json.dumps(key)[1:-1], json.dumps(key, ensure_ascii=False)[1:-1]}
    found |= {form.replace("/", "\\/") for form in found}  # PHP's json_encode does so.
    for encode in (quote, quote_plus):
        encoded = encode(key, safe="")
        found |= {encoded, _lower_hex(encoded)}
    # Without its padding, so that a longer text that begins with the key is caught up to the key's last whole triple.
    whole = plain[: len(plain) // 3 * 3]
    for encode_64 in (b64encode, urlsafe_b64encode):
        found |= {encode_64(plain).decode(), encode_64(whole).decode()}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _any_spelling(character: str) -> str:
    """A pattern for one character: itself, as in a URL, as in JSON, as in HTML."""
    percent = "".join(f"%{byte:02x}" for byte in character.encode())
    number = ord(character)
    either_case = f"(?i:{percent}|\\\\u{number:04x}|&#x0*{number:x};)"
    space = "|\\+" if character == " " else ""
    return f"(?:\\\\?{re.escape(character)}|{either_case}|&#0*{number};|{re.escape(escape(character))}{space})"


def _lower_hex(encoded: str) -> str:
    """Percent-encoding with small letters, as some servers write it."""
    head, *rest = encoded.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)])
