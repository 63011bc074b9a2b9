"""Secrets: values that come from the environment or from files, and show themselves to nobody who does not ask."""

import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.core.keys import SECRET_BYTES_MIN

FILE_BYTES_MAX: Final = 64 * 1024
_REFERENCE: Final = re.compile(r"\$\{(ENV|FILE):([^}:]+)(?::-([^}]*))?\}")
REFERENCE_PATTERN: Final = f"^{_REFERENCE.pattern}$"  # for the schema


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


def is_reference(text: str) -> bool:
    """Whether a text is one reference and nothing else."""
    return _REFERENCE.fullmatch(text) is not None


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """A text with `${ENV:NAME}`, `${ENV:NAME:-default}` and `${FILE:/path}` filled in; raises Unresolved.

    A variable or file that is empty counts as missing. What is filled in is not searched for references again.
    """

    def fill(found: re.Match[str]) -> str:
        kind, name, default = found.groups()
        value = (environ.get(name) if kind == "ENV" else _read(Path(name))) or default
        if value is None:
            what = "is not set in the environment" if kind == "ENV" else "is empty or missing"
            raise Unresolved(f"{name} {what}")
        return value

    if "${" in _REFERENCE.sub("", text):
        raise Unresolved("a reference is ${ENV:NAME}, ${ENV:NAME:-default} or ${FILE:/path}")
    return _REFERENCE.sub(fill, text)


def references(text: str, environ: Mapping[str, str]) -> list[str]:
    """What the references in a text stand for, each once; those that lead nowhere stand for nothing."""
    found: set[str] = set()
    for each in _REFERENCE.finditer(text):
        with suppress(Unresolved):
            found.add(resolve(each[0], environ))
    return sorted(found)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")[:FILE_BYTES_MAX].strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise Unresolved(f"{path} cannot be read: {why}") from error


def kept_secret(path: Path) -> bytes:
    """The secret in a file, made with 32 random bytes on the first call; the file is its owner's alone (0600).

    It appears whole or not at all: were it found half written after a crash, every user's key would be lost with it.
    Raises OSError when the folder cannot be written, ValueError when what is in the file is no secret.
    """
    if not path.exists():
        _make(path)
    try:
        found = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        raise ValueError(f"{path} is no secret: it has to hold hexadecimal digits") from None
    if len(found) < SECRET_BYTES_MIN:
        raise ValueError(f"{path} holds {len(found)} bytes, too few for a secret")
    return found


def _make(path: Path) -> None:
    """Write a fresh secret beside the file, then give it its name, unless another process was faster."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    made = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(made, "w", encoding="ascii") as file:
            file.write(secrets.token_bytes(32).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(unfinished)
    finally:
        unfinished.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # The name itself has to outlive a power cut.
    finally:
        os.close(folder)
