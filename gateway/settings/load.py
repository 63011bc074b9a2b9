"""Loading: providers.yaml read, decoded and checked as a whole, and the environment beside it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.settings.check import Check
from gateway.settings.decode import MISSING, Decoder
from gateway.settings.environment import Environment, read_environment
from gateway.settings.faults import Fault, SettingsError
from gateway.settings.secrets import Secret, references
from gateway.settings.values import ProvidersFile
from gateway.settings.yaml_text import FILE_BYTES_MAX, Text, read_yaml


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the operator set."""

    file: ProvidersFile
    environment: Environment
    path: Path  # of the file
    hash: str  # of the file's text, so that replicas can be compared
    referred: tuple[Secret, ...] = ()  # what `${ENV:…}` and `${FILE:…}` stand for in it, addresses of panels apart


def load_settings(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """The environment and the file it names (or `config`); raises SettingsError with every fault of both."""
    faults: list[Fault] = []
    environment: Environment | None = None
    try:
        environment = read_environment(environ)
    except SettingsError as error:
        faults += error.faults
    path = config or Path(environ.get("GATEWAY_CONFIG", "").strip() or "providers.yaml")
    try:
        file, digest = load_file(path, environ)
    except SettingsError as error:
        raise SettingsError([*faults, *error.faults]) from error
    if environment is None:
        raise SettingsError(faults)
    return Settings(file=file, environment=environment, path=path, hash=digest, referred=referred(path, file, environ))


def referred(path: Path, file: ProvidersFile, environ: Mapping[str, str]) -> tuple[Secret, ...]:
    """The values behind the file's references that nobody may read in a log; a panel's host is one that may be read."""
    urls = [provider.url for provider in file.providers.values()]
    hosts = [f"{url.scheme}://{url.netloc}" for url in map(urlsplit, urls)]
    try:
        values = references(path.read_text(encoding="utf-8"), environ)
    except OSError:  # It was read a moment ago and is gone: a reload comes, or the next start says so.
        return ()
    return tuple(
        Secret(value)
        for value in values
        if not (value in urls and "?" not in value) and not any(value in host for host in hosts)
    )


def digest_of(raw: bytes) -> str:
    """What tells two texts of the file apart."""
    return hashlib.sha256(raw).hexdigest()[:16]


def load_file(path: Path, environ: Mapping[str, str]) -> tuple[ProvidersFile, str]:
    """The file's values and the hash of its text; raises SettingsError with every fault in it."""
    try:
        raw = path.read_bytes()
        told = raw.decode("utf-8")
    except OSError as error:
        raise SettingsError([Fault(file=str(path), place=None, what=f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        what = f"is no UTF-8 text at byte {error.start}"
        raise SettingsError([Fault(file=str(path), place=None, what=what)]) from error
    if len(raw) > FILE_BYTES_MAX:
        raise SettingsError([Fault(file=str(path), place=None, what=f"is larger than {FILE_BYTES_MAX} bytes")])
    return read_file(Text(str(path), told), environ), digest_of(raw)


def read_file(text: Text, environ: Mapping[str, str]) -> ProvidersFile:
    """A text's values, decoded and checked; raises SettingsError with every fault in it."""
    node = read_yaml(text)
    decoder = Decoder(text, environ)
    file = MISSING if node is None else decoder.decode(node, ProvidersFile)
    if isinstance(file, ProvidersFile):
        # Even after a fault: what could be read is looked at, so that one run tells everything.
        Check(decoder, file).run()
    if text.faults:
        raise SettingsError(text.faults)
    assert isinstance(file, ProvidersFile), "a file without a fault has values"
    return file
