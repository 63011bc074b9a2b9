"""Loading: providers.yaml read, decoded and checked as a whole, and the environment beside it."""

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.core.money import is_currency
from gateway.core.pricing import Markup
from gateway.settings.decode import MISSING, Decoder
from gateway.settings.decode import Path as FieldPath
from gateway.settings.environment import Environment, read_environment
from gateway.settings.faults import Fault, Place, SettingsError, suggestion
from gateway.settings.values import Provider, ProvidersFile, Service, split_route
from gateway.settings.yaml_text import FILE_BYTES_MAX, Text, read_yaml

ID_MAX: Final = 2**31 - 1  # panels keep ids in a signed 32-bit column
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the operator set."""

    file: ProvidersFile
    environment: Environment
    hash: str  # of the file's text, so that replicas can be compared


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
    return Settings(file=file, environment=environment, hash=digest)


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
    return read_file(Text(str(path), told), environ), hashlib.sha256(raw).hexdigest()[:16]


def read_file(text: Text, environ: Mapping[str, str]) -> ProvidersFile:
    """A text's values, decoded and checked; raises SettingsError with every fault in it."""
    node = read_yaml(text)
    decoder = Decoder(text, environ)
    file = MISSING if node is None else decoder.decode(node, ProvidersFile)
    if isinstance(file, ProvidersFile):
        _Check(decoder, file).run()
    if text.faults:
        raise SettingsError(text.faults)
    assert isinstance(file, ProvidersFile), "a file without a fault has values"
    return file


class _Check:
    """What no single field can tell: names that lead nowhere, numbers out of their range."""

    def __init__(self, decoder: Decoder, file: ProvidersFile) -> None:
        self._decoder = decoder
        self._file = file

    def run(self) -> None:
        file = self._file
        self._currency(file.currency, ("currency",))
        self._markup(file.markup, ("markup",))
        for name, markup in file.categories.items():
            self._markup(markup, ("categories", name))
        for name, markup in file.tiers.items():
            self._name(name, "tiers")
            self._markup(markup, ("tiers", name))
        if not file.providers:
            self._fault(("providers",), "there has to be at least one provider")
        for name, provider in file.providers.items():
            self._name(name, "providers")
            self._provider(provider, ("providers", name))
        for number, service in file.services.items():
            self._service(number, service, ("services", number))

    def _provider(self, provider: Provider, path: FieldPath) -> None:
        self._url(provider.url, (*path, "url"))
        if not provider.key.reveal():
            self._fault((*path, "key"), "the key is empty")
        self._currency(provider.currency, (*path, "currency"))
        if provider.markup is not None:
            self._markup(provider.markup, (*path, "markup"))
        if provider.currency == self._file.currency and provider.exchange_rate != 1:
            self._fault((*path, "exchange_rate"), f"{provider.currency} is our own currency: its rate is 1")
        positive: dict[str, Decimal | int] = {
            "exchange_rate": provider.exchange_rate,
            "concurrency": provider.concurrency,
            "requests_per_second": provider.requests_per_second,
            "poll_seconds": provider.poll_seconds,
            "refresh_seconds": provider.refresh_seconds,
            "rate_per": provider.rate_per,
        }
        for name, value in positive.items():
            if value <= 0:
                self._fault((*path, name), f"{name} has to be above 0")
        for name in ("connect", "write", "total", "total_read"):
            if getattr(provider.timeouts, name) <= 0:
                self._fault((*path, "timeouts", name), f"{name} has to be above 0")
        if not 1 <= provider.dialect.status_batch_max <= 100:
            self._fault((*path, "dialect", "status_batch_max"), "status_batch_max is 1 to 100")

    def _service(self, number: int, service: Service, path: FieldPath) -> None:
        if not 0 < number <= ID_MAX:
            self._fault((*path, "*"), f"a service's id is 1 to {ID_MAX}")
        if not service.routes:
            self._fault((*path, "routes"), "a service needs at least one route")
        for place, route in enumerate(service.routes):
            provider, key = split_route(route)
            if not provider or not key:
                self._fault((*path, "routes", place), f"{route} is not provider/their-id, such as panel-a/101")
            elif provider not in self._file.providers:
                told = suggestion(provider, self._file.providers)
                self._fault((*path, "routes", place), f"there is no provider {provider}{told}")
            elif service.routes.index(route) != place:
                self._fault((*path, "routes", place), f"{route} stands twice")
        if service.markup is not None:
            self._markup(service.markup, (*path, "markup"))
        if service.min is not None and service.min < 1:
            self._fault((*path, "min"), "min has to be above 0")
        if service.min is not None and service.max is not None and service.max < service.min:
            self._fault((*path, "max"), f"max is below min, {service.min}")

    def _url(self, url: str, path: FieldPath) -> None:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            self._fault(path, f"{url} is no address: {error}")
            return
        if parts.scheme not in ("http", "https") or not host:
            self._fault(path, f"{url} has to begin with https:// (or http://) and name a host")
        elif parts.username is not None or parts.fragment:
            self._fault(path, "an address has no user name, password or fragment")

    def _markup(self, markup: Markup, path: FieldPath) -> None:
        if markup.percent <= -100:
            self._fault((*path, "percent"), "percent has to be above -100")
        if markup.min_margin < 0:
            self._fault((*path, "min_margin"), "min_margin is 0 or more")
        if markup.round_to is not None and markup.round_to <= 0:
            self._fault((*path, "round_to"), "round_to has to be above 0")

    def _currency(self, currency: str, path: FieldPath) -> None:
        if not is_currency(currency):
            self._fault(path, f"{currency} is no currency code such as USD")

    def _name(self, name: str, kind: str) -> None:
        if not _NAME.fullmatch(name):
            self._fault((kind, name, "*"), f"a name has small letters, digits, - and _ (40 at most), not {name}")

    def _fault(self, path: FieldPath, what: str) -> None:
        """Note a fault where the value stands, or where it would: at what is around it."""
        places = self._decoder.places
        while path and path not in places:
            path = path[:-1]
        self._decoder.text.fault(places.get(path, Place(1, 1)), what)
