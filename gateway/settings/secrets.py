"""Secrets: values that come from the environment or from files, and show themselves to nobody who does not ask."""

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gateway.core.keys import SECRET_BYTES_MIN

FILE_BYTES_MAX: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"\$\{(ENV|FILE):([^}:]+)(?::-([^}]*))?\}")


class Secret:
    """A text that is masked wherever it is printed; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Unresolved(ValueError):
    """A reference leads nowhere; the message says which and why."""


def has_reference(text: str) -> bool:
    """Whether a text refers to the environment or to a file."""
    return _REFERENCE.search(text) is not None


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """A text with `${ENV:NAME}`, `${ENV:NAME:-default}` and `${FILE:/path}` filled in; raises Unresolved."""

    def fill(found: re.Match[str]) -> str:
        kind, name, default = found.groups()
        value = environ.get(name) if kind == "ENV" else _read(Path(name))
        if value is None or value == "":
            value = default
        if value is None:
            raise Unresolved(
                f"{name} is not set in the environment" if kind == "ENV" else f"{name} is empty or missing"
            )
        return str(value)

    filled = _REFERENCE.sub(fill, text)
    if "${" in filled and "${" in text and _REFERENCE.sub("", text).find("${") >= 0:
        raise Unresolved("a reference is ${ENV:NAME}, ${ENV:NAME:-default} or ${FILE:/path}")
    return filled


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")[:FILE_BYTES_MAX].strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Unresolved(f"{path} cannot be read: {error}") from error


def kept_secret(path: Path) -> bytes:
    """The secret in a file, made with 32 random bytes on the first call; the file is its owner's alone (0600).

    Raises OSError when the folder cannot be written, ValueError when what is in the file is too short to be one.
    """
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = bytes.fromhex(path.read_text(encoding="ascii").strip())
        if len(found) < SECRET_BYTES_MIN:
            raise ValueError(f"{path} holds {len(found)} bytes, too few for a secret") from None
        return found
    fresh = secrets.token_bytes(32)
    with os.fdopen(made, "w", encoding="ascii") as file:
        file.write(fresh.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    return fresh
