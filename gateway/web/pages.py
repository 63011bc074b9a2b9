"""The pages users read in a browser: `/` and `/api` show the API, `/openapi.json` says the same to machines.

Both are made once. What comes from a request is its address alone, out of two headers that anybody can write: it is
taken only if it has the form of a host, and is escaped where it is shown.
"""

import gzip
import hashlib
import re
from typing import Final

import msgspec
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from gateway.web.apipage.openapi import write_openapi
from gateway.web.apipage.page import ApiPage, Facts, style_policy

PATHS: Final = ("/", "/api")
OPENAPI_PATH: Final = "/openapi.json"
# Stands where a request does not say in a usable way where it was sent to.
HOST_UNKNOWN: Final = "panel.example"
# Addresses for which the page is kept; panels have one or two, whoever sends more gets it made for each.
ADDRESSES_MAX: Final = 16
# A page is asked for again after so long, and then mostly answered with 304.
MAX_AGE_SECONDS: Final = 300

# A name or an IPv4 address, or an IPv6 address in brackets, with a port or without (RFC 3986, section 3.2.2).
_HOST: Final = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
# No script, nothing from elsewhere, in nobody's frame; the page's own style by its hash, its icon from its own text.
_POLICY: Final = (
    f"default-src 'none'; style-src {style_policy()}; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_JSON_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"


class Page(msgspec.Struct, frozen=True):
    """What is sent: as it is, and packed where that was worth it."""

    plain: bytes
    packed: bytes | None
    etag: bytes
    headers: tuple[tuple[bytes, bytes], ...]


def page_routes(facts: Facts) -> list[ASGIRouteHandler]:
    """The handlers of the pages."""
    shown = _ApiPages(facts)
    openapi = _page(
        write_openapi(facts.currency),
        ((b"content-type", b"application/json"), (b"access-control-allow-origin", b"*")),
        policy=_JSON_POLICY,
    )

    async def show_page(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        await _answer(scope, send, shown.of(address_of(scope)))

    async def show_openapi(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI's signature
        await _answer(scope, send, openapi)

    return [asgi(list(PATHS), copy_scope=False)(show_page), asgi(OPENAPI_PATH, copy_scope=False)(show_openapi)]


def address_of(scope: Scope) -> str:
    """Where a request was sent to, such as `https://panel.example`; a proxy in front says whether it took it by TLS."""
    headers = {bytes(name): bytes(value).decode("latin-1") for name, value in scope["headers"]}
    host = headers.get(b"host", "").strip()
    told = headers.get(b"x-forwarded-proto", "").partition(",")[0].strip().lower()
    scheme = told if told in ("http", "https") else "https" if scope.get("scheme") == "https" else "http"
    return f"{scheme}://{host if _HOST.fullmatch(host) else HOST_UNKNOWN}"


class _ApiPages:
    """The API page for each address under which it is asked for."""

    def __init__(self, facts: Facts) -> None:
        self._made = ApiPage(facts)
        self._kept: dict[str, Page] = {}

    def of(self, address: str) -> Page:
        """The page of an address; one beyond those that are kept is not packed either, to cost next to nothing."""
        found = self._kept.get(address)
        if found is None:
            kept = len(self._kept) < ADDRESSES_MAX
            headers = ((b"content-type", b"text/html; charset=utf-8"), (b"x-frame-options", b"DENY"))
            found = _page(self._made.write(address), headers, policy=_POLICY, pack=kept)
            if kept:
                self._kept[address] = found
        return found


def _page(body: bytes, headers: tuple[tuple[bytes, bytes], ...], *, policy: str, pack: bool = True) -> Page:
    return Page(
        plain=body,
        packed=gzip.compress(body, mtime=0) if pack else None,
        etag=b'"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"',
        headers=(
            *headers,
            *_SECURITY,
            (b"content-security-policy", policy.encode()),
            (b"cache-control", b"public, max-age=%d" % MAX_AGE_SECONDS),
            (b"vary", b"accept-encoding, host, x-forwarded-proto"),
        ),
    )


async def _answer(scope: Scope, send: Send, page: Page) -> None:
    """Send a page to who asks with GET, its headers to HEAD, and neither when the asker has it already."""
    method = scope.get("method")
    if method not in ("GET", "HEAD"):
        return await _send(send, 405, ((b"allow", b"GET, HEAD"), (b"content-length", b"0")))
    asked = {bytes(name): bytes(value) for name, value in scope["headers"]}
    about = ((b"etag", b"W/" + page.etag), *page.headers)
    if page.etag in asked.get(b"if-none-match", b""):
        return await _send(send, 304, about)
    body = page.plain
    if page.packed is not None and b"gzip" in asked.get(b"accept-encoding", b""):
        body = page.packed
        about = (*about, (b"content-encoding", b"gzip"))
    about = (*about, (b"content-length", str(len(body)).encode()))
    return await _send(send, 200, about, body=body if method == "GET" else b"")


async def _send(send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], *, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": False})
