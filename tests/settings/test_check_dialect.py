"""Checks of a dialect: names that mean two things, texts that cannot be sent, placeholders nobody fills in."""

import pytest

from gateway.core.messages import StatusWord
from gateway.core.presets import PRESETS
from gateway.settings.check_dialect import dialect_faults
from tests.settings.files import GOOD, faults_of, read


def faults(dialect: str) -> list[str]:
    """What is said about a dialect, with its place."""
    return faults_of(f"{GOOD}    dialect: {dialect}\n")


@pytest.mark.parametrize(
    ("dialect", "what"),
    [
        ("{batch: 0}", "6:22 batch is 1 to 100"),
        ("{requests_per_second: 0}", "6:36 requests_per_second has to be above 0"),
        ("{actions: {servces: packages}}", "6:25 servces is not an action; did you mean services?"),
        ('{actions: {services: " "}}', "6:35 an action has a name"),
        ("{actions: {services: add}}", "6:35 add is another action's name"),
        ("{fields: {lnk: url}}", "6:24 lnk is not a field of a request; did you mean link?"),
        ('{fields: {link: "u l"}}', "6:30 u l is no name of a field"),
        ("{fields: {link: action}}", "6:30 action carries the action already"),
        ("{fields: {link: service}}", "6:30 service carries service already"),
        ("{key_field: action}", "6:26 action carries the action already"),
        ('{action_field: ""}', "6:29  is no name of a field"),
        ("{extra_fields: {link: x}}", "6:30 link carries link already"),
        ('{extra_fields: {"a b": x}}', "6:30 a b is no name of a field"),
        ('{extra_fields: {v: "{order}"}}', "6:33 placeholders are filled in only under add_fields"),
        ('{add_fields: {v: "{orders}"}}', "6:31 the only placeholders are {order} and {attempt}"),
        ("{extra_fields: {v: x}, add_fields: {v: x}}", "6:50 v carries what extra_fields says already"),
        ("{replies: {ordr: trx}}", "6:25 ordr is not a figure of an answer; did you mean order?"),
        ("{replies: {remains: .x}}", "6:34 .x is no name, and no path such as data.order"),
        (
            "{replies: {order: data.Service}}",
            "6:32 data.Service means something else: an order's id is not looked for there",
        ),
        ('{statuses: {" ": Pending}}', "6:26 a status has a word or a number"),
        (
            "{statuses: {x: Canceld}}",
            ("6:29 here belongs Pending or Processing or In progress or Completed or Partial or Canceled, not Canceld; "
            "did you mean Canceled?"),
        ),
        ("{key_scheme: Bearer}", "6:27 key_scheme stands before the key in a header: key_header is missing"),
        ("{key_header: X-Key, key_scheme: a b}", "6:46 a b is no scheme such as Bearer"),
        ("{key_header: Host}", "6:27 Host is no header that can carry a key"),
        ('{key_header: "a b"}', "6:27 a b is no header that can carry a key"),
        ('{headers: {"X Y": z}}', "6:25 X Y is no header that can be sent"),
        ('{headers: {X-Y: "a\\nb"}}', "6:25 X-Y is no header that can be sent"),
        ('{headers: {X-Y: "\\u4e00"}}', "6:25 X-Y is no header that can be sent"),
        ("{headers: {Content-Type: x}}", "6:25 Content-Type is set by the gateway itself"),
        ("{key_header: X-Key, headers: {x-key: z}}", "6:44 x-key carries the key already"),
        ("smartpannel", ("6:14 here belongs perfectpanel or legacy or smartpanel or rentalpanel or json, "
         "not smartpannel; did you mean smartpanel?")),
        ("{preset: pp}", "6:23 here belongs perfectpanel or legacy or smartpanel or rentalpanel or json, not pp"),
        ("{date_format: Ymd}",
         "6:28 here belongs d/m/Y or m/d/Y or Y-m-d or d-m-Y or d.m.Y, not Ymd; did you mean Y-m-d?"),
    ],
)  # fmt: skip
def test_fault_of_a_dialect_has_its_place(dialect: str, what: str) -> None:
    """Each is told once, where it stands."""
    assert faults(dialect) == [what]


@pytest.mark.parametrize("name", PRESETS)
def test_preset_is_one_word_and_without_a_fault(name: str) -> None:
    """The word alone, or with what is said instead."""
    assert list(dialect_faults(PRESETS[name].dialect)) == []
    assert read(f"{GOOD}    dialect: {name}\n").providers["panel-a"].dialect == PRESETS[name].dialect
    own = read(f"{GOOD}    dialect: {{preset: {name}, batch: 50}}\n").providers["panel-a"].dialect
    assert (own.preset, own.batch, own.lacks) == (name, 50, PRESETS[name].dialect.lacks)


def test_everything_may_be_said_at_once() -> None:
    """A panel that does nothing as others do is still some lines of the file."""
    dialect = read(
        f"{GOOD}    dialect:\n"
        "      preset: json\n"
        "      body: query\n"
        "      key_header: Authorization\n"
        "      key_scheme: Bearer\n"
        "      action_field: act\n"
        "      actions: {services: packages, multi_status: orders}\n"
        "      fields: {link: url, order: id, orders: ids}\n"
        '      add_fields: {request_id: "gw-{order}", token: "${ENV:A_KEY}"}\n'
        "      replies: {order: data.trx, remains: left}\n"
        '      statuses: {"1": Processing, "Sedang jalan": In progress}\n'
        "      date_format: Y-m-d\n"
        "      balance: false\n"
    ).providers["panel-a"].dialect  # fmt: skip
    assert dialect.lacks == ("multi_refill_status", "balance")
    assert dialect.statuses == {"1": StatusWord.PROCESSING, "Sedang jalan": StatusWord.IN_PROGRESS}
    assert dialect.add_fields == {"request_id": "gw-{order}", "token": "key-of-a"}
