"""The probe: find out how a panel wants to be spoken to, by questions that cost nothing and change nothing.

Balance, list, and the status of orders that nobody has; by its types this file cannot ask for anything else. Each way
of asking is tried once, in the order in which panels are met, until one is answered.
"""

import asyncio
from typing import Final, TypeAlias

import httpx
import msgspec

from gateway.core.dialects import ProviderDialect
from gateway.core.errors import GatewayError
from gateway.core.family import NOBODYS, Family, Heard, family_of, understood
from gateway.core.lenient import NotJson, find_error_text, parse_json
from gateway.core.messages import BalanceRequest, MultiStatusRequest, ServicesRequest, action_of
from gateway.core.outcome import Evidence
from gateway.core.requests import write_request
from gateway.providers.strike import Strike
from gateway.providers.upstream import REPLY_BYTES_MAX, SERVICES_BYTES_MAX, Upstream
from gateway.providers.wire import Limits, exchange, open_transport, tls_context

Harmless: TypeAlias = BalanceRequest | ServicesRequest | MultiStatusRequest

PAUSE_SECONDS: Final = 0.2  # between questions, so that no panel takes them for an attack
_REDIRECTS: Final = range(300, 400)
# Ways of asking, the commonest first; the key is in each of them, in the place that this way has for it.
WAYS: Final = (
    ("a POST form", ProviderDialect()),
    ("a JSON body", ProviderDialect(body="json")),
    ("a GET query", ProviderDialect(method="GET")),
    ("a POST form with api_token", ProviderDialect(key_field="api_token")),
    ("a POST form with api_key", ProviderDialect(key_field="api_key")),
    ("a POST form, the key as Bearer", ProviderDialect(key_header="Authorization", key_scheme="Bearer")),
    ("a JSON body, the key as Bearer", ProviderDialect(body="json", key_header="Authorization", key_scheme="Bearer")),
    ("a JSON body, the key in X-Api-Key", ProviderDialect(body="json", key_header="X-Api-Key")),
    ("a POST with a query", ProviderDialect(body="query")),
)


class NotSpoken(GatewayError):
    """No way of asking was answered; the message has what the panel said to each."""


class Probed(msgspec.Struct, frozen=True):
    """What a probe found."""

    how: str  # which way was answered
    family: Family


async def probe(upstream: Upstream) -> Probed:
    """Find out what a panel speaks; raises NotSpoken. The upstream's own dialect does not count."""
    transport = open_transport(upstream, connections=2, keep=True, tls=tls_context(upstream))
    asking = _Asking(upstream, transport)
    try:
        for request in (BalanceRequest(), ServicesRequest()):
            for how, dialect in WAYS:
                body = await asking.answer(request, dialect, how)
                if body is not None and understood(request, body, dialect):
                    balance = body if isinstance(request, BalanceRequest) else None
                    return Probed(how, await _found(asking, dialect, how, balance=balance))
    finally:
        await transport.aclose()
    raise NotSpoken("the panel answered no way of asking:\n" + "\n".join(f"  {each}" for each in asking.said))


async def _found(asking: "_Asking", dialect: ProviderDialect, how: str, *, balance: bytes | None) -> Family:
    services = await asking.answer(ServicesRequest(), dialect, how)
    many = await asking.answer(MultiStatusRequest(NOBODYS), dialect, how)
    return family_of(Heard(dialect=dialect, balance=balance, services=services, many=many))


class _Asking:
    """Question after question, and what was said to each."""

    def __init__(self, upstream: Upstream, transport: httpx.AsyncBaseTransport) -> None:
        self.said: list[str] = []
        self._upstream = upstream
        self._transport = transport
        self._strike = Strike(upstream.key)

    async def answer(self, request: Harmless, dialect: ProviderDialect, how: str) -> bytes | None:
        """A whole answer's body, or None; raises NotSpoken where no other way would fare better."""
        times = self._upstream.timeouts
        cap = SERVICES_BYTES_MAX if isinstance(request, ServicesRequest) else REPLY_BYTES_MAX
        limits = Limits(connect=times.connect, write=times.write, total=times.total_read, bytes_max=cap)
        if self.said:
            await asyncio.sleep(PAUSE_SECONDS)
        http = write_request(request, self._upstream.key, dialect)
        evidence = await exchange(self._transport, self._upstream, http, limits=limits)
        if not evidence.sent:
            raise NotSpoken(f"the panel cannot be reached: {self._strike.text(evidence.failure)}")
        if evidence.status in _REDIRECTS:
            where = self._strike.text(evidence.location or "nowhere")
            raise NotSpoken(f"redirected to {where}: probe that address, redirects are not followed")
        self.said.append(f"{action_of(request)} by {how}: {self._strike.text(_in_words(evidence))}")
        return self._strike.body(evidence.body) if evidence.complete else None


def _in_words(evidence: Evidence) -> str:
    """What was said, in a line."""
    if not evidence.complete:
        return evidence.failure or "the answer broke off"
    try:
        text = find_error_text(parse_json(evidence.body, strict=False))
    except NotJson:
        text = None
    return f"HTTP {evidence.status}, {text or f'{len(evidence.body)} bytes that answer nothing'}"
