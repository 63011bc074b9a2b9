"""Checks: what no single field of providers.yaml can tell, such as names that lead nowhere and numbers out of range."""

import re
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from gateway.core.money import is_currency
from gateway.core.outcome import MAY_BE_REJECTED, MAY_BE_UNKNOWN
from gateway.core.pricing import Markup
from gateway.core.rejections import fold_text
from gateway.core.service import TYPES, find_type
from gateway.settings.check_dialect import dialect_faults
from gateway.settings.check_notify import notify_faults
from gateway.settings.decode import Decoder
from gateway.settings.decode import Path as FieldPath
from gateway.settings.faults import Place, suggestion
from gateway.settings.values import Provider, ProvidersFile, Service, UnknownRules, split_route

ID_MAX: Final = 2**31 - 1  # panels keep ids in a signed 32-bit column
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_URL: Final = re.compile(r"[!-~]+")  # printable ASCII without blanks; a host in other letters is written in punycode


class Check:
    """What no single field can tell: names that lead nowhere, numbers out of their range."""

    def __init__(self, decoder: Decoder, file: ProvidersFile) -> None:
        self._decoder = decoder
        self._file = file

        # Every provider that is named, those that could not be read included.
        self._known = {str(each[1]) for each in decoder.places if each[::2] == ("providers", "*")}

    def run(self) -> None:
        """Note every fault of the whole."""
        file = self._file
        self._currency(file.currency, ("currency",))
        self._markup(file.markup, ("markup",))
        folded: dict[str, str] = {}
        for name, markup in file.categories.items():
            if folded.setdefault(name.casefold(), name) != name:
                first = folded[name.casefold()]
                self._fault(("categories", name, "*"), f"{name} and {first} are the same category: case does not count")
            self._markup(markup, ("categories", name))
        for name, markup in file.tiers.items():
            self._name(name, "tiers")
            self._markup(markup, ("tiers", name))
        if not self._known:
            self._fault(("providers",), "there has to be at least one provider")
        for name, provider in file.providers.items():
            self._name(name, "providers")
            self._provider(provider, ("providers", name))
        for number, service in file.services.items():
            self._service(number, service, ("services", number))
        for where, what in notify_faults(file.notify):
            self._fault(("notify", *where), what)

    def _provider(self, provider: Provider, path: FieldPath) -> None:
        self._url(provider.url, (*path, "url"))
        if not provider.key.reveal():
            self._fault((*path, "key"), "the key is empty")
        self._currency(provider.currency, (*path, "currency"))
        if provider.markup is not None:
            self._markup(provider.markup, (*path, "markup"))
        self._exchange(provider, path)
        positive: dict[str, Decimal | int] = {
            "exchange_rate": provider.exchange_rate,
            "concurrency": provider.concurrency,
            "poll_seconds": provider.poll_seconds,
            "refresh_seconds": provider.refresh_seconds,
            "rate_per": provider.rate_per,
            "refund_confirmations": provider.refund_confirmations,
        }
        if provider.requests_per_second is not None:
            positive["requests_per_second"] = provider.requests_per_second
        for name, value in positive.items():
            if value <= 0:
                self._fault((*path, name), f"{name} has to be above 0")
        for name in ("connect", "write", "total", "total_read"):
            if getattr(provider.timeouts, name) <= 0:
                self._fault((*path, "timeouts", name), f"{name} has to be above 0")
        for where, what in dialect_faults(provider.dialect):
            self._fault((*path, "dialect", *where), what)
        if provider.price_jump_max is not None and provider.price_jump_max < 0:
            self._fault((*path, "price_jump_max"), "price_jump_max is 0 or more, or never")
        self._link_wait(provider.link_wait_seconds, path)
        self._answers(provider, path)
        self._unknown(provider.unknown, (*path, "unknown"))
        if provider.imports is not None:
            self._types(provider.imports.include.types, (*path, "imports", "include", "types"))

    def _answers(self, provider: Provider, path: FieldPath) -> None:
        """What the provider's answers mean."""
        for text in provider.errors:
            if not fold_text(text):
                self._fault((*path, "errors", text, "*"), f"{text!r} has no letter: it would stand in every text")
        for name, allowed in (("unknown_statuses", MAY_BE_UNKNOWN), ("rejected_statuses", MAY_BE_REJECTED)):
            for place, status in enumerate(getattr(provider.answers, name)):
                if status not in allowed:
                    told = ", ".join(map(str, sorted(allowed)))
                    self._fault((*path, "answers", name, place), f"{status} is none of {told}")

    def _exchange(self, provider: Provider, path: FieldPath) -> None:
        if ("currency",) in self._decoder.unsound or (*path, "currency") in self._decoder.unsound:
            return
        ours = self._file.currency
        if not (is_currency(ours) and is_currency(provider.currency)):
            return
        if provider.currency == ours and provider.exchange_rate != 1:
            self._fault((*path, "exchange_rate"), f"{ours} is our own currency: its rate is 1")
        # Left out it would be 1, and everything from this provider sold at a wrong price.
        if provider.currency != ours and (*path, "exchange_rate") not in self._decoder.places:
            self._fault(path, f"exchange_rate is missing: how many {ours} is one {provider.currency}?")

    def _unknown(self, rules: UnknownRules, path: FieldPath) -> None:
        for name in ("probe_calls_max", "calls_per_second", "refund_after_hours"):
            if getattr(rules, name) is not None and getattr(rules, name) <= 0:
                self._fault((*path, name), f"{name} has to be above 0")
        for name in ("quarantine_seconds", "recheck_seconds", "cap", "replace_minutes", "same_id_window_seconds"):
            if getattr(rules, name) is not None and getattr(rules, name) < 0:
                self._fault((*path, name), f"{name} is 0 or more")
        for name in ("count", "seconds"):
            if getattr(rules.brake, name) < 0:
                self._fault((*path, "brake", name), f"{name} is 0 or more")

    def _types(self, types: tuple[str, ...], path: FieldPath) -> None:
        for place, each in enumerate(types):
            if (*path, place) not in self._decoder.unsound and find_type(each) is None:
                told = suggestion(each, [known.name for known in TYPES])
                self._fault((*path, place), f"services of the type {each} cannot be sold{told}")

    def _service(self, number: int, service: Service, path: FieldPath) -> None:
        if not 0 < number <= ID_MAX:
            self._fault((*path, "*"), f"a service's id is 1 to {ID_MAX}")
        if not service.routes:
            self._fault((*path, "routes"), "a service needs at least one route")
        seen: set[tuple[str, str]] = set()
        for place, route in enumerate(service.routes):
            provider, key = split_route(route)
            if not provider or not key:
                self._fault((*path, "routes", place), f"{route} is not provider/their-id, such as panel-a/101")
            elif provider not in self._known:
                told = suggestion(provider, self._known)
                self._fault((*path, "routes", place), f"there is no provider {provider}{told}")
            elif (provider, key) in seen:
                self._fault((*path, "routes", place), f"{route} stands twice")
            seen.add((provider, key))
        self._link_wait(service.link_wait_seconds, path)
        if service.markup is not None:
            self._markup(service.markup, (*path, "markup"))
        if service.min is not None and service.min < 1:
            self._fault((*path, "min"), "min has to be above 0")
        if service.max is not None and service.max < 1:
            self._fault((*path, "max"), "max has to be above 0")
        elif service.min is not None and service.max is not None and service.max < service.min:
            self._fault((*path, "max"), f"max is below min, {service.min}")

    def _link_wait(self, seconds: int | None, path: FieldPath) -> None:
        if seconds is not None and seconds < 0:
            self._fault((*path, "link_wait_seconds"), "link_wait_seconds is 0 or more")

    def _url(self, url: str, path: FieldPath) -> None:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            self._fault(path, "this is no address")
            return
        # The address itself is not repeated: part of it may have come from the environment.
        if parts.scheme not in ("http", "https") or not host or not _URL.fullmatch(url):
            self._fault(path, "an address begins with https:// (or http://), names a host and has no blanks")
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
        """Note a fault where the value stands, or where it would: at what is around it.

        What could not be read has its fault already, and what stands for it is not looked at.
        """
        if path in self._decoder.unsound:
            return
        places = self._decoder.places
        while path and path not in places:
            path = path[:-1]
        self._decoder.text.fault(places.get(path, Place(1, 1)), what)
