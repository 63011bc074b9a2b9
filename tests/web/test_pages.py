"""The pages over HTTP: their headers, the address they show, and what a browser may keep."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships no types

from gateway.web.apipage.page import Facts
from gateway.web.pages import ADDRESSES_MAX, HOST_UNKNOWN, address_of, page_routes
from gateway.web.server import Address, Listener
from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel
from tests.world import on_sale

PATHS = ("/", "/api", "/api/")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a listener that serves the pages alone."""
    listener = Listener(Address("127.0.0.1", 0), page_routes(Facts(currency="USD", answer_within=8.0)))
    await listener.start()
    async with httpx.AsyncClient(base_url=str(listener.address), trust_env=False) as client:
        yield client
    await listener.stop(5)


async def test_page_is_the_same_at_each_of_its_paths(http: httpx.AsyncClient) -> None:
    """Where a visitor comes first, and where panels have it; never a redirect."""
    pages = [await http.get(path) for path in PATHS]
    for page in pages:
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.text == pages[0].text
        assert f"{http.base_url}/api/v2".replace("//api", "/api") in page.text


async def test_nothing_but_the_page_itself_may_run_or_load(http: httpx.AsyncClient) -> None:
    """No script, no frame, no form; the one style by its hash, the icon from its own text."""
    page = await http.get("/")
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert page.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    for response in (page, await http.get("/openapi.json")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in page.headers


def scope_of(*headers: tuple[bytes, bytes], scheme: str = "http") -> Any:
    """What a server hands over of a request."""
    return {"type": "http", "headers": list(headers), "scheme": scheme}


@pytest.mark.parametrize(
    "host",
    ["panel.example", "PANEL.example:8443", "127.0.0.1:80", "[::1]:8080", "[2001:db8::1]", "a", "my_panel.internal"],
)
def test_host_of_the_request_is_shown(host: str) -> None:
    """Names, addresses of both kinds, ports."""
    assert address_of(scope_of((b"host", host.encode()))) == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"<script>alert(1)</script>",
        b'a.example"><img',
        b"a.example'",
        b"a.example/../x",
        b"user@a.example",
        b"a.example:port",
        b"a.example:123456",
        b"a b",
        b"a.example\n",
        b"-a.example",
        b"a" * 300,
        "пример.example".encode(),
        b"[::1",
        b"[<b>]",
        b"{url}",
    ],
)
def test_host_that_is_none_is_not_shown(host: bytes) -> None:
    """Whatever anybody writes into the header: only what has the form of a host is taken."""
    for headers in ([(b"host", host.strip(b"\n") + b"|")], [(b"host", host)] if host != b"a.example\n" else []):
        assert address_of(scope_of(*headers)) == f"http://{HOST_UNKNOWN}"
    assert address_of(scope_of()) == f"http://{HOST_UNKNOWN}"


@pytest.mark.parametrize(
    ("told", "scheme", "shown"),
    [
        (b"https", "http", "https"),
        (b"HTTPS", "http", "https"),
        (b"https, http", "http", "https"),
        (b"http", "https", "http"),
        (b"", "https", "https"),
        (b"javascript", "http", "http"),
        (b"javascript", "https", "https"),
        (b"wss", "http", "http"),
    ],
)
def test_proxy_says_whether_it_was_tls(told: bytes, scheme: str, shown: str) -> None:
    """By the word of its header if it is one of two; else it is what the connection was."""
    scope = scope_of((b"host", b"p.example"), (b"x-forwarded-proto", told), scheme=scheme)
    assert address_of(scope) == f"{shown}://p.example"


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", 'x"><b>', "x.example'onload="])
async def test_markup_in_a_host_comes_to_nothing(http: httpx.AsyncClient, host: str) -> None:
    """Over the wire: refused by the server, or answered with a page that has none of it."""
    page = await http.get("/", headers={"host": host})
    assert page.status_code in (200, 400)
    for part in ("<script", "<b>", "onload="):
        assert part not in page.text


async def test_who_has_the_page_is_told_so(http: httpx.AsyncClient) -> None:
    """304 for its ETag, another page for another address, packed for who takes it, headers alone for HEAD."""
    for path in ("/", "/openapi.json"):
        plain = await http.get(path, headers={"accept-encoding": "identity"})
        packed = await http.get(path, headers={"accept-encoding": "gzip"})
        assert (packed.headers["content-encoding"], packed.content) == ("gzip", plain.content)
        assert int(packed.headers["content-length"]) < len(plain.content) / 4
        assert "accept-encoding" in plain.headers["vary"]
        assert plain.headers["cache-control"] == "public, max-age=300"
        same = await http.get(path, headers={"if-none-match": plain.headers["etag"]})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", plain.headers["etag"])
        head = await http.head(path, headers={"accept-encoding": "identity"})
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(plain.content))
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            refused = await http.request(method, path)
            assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    here = await http.get("/")
    there = await http.get("/", headers={"host": "other.example", "if-none-match": here.headers["etag"]})
    assert there.status_code == 200
    assert "http://other.example/api/v2" in there.text


async def test_more_addresses_than_are_kept_are_answered_all_the_same(http: httpx.AsyncClient) -> None:
    """Whoever makes up hosts fills no memory and costs no packing; those that were there first stay packed."""
    first = await http.get("/", headers={"host": "first.example"})
    pages = [await http.get("/", headers={"host": f"made-up-{number}.example"}) for number in range(ADDRESSES_MAX + 5)]
    for number, page in enumerate(pages):
        assert f"http://made-up-{number}.example/api/v2" in page.text
    packed = ["content-encoding" in page.headers for page in pages]
    assert packed == [True] * (ADDRESSES_MAX - 1) + [False] * 6
    again = await http.get("/", headers={"host": "first.example"})
    assert (again.headers["content-encoding"], again.text) == ("gzip", first.text)


async def test_openapi_may_be_read_from_any_page(http: httpx.AsyncClient) -> None:
    """JSON, for tools in a browser too."""
    response = await http.get("/openapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.json()["openapi"].startswith("3.1")


async def test_whole_gateway_answers_as_its_document_says(tmp_path: Path) -> None:
    """The pages beside the endpoint, with its own currency, and every answer it really gives is one by the schemas."""
    async with simulated_panel(tmp_path) as panel, running_house(house_settings(tmp_path, a=panel.url)) as house:
        await on_sale(house)
        call = await house.user()
        base = house.url.removesuffix("/api/v2")
        assert house.url in (await call.http.get(f"{base}/")).text
        document = (await call.http.get(f"{base}/openapi.json")).json()
        judge = Draft202012Validator({"$ref": "#/components/schemas/reply", "components": document["components"]})
        order = (await call("add", service="1", link="https://x.example/", quantity="100"))["order"]
        asked: list[dict[str, str]] = [
            {"action": "services"},
            {"action": "balance"},
            {"action": "add", "service": "9"},
            {"action": "status", "order": order},
            {"action": "status", "orders": f"{order},7"},
            {"action": "refill", "orders": f"{order},7"},
            {"action": "refill_status", "refills": "1,2"},
            {"action": "cancel", "orders": f"{order},7"},
            {"action": "cancel", "order": "7"},
            {"action": "drop"},
        ]
        answers = await asyncio.gather(*(call(**fields) for fields in asked))
        for fields, answer in zip(asked, answers, strict=True):
            assert [fault.message for fault in judge.iter_errors(answer)] == [], fields
        assert judge.is_valid({"error": "x", "order": "1"}) is False
