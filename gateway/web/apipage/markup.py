"""Markup: HTML put together from elements, in which every text is escaped unless it is markup already."""

import html
import re
from typing import Final, TypeAlias

import msgspec

_JSON_TOKEN: Final = re.compile(
    r'(?P<key>"(?:\\.|[^"\\])*")(?=\s*:)|(?P<text>"(?:\\.|[^"\\])*")|(?P<word>-?[0-9][0-9.eE+-]*|true|false|null)'
)
# Texts in a program; none of the samples has one that goes over a line or holds its own quote.
_QUOTED: Final = re.compile(r"""(?P<text>"[^"\n]*"|'[^'\n]*')""")
# Elements that have no end tag.
_VOID: Final = frozenset({"meta", "link", "input", "br"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child: TypeAlias = str | None  # None is nothing


def element(tag: str, /, *children: Child, **attributes: str) -> Markup:
    """One element; `class_` and `for_` are the attributes that Python keeps to itself, `_` stands for `-`."""
    told = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    start = f"<{tag}{told}>"
    return Markup(start if tag in _VOID else f"{start}{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Several pieces one after the other."""
    return Markup("".join(escape(each) for each in children if each is not None))


def escape(text: str) -> Markup:
    """A text as HTML; markup stays what it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(text))


def _attribute(name: str, value: str) -> str:
    return f' {name}="{html.escape(value)}"' if value else f" {name}"


def code(text: str) -> Markup:
    """A word of the protocol within a sentence."""
    return element("code", text)


def prose(text: str) -> Markup:
    """A sentence in which what stands between backticks is code."""
    parts = text.split("`")
    return join(*(code(part) if number % 2 else part for number, part in enumerate(parts)))


def block(text: str, *, label: str = "") -> Markup:
    """Code to read or to copy; a keyboard reaches it, because a wide one scrolls."""
    return _labelled(element("pre", element("code", _painted(text, _QUOTED)), tabindex="0"), label)


def json_block(body: bytes, *, label: str = "") -> Markup:
    """A reply, laid out on several lines."""
    return json_lines([msgspec.json.format(body, indent=2)], label=label)


def json_lines(bodies: list[bytes], *, label: str = "") -> Markup:
    """Short replies, one a line, as they are sent."""
    shown = element("code", _painted("\n".join(body.decode() for body in bodies), _JSON_TOKEN))
    return _labelled(element("pre", shown, class_="json", tabindex="0"), label)


def _labelled(pre: Markup, label: str) -> Markup:
    return join(element("p", label, class_="label"), pre) if label else pre


def _painted(text: str, token: re.Pattern[str]) -> Markup:
    """A text in which what a pattern finds is told apart, by the first letter of its group."""
    parts: list[str] = []
    end = 0
    for found in token.finditer(text):
        kind = found.lastgroup or ""
        parts += [text[end : found.start()], element("span", found[0], class_=kind[:1])]
        end = found.end()
    return join(*parts, text[end:])


def table(heads: tuple[str, ...], rows: list[tuple[Child, ...]]) -> Markup:
    """A table in a frame that scrolls by itself on a narrow screen."""
    head = element("tr", *(element("th", each, scope="col") for each in heads))
    body = [element("tr", *(element("td", each, data_head=heads[at]) for at, each in enumerate(row))) for row in rows]
    return element("table", element("thead", head), element("tbody", *body))
