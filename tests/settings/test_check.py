"""Checks of the whole: names that lead nowhere, numbers out of range, and prices that would be wrong in silence."""

import pytest

from tests.settings.files import GOOD, faults_of, read

SERVICES = f"{GOOD}services:\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("version: 1\nproviders: {}\n", ["2:12 there has to be at least one provider"]),
        (
            GOOD.replace("panel-a:", "Panel A:"),
            ["3:3 a name has small letters, digits, - and _ (40 at most), not Panel A"],
        ),
        (GOOD + "currency: usd\n", ["6:11 usd is no currency code such as USD"]),
        (GOOD + "markup: {percent: -100}\n", ["6:19 percent has to be above -100"]),
        (GOOD + "markup: {min_margin: -1}\n", ["6:22 min_margin is 0 or more"]),
        (GOOD + "markup: {round_to: 0}\n", ["6:20 round_to has to be above 0"]),
        (
            GOOD + "tiers: {VIP: {percent: -100}}\n",
            [
                "6:9 a name has small letters, digits, - and _ (40 at most), not VIP",
                "6:24 percent has to be above -100",
            ],
        ),
        (
            GOOD + "categories:\n  Likes: {}\n  LIKES: {percent: -200}\n",
            ["8:3 LIKES and Likes are the same category: case does not count", "8:20 percent has to be above -100"],
        ),
        (GOOD + "    markup: {percent: -101}\n", ["6:23 percent has to be above -100"]),
        (GOOD + "    exchange_rate: 1.1\n", ["6:20 USD is our own currency: its rate is 1"]),
        (GOOD + "    currency: EUR\n    exchange_rate: 0\n", ["7:20 exchange_rate has to be above 0"]),
        (GOOD + "    currency: EUR\n", ["4:5 exchange_rate is missing: how many USD is one EUR?"]),
        (GOOD + "    concurrency: 0\n", ["6:18 concurrency has to be above 0"]),
        (GOOD + "    requests_per_second: 0\n", ["6:26 requests_per_second has to be above 0"]),
        (GOOD + "    timeouts: {connect: 0}\n", ["6:25 connect has to be above 0"]),
        (GOOD + "    dialect: {batch: 101}\n", ["6:22 batch is 1 to 100"]),
        (
            GOOD + "    imports: {include: {types: [Default, Pakage]}}\n",
            ["6:42 services of the type Pakage cannot be sold; did you mean Package?"],
        ),
        (GOOD + "    unknown: {probe_calls_max: 0}\n", ["6:32 probe_calls_max has to be above 0"]),
        (GOOD + "    unknown: {refund_after_hours: 0}\n", ["6:35 refund_after_hours has to be above 0"]),
        (
            GOOD + "    unknown: {cap: -1, recheck_seconds: -1}\n",
            ["6:20 cap is 0 or more", "6:41 recheck_seconds is 0 or more"],
        ),
        (GOOD + "    unknown: {brake: {count: -1}}\n", ["6:30 count is 0 or more"]),
        (GOOD + "    unknown: {same_id_window_seconds: -1}\n", ["6:39 same_id_window_seconds is 0 or more"]),
        (SERVICES + "  0: {routes: [panel-a/1]}\n", ["7:3 a service's id is 1 to 2147483647"]),
        (SERVICES + "  2147483648: {routes: [panel-a/1]}\n", ["7:3 a service's id is 1 to 2147483647"]),
        (SERVICES + "  1: {routes: []}\n", ["7:15 a service needs at least one route"]),
        (SERVICES + "  1: {routes: [101]}\n", ["7:16 101 is not provider/their-id, such as panel-a/101"]),
        (SERVICES + "  1: {routes: [panel-b/1]}\n", ["7:16 there is no provider panel-b; did you mean panel-a?"]),
        (SERVICES + "  1: {routes: [panel-a/1, panel-a / 1]}\n", ["7:27 panel-a / 1 stands twice"]),
        (SERVICES + "  1: {routes: [panel-a/1], min: 0}\n", ["7:33 min has to be above 0"]),
        (SERVICES + "  1: {routes: [panel-a/1], max: 0}\n", ["7:33 max has to be above 0"]),
        (SERVICES + "  1: {routes: [panel-a/1], min: 9, max: 5}\n", ["7:41 max is below min, 9"]),
        (SERVICES + "  1: {routes: [panel-a/1], markup: {percent: -100}}\n", ["7:46 percent has to be above -100"]),
    ],
)
def test_what_the_whole_gets_wrong(text: str, what: list[str]) -> None:
    """One mistake, one fault, at the place where it is mended."""
    told = faults_of(text)
    assert told == what


@pytest.mark.parametrize(
    "url",
    [
        "panel-a.example",
        "ftp://panel-a.example",
        "https://",
        "https://panel a.example/",
        "https://a:port/",
        "https://[x",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """An address has a scheme of the web and a host; the message does not repeat it."""
    (told,) = faults_of(GOOD.replace("https://panel-a.example/api/v2", f'"{url}"'))
    assert "address" in told
    assert len(url) < 10 or url not in told


def test_address_has_no_password() -> None:
    """A secret in an address would be printed with it."""
    assert faults_of(GOOD.replace("https://", "https://me:secret@")) == [
        "4:10 an address has no user name, password or fragment"
    ]


def test_empty_key_is_refused() -> None:
    """A key that is there but empty would be sent as none."""
    assert faults_of(GOOD.replace("A_KEY", "NONE:-")) == ["5:10 the key is empty"]


def test_route_to_a_faulty_provider_is_no_second_fault() -> None:
    """What is wrong with a provider is said there, not again at each service that names it."""
    text = "version: 1\nproviders:\n  panel-a: 5\nservices:\n  1: {routes: [panel-a/1, panel-b/2]}\n"
    assert faults_of(text) == [
        "3:12 here belongs fields, each with its value, not 5",
        "5:27 there is no provider panel-b; did you mean panel-a?",
    ]


def test_exchange_rate_is_not_asked_for_beside_a_faulty_currency() -> None:
    """While it is unknown what our currency is, nothing follows from it."""
    assert faults_of(GOOD + "    currency: EUR\ncurrency: [1]\n") == ["7:11 here belongs a text, not a list"]


def test_other_currency_with_its_rate_is_good() -> None:
    """A provider in a currency of its own, and services in any order."""
    file = read(GOOD + "    currency: EUR\n    exchange_rate: 1.08\n    imports: {include: {types: [default]}}\n")
    assert str(file.providers["panel-a"].exchange_rate) == "1.08"


def test_error_text_has_a_letter() -> None:
    """Without one it would stand in every text of the panel."""
    assert read(GOOD + '    errors: {"Kein Guthaben 7": funds}\n').providers["panel-a"].errors
    (found,) = faults_of(GOOD + '    errors: {"404": service, "Weg": service}\n')
    assert "'404' has no letter: it would stand in every text" in found


def test_statuses_of_answers_are_of_the_table() -> None:
    """A refusal that may be doubted, an edge's answer that may be believed; no other status means either."""
    good = (
        GOOD + "    answers: {unrecognised_error: rejected, unknown_statuses: [403], rejected_statuses: [521, 526]}\n"
    )
    answers = read(good).providers["panel-a"].answers
    assert (answers.unrecognised_error, answers.unknown_statuses) == ("rejected", (403,))
    found = faults_of(GOOD + "    answers: {unknown_statuses: [403, 500], rejected_statuses: [502]}\n")
    assert [fault.partition(" ")[2] for fault in found] == [
        "500 is none of 401, 403, 404, 405, 413, 414, 415, 429, 431",
        "502 is none of 521, 523, 525, 526",
    ]
