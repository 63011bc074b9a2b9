"""Sections: the parts of the API page, each from the table that the code itself answers by."""

import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from gateway.core.dialects import STANDARD, STANDARD_PROVIDER, UserDialect
from gateway.core.messages import Action, AddRequest, Request, action_of
from gateway.core.replies import write_reply
from gateway.core.requests import write_request
from gateway.core.service import DEFAULT, TYPES, ServiceType
from gateway.core.service_fields import INTERVAL, RUNS, Field, Holds
from gateway.web.apipage import words
from gateway.web.apipage.examples import MARK, Exchange, add_fields, exchanges
from gateway.web.apipage.markup import Child, Markup, block, code, element, join, json_block, json_lines, prose, table
from gateway.web.apipage.samples import SAMPLES

KEY: Final = "YOUR_KEY"
# What curl's `-d` can send without encoding it.
_PLAIN: Final = re.compile(r"[\w.,:/-]*", re.ASCII)
_LEGACY: Final = UserDialect(name="legacy", order_id="number")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the page, with its place in the table of contents."""

    anchor: str
    title: str
    body: Markup
    group: str


def sections(currency: str, answer_within: str, url: str) -> tuple[Section, ...]:
    """The whole page, part by part."""
    asked = exchanges(currency)
    return (
        Section(anchor="samples", title="Samples", group="Start", body=_samples(url)),
        Section(anchor="sending", title="Sending", group="Start", body=_sentences(words.SENDING)),
        *(_action(action, [each for each in asked if action_of(each.request) is action], url) for action in Action),
        Section(anchor="types", title="Service types", group="Tables", body=_types(url)),
        Section(anchor="words", title="Status words", group="Tables", body=_statuses()),
        Section(anchor="errors", title="Errors", group="Tables", body=_errors()),
        Section(
            anchor="again", title="Asking again", group="Rules", body=_sentences(words.asking_again(answer_within))
        ),
        Section(anchor="dialects", title="Dialects", group="Rules", body=_dialects(asked)),
        Section(anchor="http", title="HTTP", group="Rules", body=_http()),
    )


def curl_text(request: Request, url: str) -> str:
    """A request as a command to be pasted, with the fields that the gateway itself would send a provider."""
    fields = parse_qsl(write_request(request, KEY, STANDARD_PROVIDER).body.decode())
    return " \\\n  ".join((f"curl -s {url}", *(_curl_field(name, value) for name, value in fields)))


def _curl_field(name: str, value: str) -> str:
    """A field as curl sends it: `-d` as it stands, so what a form has to encode needs the longer word."""
    option = "-d" if _PLAIN.fullmatch(value) else "--data-urlencode"
    return f"{option} {shlex.quote(f'{name}={value}')}"


def _sentences(sentences: Iterable[str]) -> Markup:
    return element("ul", *(element("li", prose(each)) for each in sentences), class_="rules")


def _samples(url: str) -> Markup:
    """The samples behind tabs that need no script: the button that is pressed shows its neighbour's panel."""
    parts: list[Markup] = []
    for at, sample in enumerate(SAMPLES):
        name = f"sample-{at}"
        pressed = {"checked": ""} if at == 0 else {}
        parts += [
            element("input", type="radio", name="sample", id=name, **pressed),
            element("label", sample.language, for_=name),
            element("div", block(sample.write(url, KEY)), class_="tab"),
        ]
    return join(
        element("p", prose("A balance, an order and its status. Each stands by itself and needs no library.")),
        element("div", *parts, class_="tabs", role="radiogroup", aria_label="Language"),
    )


def _action(action: Action, asked: list[Exchange], url: str) -> Section:
    title, about = words.ACTIONS[action]
    forms = [
        element(
            "div",
            element("h3", each.title) if len(asked) > 1 else None,
            element(
                "div",
                element("div", block(curl_text(each.request, url), label="Request"), class_="cell"),
                element("div", *_replies(each), class_="cell"),
                class_="pair",
            ),
        )
        for each in asked
    ]
    body = join(element("p", prose(about)), _parameters(action, asked), *forms)
    return Section(anchor=action.value, title=title, group="Actions", body=body)


def _replies(exchange: Exchange) -> Iterator[Markup]:
    """The reply as the code writes it, laid out to be read, and below it what else may come, one a line."""
    yield json_block(write_reply(exchange.reply), label="Reply")
    if exchange.refusals:
        yield json_lines([write_reply(told) for told in exchange.refusals], label="or")


def _parameters(action: Action, asked: list[Exchange]) -> Markup:
    """The parameters of every form of an action, from its messages' own fields."""
    forms = [msgspec.structs.fields(type(each.request)) for each in asked]
    names = list(dict.fromkeys(field.name for form in forms for field in form))
    optional = {field.name for form in forms for field in form if not field.required}
    rows: list[tuple[Child, ...]] = [(code("key"), "required", words.PARAMETERS["key"])]
    rows.append((code("action"), "required", code(action.value)))
    for name in names:
        if name == "fields":
            link = element("a", "by the service's type", href="#types")
            rows.append((join(code("link"), " …"), "required", join("The order's own fields, ", link)))
            continue
        everywhere = all(any(field.name == name for field in form) for form in forms)
        how = "optional" if name in optional else "required" if everywhere else "one of them"
        rows.append((code(name), how, prose(words.PARAMETERS[name])))
    return table(("Parameter", "", "What it is"), rows)


def _types(url: str) -> Markup:
    intro = (
        "The list of services says each service's `type`; every order has a `service` and the fields below. The charge "
        "is rate ÷ 1000 × what is billed, to the last digit; a flat rate is the charge. `min` and `max` bound what is "
        "billed of one run, and with a drip-feed `max` bounds all runs together. A subscription is charged for the "
        "most that its posts can come to; at its end what was not delivered is given back. Its `remains` counts posts."
    )
    return join(element("p", prose(intro)), *(_type(kind, url) for kind in TYPES))


def _type(kind: ServiceType, url: str) -> Markup:
    """One type: its name and fields to be seen at once, the rest when it is opened."""
    rows = [_field(field, how=_how(field)) for field in kind.fields]
    if kind.dripfeed:
        rows += [_field(field, how="optional, both") for field in (RUNS, INTERVAL)]
    request = AddRequest(service="1", fields=add_fields(kind), idempotency_key=MARK)
    also = f"Some panels call it {' or '.join(kind.synonyms)}." if kind.synonyms else None
    opened = {"open": ""} if kind is DEFAULT else {}
    return element(
        "details",
        element(
            "summary",
            element("span", kind.name, class_="name"),
            element("span", *(join(code(field.name), " ") for field in kind.fields), class_="chips"),
            element("span", billed(kind), class_="billed"),
        ),
        element(
            "div",
            element("p", also) if also else None,
            table(("Field", "", "What it is"), rows),
            block(curl_text(request, url), label="Request"),
            class_="inner",
        ),
        **opened,
    )


def billed(kind: ServiceType) -> str:
    """What of an order of a type is billed, in words."""
    if kind.subscribed:
        return "max × (posts + old_posts)"
    if kind.counted is None:
        return "flat"
    if kind.counted.holds is Holds.LINES:
        return f"lines of {kind.counted.name}"
    return "quantity × runs" if kind.dripfeed else "quantity"


def _how(field: Field) -> Child:
    if field.needs is None:
        return "optional" if field.optional else "required"
    other, value = field.needs
    return join("with ", code(f"{other}={value}"))


def _field(field: Field, *, how: Child) -> tuple[Child, ...]:
    if field.holds is Holds.ONE_OF:
        return code(field.name), how, join(field.about, ": ", ", ".join(field.choices))
    choices = [join(element("br"), code(str(at)), f" {each}") for at, each in enumerate(field.choices, 1)]
    return code(field.name), how, join(field.about, *choices)


def _statuses() -> Markup:
    rows: list[tuple[Child, ...]] = [
        (code(word.value), "final" if final else "goes on", prose(meaning))
        for word, (meaning, final) in words.STATUSES.items()
    ]
    return join(
        element("p", prose("These words and no others. A final word never changes back.")),
        table(("Word", "", "What it means"), rows),
    )


def _errors() -> Markup:
    rows: list[tuple[Child, ...]] = [(code(told.text), prose(told.when)) for told in words.ERRORS]
    return join(
        element("p", prose('An error is `{"error": "…"}` alone, or in the place of one order in a list.')),
        table(("Text", "When"), rows),
    )


def _dialects(asked: tuple[Exchange, ...]) -> Markup:
    """What the legacy dialect writes differently, shown by the replies that differ."""
    written = [(each, write_reply(each.reply, STANDARD), write_reply(each.reply, _LEGACY)) for each in asked]
    different = [
        element(
            "details",
            element("summary", element("span", code(action_of(each.request)), class_="name"), each.title),
            element("div", json_block(legacy), class_="inner"),
        )
        for each, standard, legacy in written
        if standard != legacy
    ]
    intro = (
        "Your account can be set to answer as older panels do. `legacy` writes `Cancelled` with two l, types in small "
        "letters, and `charge` as a number when several orders are asked for. `order_id` as a number writes the new "
        "order's id without quotes. `escaped_newlines` takes the two characters `\\n` for the end of a line in lists. "
        "`average_time` adds to each service of the list how long an order takes. "
        "With the first two, these replies are different:"
    )
    return join(element("p", prose(intro)), *different)


def _http() -> Markup:
    rows: list[tuple[Child, ...]] = [(code(str(status)), prose(when)) for status, when in words.HTTP_STATUSES.items()]
    openapi = element("a", "OpenAPI 3.1", href="/openapi.json")
    return join(
        table(("Status", "When"), rows),
        element("p", "For machines, the same as this page: ", openapi, "."),
    )
