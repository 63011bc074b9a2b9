"""Values out of nodes: exact, strict, and going on after each fault."""

from decimal import Decimal

import pytest

from gateway.core.rejections import RejectKind
from gateway.settings.secrets import Secret
from gateway.settings.values import Imports, Selection
from tests.settings.files import GOOD, PROVIDER, faults_of, read

NUMBER = "here belongs a number, not"


def test_numbers_are_taken_from_their_digits() -> None:
    """A Decimal is what was written, never what a float made of it."""
    file = read(GOOD + "    exchange_rate: 1\nmarkup: {percent: 20.10, add: 0.123456789012345678}\n")
    assert str(file.markup.percent) == "20.10"
    assert file.markup.add == Decimal("0.123456789012345678")


@pytest.mark.parametrize(
    ("field", "what"),
    [
        ("percent: 1e3", f"{NUMBER} 1e3"),
        ("percent: NaN", f"{NUMBER} NaN"),
        ("percent: 1,5", f"{NUMBER} 1,5"),
        ("percent: twenty", f"{NUMBER} twenty"),
        ("percent: 99999999999999999999999", f"{NUMBER} 99999999999999999999999"),
        ("percent: '20'", 'here belongs a number, without quotes, not "20"'),
        ("percent: [1]", f"{NUMBER} a list"),
        ("percent: {a: 1}", f"{NUMBER} fields"),
        ("percent:", f"{NUMBER} nothing"),
    ],
)
def test_what_is_no_number_is_refused(field: str, what: str) -> None:
    """Exponents, NaN, commas, quotes and numbers beyond every price are no amounts."""
    (told,) = faults_of(f"{GOOD}markup:\n  {field}\n")
    assert told.endswith(what)


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ("    urll: x\n", "6:5 there is no field urll here; did you mean url?"),
        ("    zzz: x\n", "6:5 there is no field zzz here"),
        ("    concurrency: 1.5\n", "6:18 here belongs a whole number, not 1.5"),
        ("    concurrency: many\n", "6:18 here belongs a whole number, not many"),
        ("    enabled: maybe\n", "6:14 here belongs true or false, not maybe"),
        ("    enabled: 'true'\n", '6:14 here belongs true or false, without quotes, not "true"'),
        ("    currency: [USD]\n", "6:15 here belongs a text, not a list"),
        ("    imports: al\n", "6:14 here belongs all, or fields, not al"),
        ("    imports: {include: {ids: 5}}\n", "6:30 here belongs a list, not 5"),
        ("    timeouts: 5\n", "6:15 here belongs fields, each with its value, not 5"),
        ("    dialect: {body: jsn}\n", "6:21 here belongs form or json or query, not jsn; did you mean json?"),
        ("    dialect: {method: [POST]}\n", "6:23 here belongs POST or GET, not a list"),
        ("    dialect: {headers: x}\n", "6:24 here belongs names, each with its value, not x"),
    ],
)
def test_fault_says_what_belongs_there(lines: str, what: str) -> None:
    """Each fault has its line, its column, what was expected and what stood there."""
    assert faults_of(GOOD + lines) == [what]


def test_error_kind_is_suggested() -> None:
    """A provider's own error texts name one of our kinds; a slip in it is put right."""
    (told,) = faults_of(GOOD + "    errors: {no money: found}\n")
    assert told.endswith("not found; did you mean funds?")
    provider = read(GOOD + "    errors: {no money: funds}\n").providers["panel-a"]
    assert provider.errors == {"no money": RejectKind.FUNDS}


@pytest.mark.parametrize("strategy", ["cheapest", "weighted", "balanced"])
def test_planned_strategy_is_named_as_planned(strategy: str) -> None:
    """Who reads about a strategy in the design learns that it is not there yet."""
    (told,) = faults_of(f"{GOOD}services:\n  1: {{routes: [panel-a/1], strategy: {strategy}}}\n")
    assert told.endswith(
        f"here belongs priority, not {strategy}; it is planned, and priority is the only strategy there is so far"
    )


def test_required_fields_are_missed() -> None:
    """What has no default is asked for, and everything else is still looked at."""
    assert faults_of("currency: us\nproviders:\n  panel-a:\n    url: ftp://x\n") == [
        "1:1 version is missing",
        "1:11 us is no currency code such as USD",
        "4:5 key is missing",
        "4:10 an address begins with https:// (or http://), names a host and has no blanks",
    ]


def test_import_of_everything_is_said_in_a_word() -> None:
    """`all` is an import without conditions; leaving the field out imports nothing."""
    assert read(GOOD).providers["panel-a"].imports is None
    assert read(GOOD + "    imports: all\n").providers["panel-a"].imports == Imports()
    some = read(GOOD + '    imports: {include: {ids: [1, "2"]}}\n').providers["panel-a"].imports
    assert some == Imports(include=Selection(ids=("1", "2")))


def test_optional_value_may_be_left_empty() -> None:
    """`name:` with nothing behind it is as good as no `name`."""
    file = read(f"{GOOD}services:\n  1:\n    name:\n    routes: [panel-a/1]\n")
    assert file.services[1].name is None


def test_one_number_written_twice_is_one_key() -> None:
    """`1` and `+1` are the same service: the second is refused, not taken."""
    told = faults_of(f"{GOOD}services:\n  1: {{routes: [panel-a/1]}}\n  +1: {{routes: [panel-a/2]}}\n")
    assert told == ["8:3 1 stands twice; the first is at line 7"]


def test_service_id_is_a_number() -> None:
    """Our ids are numbers, as panels keep them."""
    assert faults_of(f"{GOOD}services:\n  one: {{routes: [panel-a/1]}}\n") == [
        "7:3 here belongs a whole number, not one"
    ]


def test_key_is_never_written_in_the_file() -> None:
    """A key in the file is refused, and the message does not repeat it."""
    text = GOOD.replace("${ENV:A_KEY}", "sk-live-123")
    assert faults_of(text) == ["5:10 a secret is not written here: name it, ${ENV:NAME} or ${FILE:/run/secrets/name}"]
    assert read(GOOD).providers["panel-a"].key == Secret("key-of-a")


def test_missing_secret_is_a_fault() -> None:
    """A name that leads nowhere is said with its place."""
    assert faults_of(GOOD.replace("A_KEY", "B_KEY")) == ["5:10 B_KEY is not set in the environment"]


def test_address_may_come_from_the_environment() -> None:
    """Addresses, headers and extra fields may refer to it; other texts may not."""
    named = GOOD.replace("https://panel-a.example", "https://${ENV:HOST:-panel-b.example}")
    assert read(named).providers["panel-a"].url == "https://panel-b.example/api/v2"
    headers = read(GOOD + "    dialect: {headers: {X-Token: '${ENV:A_KEY}'}}\n").providers["panel-a"].dialect.headers
    assert headers == {"X-Token": "key-of-a"}
    where = "a provider's key, url, headers, extra_fields and add_fields, and a channel's url and secrets"
    assert faults_of(f"{GOOD}services:\n  1: {{name: '${{ENV:A_KEY}}', routes: [panel-a/1]}}\n") == [
        f"7:13 ${{...}} is filled in only in {where}"
    ]
    assert faults_of(GOOD.replace("https://panel-a.example", "https://${HOST}")) == [
        "4:10 a reference is ${ENV:NAME}, ${ENV:NAME:-default} or ${FILE:/path}"
    ]


def test_surprise_is_said_once() -> None:
    """A value YAML readers disagree about is not called missing as well."""
    (told,) = faults_of(f"version: 1\nproviders:\n{PROVIDER.replace('${ENV:A_KEY}', 'no')}")
    assert told.startswith("5:10 YAML readers disagree")
    (told,) = faults_of(f"{GOOD}services:\n  1: {{routes: [no, panel-a/1]}}\n")
    assert told.startswith("7:16 YAML readers disagree")
