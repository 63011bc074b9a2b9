"""The page: whole, well formed, and saying what the code does: actions, types, texts, words, examples."""

import html
import json
import re
import shlex
from html.parser import HTMLParser

import pytest

from gateway.core import errors
from gateway.core.dialects import UserDialect
from gateway.core.fields import HttpRequest
from gateway.core.messages import Action, AddRequest, StatusWord
from gateway.core.replies import write_reply
from gateway.core.requests import read_request
from gateway.core.service import TYPES
from gateway.core.service_fields import FIELDS
from gateway.web.apipage.examples import MARK, add_fields, exchanges
from gateway.web.apipage.page import ApiPage, Facts
from gateway.web.apipage.samples import SAMPLES
from gateway.web.apipage.sections import KEY

ADDRESS = "https://panel.example"
PAGE = ApiPage(Facts(currency="EUR", answer_within=8.0)).write(ADDRESS).decode()
VOID = {"meta", "link", "input", "br"}


class Reader(HTMLParser):
    """Reads a page as a browser would, and keeps what the tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.blocks: list[tuple[str, str]] = []  # the class and the text of each <pre>
        self.codes: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag has."""
        told = {name: value or "" for name, value in attrs}
        assert not [name for name in told if name.startswith("on") or name == "style"], tag
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [told["id"]] if "id" in told else []
        self.links += [told["href"]] if "href" in told else []
        if tag == "pre":
            self.blocks.append((told.get("class", ""), ""))
        elif tag == "code":
            self.codes.append("")

    def handle_endtag(self, tag: str) -> None:
        """Every end has its start."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text where it stands."""
        self.text += data
        if "pre" in self.open:
            kind, text = self.blocks[-1]
            self.blocks[-1] = (kind, text + data)
        elif "code" in self.open:
            self.codes[-1] += data


@pytest.fixture(scope="module")
def page() -> Reader:
    """The page, read."""
    reader = Reader()
    reader.feed(PAGE)
    reader.close()
    assert reader.open == []
    return reader


def test_page_is_one_file_without_script(page: Reader) -> None:
    """Nothing is loaded from anywhere, nothing runs; every link of the contents leads somewhere, every id is one."""
    assert PAGE.startswith("<!doctype html>\n<html lang=")
    assert "<script" not in PAGE
    assert not re.search(r"\bsrc=|@import|url\(", PAGE)
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        assert link.startswith("data:image/svg+xml,") or link == "/openapi.json" or link[1:] in page.ids, link


def test_page_names_every_action_type_field_text_and_word(page: Reader) -> None:
    """Whatever the code can be asked or can answer is on it; a new one owes its line."""
    texts = [value for name, value in vars(errors).items() if name.startswith("TEXT_")]
    assert len(texts) > 12
    owed = [*texts, *(action.value for action in Action), *(word.value for word in StatusWord), *FIELDS]
    assert [each for each in owed if each not in page.codes] == []
    for kind in TYPES:
        assert f'<span class="name">{kind.name}</span>' in PAGE
        assert all(synonym in page.text for synonym in kind.synonyms)
    for text in (errors.text_less_than_minimum(10), errors.text_more_than_maximum(10)):
        assert text in page.codes
    for status in (200, 304, 405, 413, 503):
        assert str(status) in page.codes


def test_example_replies_are_the_codes_own(page: Reader) -> None:
    """Each is `write_reply` of its value, in both dialects, and there is no JSON beside them."""
    legacy = UserDialect(name="legacy", order_id="number")
    written = [
        json.loads(write_reply(reply, dialect))
        for each in exchanges("EUR")
        for reply in (each.reply, *each.refusals)
        for dialect in (UserDialect(), legacy)
    ]
    shown = []
    for kind, text in page.blocks:
        if kind == "json":
            shown += [json.loads(line) for line in text.splitlines()] if '{"' in text else [json.loads(text)]
    assert [each for each in shown if each not in written] == []
    assert [each for each in written if each not in shown] == []


def test_example_requests_are_read_as_what_they_stand_for(page: Reader) -> None:
    """Each can be pasted into a shell, and what curl sends is the message; for every action and every type."""
    commands = [text for kind, text in page.blocks if kind != "json" and text.startswith("curl -s")]
    read = [
        read_request(curl_sends(words)).request
        for words in (shlex.split(text.replace("\\\n", " ")) for text in commands)
        if words.count("curl") == 1
    ]
    owed = [each.request for each in exchanges("EUR")]
    owed += [AddRequest(service="1", fields=add_fields(kind), idempotency_key=MARK) for kind in TYPES]
    assert [each for each in owed if each not in read] == []
    assert len(read) == len(owed)


def curl_sends(words: list[str]) -> HttpRequest:
    """What curl makes of a command: `-d` as it stands, `--data-urlencode` with the value encoded."""
    assert words[:3] == ["curl", "-s", f"{ADDRESS}/api/v2"]
    parts = []
    for option, field in zip(words[3::2], words[4::2], strict=True):
        name, _, value = field.partition("=")
        assert option in ("-d", "--data-urlencode")
        encoded = "".join(f"%{byte:02X}" for byte in value.encode())
        parts.append(field if option == "-d" else f"{name}={encoded}")
    return HttpRequest(body="&".join(parts).encode())


def test_samples_have_the_address_filled_in(page: Reader) -> None:
    """All five, as they are."""
    for sample in SAMPLES:
        assert ("", sample.write(f"{ADDRESS}/api/v2", KEY)) in page.blocks
    assert "ADDRESS" not in page.text


def test_address_is_escaped_whatever_it_is() -> None:
    """Where it comes from is not this file's to judge."""
    made = ApiPage(Facts(currency="USD", answer_within=8.0)).write('https://"><script>alert(1)</script>').decode()
    assert "<script" not in made
    assert html.escape('"><script>') in made


def test_settings_are_on_the_page(page: Reader) -> None:
    """The gateway's own currency and how soon it answers."""
    assert '"currency": "EUR"' in page.text
    assert "answered within 8 seconds" in page.text
