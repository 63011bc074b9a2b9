"""Keys: how a user's key looks, how a mistyped one is told without a query, and what of it is stored.

    gw_ 7Zk…(33 letters and digits) 0aB3cD
    │   │                           └ checksum: CRC-32 of all before it, base 62
    │   └ 192 random bits, base 62
    └ prefix, so that secret scanners and people can tell what leaked

The form is the one GitHub's tokens have had since 2021. Only a keyed hash is stored: without the secret, which lies
outside the database, a stolen copy of the database cannot even be used to test a guess.
"""

import hmac
import string
import zlib
from typing import Final

PREFIX: Final = "gw_"
RANDOM_BYTES: Final = 24  # 192 bits; RELIABILITY.md section 3 asks for 160
SECRET_BYTES_MIN: Final = 16  # a keyed hash under a shorter secret could be guessed
_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_CHARACTERS: Final = 33  # 62**33 > 2**192
_CHECK_CHARACTERS: Final = 6  # 62**6 > 2**32
KEY_CHARACTERS: Final = len(PREFIX) + _RANDOM_CHARACTERS + _CHECK_CHARACTERS
SHOWN_CHARACTERS: Final = len(PREFIX) + 6  # enough to tell keys apart, too little to help a guess: 156 bits stay hidden
_LETTERS: Final = frozenset(_ALPHABET)


def make_key(random: bytes) -> str:
    """The key made of `random`, which must be RANDOM_BYTES fresh bytes of a source fit for secrets."""
    assert len(random) == RANDOM_BYTES, f"{len(random)} random bytes instead of {RANDOM_BYTES}"
    body = PREFIX + _base62(int.from_bytes(random), _RANDOM_CHARACTERS)
    return body + _checksum(body)


def well_formed(key: str) -> bool:
    """Whether a text has the form and the checksum of a key of ours; a mistyped or foreign key has not."""
    if len(key) != KEY_CHARACTERS or not key.startswith(PREFIX) or not _LETTERS.issuperset(key[len(PREFIX) :]):
        return False
    return hmac.compare_digest(key[-_CHECK_CHARACTERS:], _checksum(key[:-_CHECK_CHARACTERS]))


def hash_key(key: str, secret: bytes) -> str:
    """What is stored of a key and looked up by: HMAC-SHA-256 under the gateway's secret, in hexadecimal."""
    assert len(secret) >= SECRET_BYTES_MIN, f"a key secret has at least {SECRET_BYTES_MIN} bytes"
    return hmac.digest(secret, key.encode(), "sha256").hex()


def shown_part(key: str) -> str:
    """The beginning of a key, which may be listed and logged."""
    return key[:SHOWN_CHARACTERS]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECK_CHARACTERS)


def _base62(number: int, characters: int) -> str:
    """A number in base 62, padded to a fixed length."""
    letters = []
    for _ in range(characters):
        number, digit = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[digit])
    return "".join(reversed(letters))
