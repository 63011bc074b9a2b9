"""Service types: which fields, what is billed, which bounds."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.core.dialects import ProviderDialect
from gateway.core.errors import InvalidOrder
from gateway.core.messages import AddRequest
from gateway.core.money import charge_for, format_amount, scale_of
from gateway.core.pricing import Markup, Rule, quote
from gateway.core.requests import read_request, write_request
from gateway.core.service import DEFAULT, SUBSCRIBED, TYPES, Limits, ServiceType, find_type, fold, read_details
from gateway.core.service_fields import FIELDS, INTERVAL, QUANTITY, RUNS, Field, Holds

LIMITS = Limits(min=10, max=1000, dripfeed=True)
LINK = ("link", " https://x.example/a ")

# PROTOCOL.md section 3, written down a second time: name, fields, what is counted, flat, drip-feed, legacy name.
TABLE = """
Default                 | link quantity                      | quantity  | per 1000 | drip | default
Package                 | link                               | whole     | flat     |      | package
SEO                     | link quantity keywords             | quantity  | per 1000 |      | seo
Custom Comments         | link comments                      | comments  | per 1000 |      | custom_comments
Custom Comments Package | link comments                      | whole     | flat     |      | custom_comments_package
Mentions                | link quantity usernames            | quantity  | per 1000 |      | mentions
Mentions with Hashtags  | link quantity usernames hashtags   | quantity  | per 1000 |      | mentions_with_hashtags
Mentions Custom List    | link usernames                     | usernames | per 1000 |      | mentions_custom_list
Mentions Hashtag        | link quantity hashtag              | quantity  | per 1000 |      | mentions_hashtag
Mentions User Followers | link quantity username             | quantity  | per 1000 |      | mentions_user_followers
Mentions Media Likers   | link quantity media                | quantity  | per 1000 |      | mentions_media_likers
Comment Likes           | link quantity username             | quantity  | per 1000 |      | comment_likes
Comment Replies         | link username comments             | comments  | per 1000 |      | comment_replies
Poll                    | link quantity answer_number        | quantity  | per 1000 |      | poll
Invites from Groups     | link quantity groups               | quantity  | per 1000 |      | invites_from_groups
Subscriptions           | username min max posts old_posts delay expiry | posts | per 1000 |    | subscriptions
Web Traffic             | link quantity country device type_of_traffic google_keyword referring_url | quantity | per 1000 | drip | web_traffic
"""  # noqa: E501 - a table is read along its rows


def type_named(name: str) -> ServiceType:
    """A type that exists."""
    found = find_type(name)
    assert found is not None
    return found


PACKAGE, COMMENTS, TRAFFIC = (type_named(name) for name in ("Package", "Custom Comments", "Web Traffic"))


def test_table_is_the_protocols() -> None:
    """Every row, and no other."""
    rows = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
    assert [each.name for each in TYPES] == [row[0] for row in rows]
    for kind, row in zip(TYPES, rows, strict=True):
        assert [field.name for field in kind.fields] == row[1].split(), kind.name
        counted = "whole" if kind.counted is None else kind.counted.name
        assert ("posts" if kind.subscribed else counted) == row[2], kind.name
        assert (kind.flat, kind.dripfeed) == (row[3] == "flat", row[4] == "drip"), kind.name
        assert kind.legacy_name == row[5]
    assert SUBSCRIBED == ("Subscriptions",)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("default", "Default"),
        ("", "Default"),
        ("  ", "Default"),
        ("custom_comments", "Custom Comments"),
        ("CUSTOM-COMMENTS", "Custom Comments"),
        ("Special comments", "Custom Comments"),
        ("package_comments", "Custom Comments Package"),
        ("Custom Replies", "Comment Replies"),
        ("Package", "Package"),
        ("seo", "SEO"),
        ("mentions-with-hashtags", "Mentions with Hashtags"),
        ("Hologram", None),
    ],
)
def test_q58_type_is_known_in_any_spelling(text: str, name: str | None) -> None:
    """Case, `_`, `-` and spaces mean nothing; no word is Default; an unknown word is no type."""
    found = find_type(text)
    assert (found.name if found else None) == name
    assert fold("Custom_Com-ments ") == "customcomments"


def test_names_are_all_different() -> None:
    """No two types share a name, a synonym or a legacy name."""
    names = [fold(name) for kind in TYPES for name in (kind.name, *kind.synonyms)]
    assert len(set(names)) == len(names)
    assert all(find_type(kind.legacy_name) is kind for kind in TYPES)


def test_plain_order_is_billed_by_quantity() -> None:
    """Link and quantity, trimmed, and nothing else goes to the panel (Q21)."""
    details = read_details(DEFAULT, LIMITS, (LINK, ("quantity", "1,000"), ("rate", "0"), ("comments", "x")))
    assert details.fields == (("link", "https://x.example/a"), ("quantity", "1000"))
    assert (details.quantity, details.billable, details.per_run, details.runs) == (1000, 1000, 1000, None)
    assert (details.link, details.flat) == ("https://x.example/a", False)


def test_drip_feed_is_billed_for_all_runs() -> None:
    """Quantity is per run; all runs are billed and delivered."""
    fields = (LINK, ("quantity", "100"), ("runs", " 5 "), ("interval", "60"))
    details = read_details(DEFAULT, LIMITS, fields)
    assert (details.quantity, details.billable, details.per_run) == (500, 500, 100)
    assert (details.runs, details.interval) == (5, 60)
    assert details.fields[1:] == (("quantity", "100"), ("runs", "5"), ("interval", "60"))


def test_noughts_for_drip_feed_mean_none() -> None:
    """Some callers always send both fields."""
    for kind in (DEFAULT, PACKAGE):
        fields = (LINK, ("quantity", "5"), ("runs", "0"), ("interval", " 0 "))
        assert read_details(kind, Limits(min=1, max=10), fields).runs is None


DRIP = (("runs", "2"), ("interval", "1"))


@pytest.mark.parametrize(
    ("fields", "limits", "text"),
    [
        ((("quantity", "10"),), LIMITS, "Incorrect link"),
        ((("link", "x" * 2049), ("quantity", "10")), LIMITS, "Incorrect link"),
        ((LINK,), LIMITS, "Incorrect quantity"),
        ((LINK, ("quantity", "9")), LIMITS, "Quantity less than minimal 10"),
        ((LINK, ("quantity", "1001")), LIMITS, "Quantity more than maximum 1000"),
        ((LINK, ("quantity", "500"), ("runs", "3"), ("interval", "1")), LIMITS, "Quantity more than maximum 1000"),
        ((LINK, ("quantity", "10"), ("runs", "3")), LIMITS, "Incorrect interval"),
        ((LINK, ("quantity", "10"), ("interval", "3")), LIMITS, "Incorrect runs"),
        ((LINK, ("quantity", "10"), ("runs", "20000"), ("interval", "1")), LIMITS, "Incorrect runs"),
        ((LINK, ("quantity", "10"), ("runs", "2"), ("interval", "20000")), LIMITS, "Incorrect interval"),
        ((LINK, ("quantity", "10"), *DRIP), Limits(min=1, max=100), "Incorrect runs"),
    ],
)
def test_order_that_does_not_fit_is_refused_by_its_text(
    fields: tuple[tuple[str, str], ...], limits: Limits, text: str
) -> None:
    """The words panels know, with the bound that was broken."""
    with pytest.raises(InvalidOrder) as caught:
        read_details(DEFAULT, limits, fields)
    assert caught.value.text == text


@pytest.mark.parametrize("kind", [kind for kind in TYPES if not kind.dripfeed], ids=lambda kind: kind.name)
def test_drip_feed_of_a_type_without_one_is_refused(kind: ServiceType) -> None:
    """Somebody who asks for runs would get one and not be told."""
    with pytest.raises(InvalidOrder, match="Incorrect runs"):
        read_details(kind, Limits(min=1, max=1000, dripfeed=True), (*example(kind), *DRIP))


def test_comments_are_counted_by_their_lines() -> None:
    """Lines that are not empty are billed, whatever ends them; `quantity` beside them is ignored (Q14, Q15)."""
    fields = (LINK, ("comments", "one\r\n\r\n two \rthree\nfour"), ("quantity", "999"))
    details = read_details(COMMENTS, Limits(min=1, max=10), fields)
    assert (details.quantity, details.billable) == (4, 4)
    assert details.fields == (("link", "https://x.example/a"), ("comments", "one\ntwo\nthree\nfour"))


def test_package_needs_a_link_alone() -> None:
    """One whole at a flat rate; a quantity is neither needed nor read (Q14)."""
    details = read_details(PACKAGE, Limits(min=1, max=1), (LINK, ("quantity", "5000")))
    assert (details.quantity, details.billable, details.flat) == (1, 1, True)
    assert details.fields == (("link", LINK[1].strip()),)


def test_package_of_comments_costs_the_same_for_any_number_of_them() -> None:
    """The lines are sent and not counted: neither billed nor held against the bounds."""
    kind = type_named("Custom Comments Package")
    details = read_details(kind, Limits(min=1, max=1), (LINK, ("comments", "a\nb\nc")))
    assert (details.quantity, details.billable, details.flat) == (1, 1, True)
    assert details.fields[1] == ("comments", "a\nb\nc")


@pytest.mark.parametrize(
    ("traffic", "sent", "missing"),
    [("1", "google_keyword", "referring_url"), ("2", "referring_url", "google_keyword"), ("3", None, None)],
)
def test_web_traffic_sends_what_its_kind_of_traffic_needs(traffic: str, sent: str | None, missing: str | None) -> None:
    """The keyword with a search, the address with a referring page, neither with none; the other is not passed on."""
    base = (LINK, ("quantity", "10"), ("country", "US"), ("device", "1"), ("type_of_traffic", traffic))
    both = (("google_keyword", "shoes"), ("referring_url", "https://r.example/"))
    details = read_details(TRAFFIC, LIMITS, (*base, *both))
    assert [name for name, _ in details.fields[5:]] == [name for name in (sent,) if name]
    if sent is not None:
        with pytest.raises(InvalidOrder, match=f"Incorrect {sent}"):
            read_details(TRAFFIC, LIMITS, (*base, *(each for each in both if each[0] == missing)))


def test_web_traffic_may_drip() -> None:
    """Quantity is per run, all runs are billed."""
    details = read_details(TRAFFIC, LIMITS, (*example(TRAFFIC), *DRIP))
    assert (details.billable, details.runs) == (200, 2)


SUBSCRIPTION = (("username", " someone "), ("min", "10"), ("max", "1,000"), ("posts", "3"), ("delay", "0"))


def test_subscription_is_billed_for_the_most_it_can_come_to() -> None:
    """`max` for each post, those that are there already too; what remains is counted in posts."""
    kind = type_named("Subscriptions")
    details = read_details(kind, LIMITS, (*SUBSCRIPTION, ("old_posts", "2"), ("expiry", "1/2/2027"), ("quantity", "7")))
    assert (details.link, details.quantity, details.billable, details.flat) == ("someone", 5, 5000, False)
    assert (details.per_post_min, details.per_run, details.runs) == (10, 1000, None)
    sent = {"username": "someone", "min": "10", "max": "1000", "posts": "3", "old_posts": "2", "delay": "0"}
    assert dict(details.fields) == {**sent, "expiry": "01/02/2027"}
    plain = read_details(kind, LIMITS, (*SUBSCRIPTION, ("old_posts", "0"), ("expiry", " ")))
    assert (plain.quantity, plain.billable) == (3, 3000)
    assert dict(plain.fields) == {name: value for name, value in sent.items() if name != "old_posts"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"posts": "0"}, "Incorrect posts"),
        ({"posts": ""}, "Incorrect posts"),
        ({"posts": "1001"}, "Incorrect posts"),
        ({"old_posts": "-1"}, "Incorrect old_posts"),
        ({"username": ""}, "Incorrect username"),
        ({"delay": "7"}, "Incorrect delay"),
        ({"delay": ""}, "Incorrect delay"),
        ({"min": "9"}, "Quantity less than minimal 10"),
        ({"max": "1001"}, "Quantity more than maximum 1000"),
        ({"min": "501", "max": "500"}, "Incorrect min"),
        ({"expiry": "2027-02-01"}, "Incorrect expiry"),
        ({"expiry": "30/2/2027"}, "Incorrect expiry"),
        ({"expiry": "23/11/2026"}, "Incorrect expiry"),
        ({"runs": "2", "interval": "1"}, "Incorrect runs"),
    ],
)
def test_subscription_that_cannot_be_sold_is_refused(changes: dict[str, str], text: str) -> None:
    """Above all one without a number of posts, whose most nobody knows, and one that is over before it begins."""
    today = msgspec.structs.replace(LIMITS, expiry_min=date(2026, 11, 24))
    kind, given = type_named("Subscriptions"), dict(SUBSCRIPTION)
    assert read_details(kind, today, tuple({**given, "expiry": "24/11/2026"}.items())).quantity == 3
    with pytest.raises(InvalidOrder) as caught:
        read_details(kind, today, tuple({**given, **changes}.items()))
    assert caught.value.text == text


def example(kind: ServiceType) -> tuple[tuple[str, str], ...]:
    """An order of this type out of the examples that users are shown."""
    return tuple((field.name, field.example) for field in kind.fields)


EVERY_TYPE = pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)


@EVERY_TYPE
def test_each_field_of_each_type_is_asked_for(kind: ServiceType) -> None:
    """Without any one of them that its example needs, the order is refused by that field's name."""
    wide = Limits(min=1, max=1000)
    whole = read_details(kind, wide, example(kind))
    assert whole.flat is kind.flat
    for name, _ in whole.fields:
        short = tuple(pair for pair in example(kind) if pair[0] != name)
        if FIELDS[name].optional:
            assert name not in dict(read_details(kind, wide, short).fields)
            continue
        with pytest.raises(InvalidOrder) as caught:
            read_details(kind, wide, short)
        assert caught.value.text == f"Incorrect {name}"


@EVERY_TYPE
def test_bounds_hold_for_what_is_counted(kind: ServiceType) -> None:
    """A quantity, or the lines of a list, is neither under the minimum nor over the maximum; a whole has no bounds."""
    if kind.subscribed:
        return  # `min` and `max`, below
    count = read_details(kind, Limits(min=1, max=1000), example(kind)).quantity
    if kind.flat:
        assert read_details(kind, Limits(min=5, max=9), example(kind)).quantity == 1
        return
    with pytest.raises(InvalidOrder, match=f"Quantity less than minimal {count + 1}"):
        read_details(kind, Limits(min=count + 1, max=1000), example(kind))
    with pytest.raises(InvalidOrder, match=f"Quantity more than maximum {count - 1}"):
        read_details(kind, Limits(min=1, max=count - 1), example(kind))


# Words for nothing (Q6) are absent on the wire, and blanks at the ends are trimmed: neither is a value.
WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], codec="utf-8"), min_size=1, max_size=20
).filter(lambda text: text not in ("null", "undefined"))


def values(field: Field) -> st.SearchStrategy[str]:
    """What callers may write into a field."""
    match field.holds:
        case Holds.LINE:
            return WORDS
        case Holds.LINES:
            return st.lists(WORDS, min_size=1, max_size=6).map("\r\n".join)
        case Holds.NUMBER:
            return st.integers(1, min(field.max, 5000)).map(lambda number: f" {number:,}")
        case Holds.ONE_OF:
            return st.sampled_from(field.choices)
        case Holds.DATE:
            return st.dates(date(2027, 1, 1)).map(lambda day: f"{day.day}/{day.month}/{day.year}")


@st.composite
def orders(draw: st.DrawFn) -> tuple[ServiceType, tuple[tuple[str, str], ...]]:
    """A type with the fields of an order of it, sometimes with a drip-feed."""
    kind = draw(st.sampled_from(TYPES))
    asked = [field for field in kind.fields if not field.optional or draw(st.booleans())]
    fields = [(field.name, draw(values(field))) for field in asked]
    if kind.subscribed:
        given = dict(fields)
        given["min"], given["max"] = sorted((given["min"], given["max"]), key=lambda text: int(text.replace(",", "")))
        fields = list(given.items())
    if kind.dripfeed and draw(st.booleans()):
        fields += [(RUNS.name, str(draw(st.integers(1, 40)))), (INTERVAL.name, draw(values(INTERVAL)))]
    return kind, tuple(fields)


WIDE = Limits(min=1, max=2**31 - 1, dripfeed=True)
DIALECTS = st.sampled_from(
    [ProviderDialect(), ProviderDialect(body="json"), ProviderDialect(method="GET"), ProviderDialect(key_field="k")]
)


@given(orders(), DIALECTS)
def test_order_of_every_type_arrives_as_it_was_sent(
    order: tuple[ServiceType, tuple[tuple[str, str], ...]], dialect: ProviderDialect
) -> None:
    """Read from a caller, written to a panel and read there, it is the same order, field for field."""
    kind, fields = order
    details = read_details(kind, WIDE, fields)
    request = AddRequest(service="7", fields=details.fields)
    heard = read_request(write_request(request, "key", dialect)).request
    assert isinstance(heard, AddRequest)
    told = tuple(pair for pair in heard.fields if pair[0] != dialect.key_field)
    assert told == details.fields
    assert read_details(kind, WIDE, told) == details


@given(orders(), st.decimals(Decimal("0.00001"), Decimal(10_000), places=5), st.integers(0, 300))
def test_listed_rate_times_billable_is_the_charge(
    order: tuple[ServiceType, tuple[tuple[str, str], ...]], cost: Decimal, percent: int
) -> None:
    """For every type, to the last digit: what the list says × what is billed = what is charged."""
    kind, fields = order
    details = read_details(kind, WIDE, fields)
    scale = scale_of("USD")
    rule = Rule("default", Markup(percent=Decimal(percent)))
    rate = quote(cost, Decimal(1), rule, tier=None, scale=scale).rate
    assume(rate * details.billable < 2**63)
    charge = charge_for(rate, details.billable, flat=details.flat)
    listed = Decimal(format_amount(rate, scale))
    assert Decimal(format_amount(charge, scale)) == listed * details.billable / (1 if kind.flat else 1000)
    counted = dict(details.fields)
    if kind.subscribed:
        assert details.billable == details.quantity * details.per_run
        return
    runs = int(counted.get(RUNS.name, "1"))
    assert details.billable == details.quantity == details.per_run * runs
    if kind.counted is QUANTITY:
        assert details.per_run == int(counted[QUANTITY.name])
    elif kind.counted is not None:
        assert details.per_run == len(counted[kind.counted.name].splitlines())
    else:
        assert details.billable == 1
