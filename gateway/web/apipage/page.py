"""The page: everything a user's developer asks about the API, as one HTML file without script, made once.

The address is the caller's own, from the request, so the page is kept in pieces with the address between them.
"""

import base64
import hashlib
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from typing import Final

import msgspec

from gateway.web.apipage.markup import Markup, element, escape, join
from gateway.web.apipage.sections import Section, sections

TITLE: Final = "Panel API"
# Stands for the address while the page is made; no text of ours has it.
_ADDRESS: Final = "ADDRESS.TO.BE.FILLED.IN"
_STYLE: Final = files("gateway.web.apipage").joinpath("style.css").read_text("utf-8")
_ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' "
    "rx='4' fill='%230f766e'/%3E%3Cpath d='M4 5h8M4 8h5M4 11h8' stroke='white' stroke-width='1.6' "
    "stroke-linecap='round'/%3E%3C/svg%3E"
)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What of a gateway's settings stands on its page."""

    currency: str
    answer_within: float  # seconds


class ApiPage:
    """The page with a hole where the address goes."""

    def __init__(self, facts: Facts) -> None:
        self._pieces = [piece.encode() for piece in _page(facts).split(_ADDRESS)]

    def write(self, address: str) -> bytes:
        """The page with an address such as `https://panel.example`, which is escaped whatever it is."""
        return escape(address).encode().join(self._pieces)


def style_policy() -> str:
    """The style's hash as a content security policy wants it: this style and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"


@lru_cache(maxsize=4)  # Nothing but the facts is in it, and rendering is a quarter of what a start costs.
def _page(facts: Facts) -> Markup:
    url = f"{_ADDRESS}/api/v2"
    parts = sections(facts.currency, f"{facts.answer_within:g}", url)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", TITLE),
        element("meta", name="description", content="Actions, service types, errors and samples of the panel API."),
        element("link", rel="icon", href=_ICON),
        element("style", Markup(_STYLE)),
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("div", _contents(parts), element("main", _opening(url), *_bodies(parts), id="content"), class_="frame"),
    )
    return join(Markup("<!doctype html>\n"), element("html", head, body, lang="en"))


def _contents(parts: tuple[Section, ...]) -> Markup:
    groups = [
        join(
            element("p", group),
            element(
                "ul",
                *(element("li", element("a", _name(part), href=f"#{part.anchor}")) for part in members),
            ),
        )
        for group, members in groupby(parts, lambda part: part.group)
    ]
    return element("nav", element("a", TITLE, href="#content", class_="brand"), *groups, aria_label="Contents")


def _name(part: Section) -> Markup:
    """In the contents an action goes by its word, which is what one looks for."""
    return element("code", part.anchor) if part.group == "Actions" else escape(part.title)


def _opening(url: str) -> Markup:
    facts = (
        ("Address", element("code", url, class_="url")),
        ("Method", join(element("code", "POST"), ", or ", element("code", "GET"))),
        ("Answer", join("JSON, with HTTP 200 also for errors")),
        ("For machines", element("a", "openapi.json", href="/openapi.json")),
    )
    return element(
        "header",
        element("h1", TITLE),
        element(
            "p",
            "The panel API that your panel speaks already: paste the address and your key where it asks for a "
            "provider, and nothing else is needed. For programs of your own, all of it is on this page.",
            class_="lead",
        ),
        element("dl", *(element("div", element("dt", name), element("dd", what)) for name, what in facts)),
    )


def _bodies(parts: tuple[Section, ...]) -> list[Markup]:
    return [
        element(
            "section",
            element(
                "h2",
                element("a", part.title, href=f"#{part.anchor}"),
                element("code", part.anchor) if part.group == "Actions" else None,
            ),
            part.body,
            id=part.anchor,
        )
        for part in parts
    ]
