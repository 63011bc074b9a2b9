"""The table of events in docs/logs.md is what the code logs, line for line, and the reader of code misses nothing."""

import re
from pathlib import Path

import pytest

from tests.log_events import GATEWAY, Unreadable, events_of

DOCUMENT = (GATEWAY.parent / "docs" / "logs.md").read_text("utf-8")
# What a line has by where it was logged; the document tells of these once, and a call may name them besides.
EVERYWHERE = {"request_id", "order_id", "attempt", "provider", "job"}
# Bound by `Desk.spawn`, so no call names it.
BOUND = {"refill_told": {"refill_id"}}
_LEVELS = "debug|info|warning|error|critical"
_ROW = re.compile(rf"^\| `([a-z_]+)` \| ((?:{_LEVELS}|, )+) \|([^|]*)\| [^|]+ \|$", re.MULTILINE)


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """The levels and the fields of each row of the table."""
    table = DOCUMENT.partition("## Events")[2]
    rows = _ROW.findall(table)
    assert len(rows) == sum(line.startswith("| `") for line in table.splitlines()), "a row that is none"
    return {name: (set(levels.split(", ")), set(re.findall("`([a-z_]+)`", fields))) for name, levels, fields in rows}


def test_table_has_each_event_with_its_levels_and_fields() -> None:
    """None is missing, none is of yesterday, and none is at another level than the table says."""
    code, table = events_of(), documented()
    assert sorted(code) == sorted(table)
    for name, event in code.items():
        levels, fields = table[name]
        assert event.levels == levels, name
        assert event.fields - EVERYWHERE == fields - BOUND.get(name, set()), name


def test_every_level_of_the_table_is_explained() -> None:
    """The document's own words for levels are those of the table."""
    used = set().union(*(levels for levels, _ in documented().values()))
    assert used == set(re.findall(rf"^\| `({_LEVELS})` \|", DOCUMENT, re.MULTILINE))


def test_every_call_of_a_logger_is_read() -> None:
    """As many events are found as a search for the text finds calls, whichever way they are made."""
    called = 0
    for path in GATEWAY.rglob("*.py"):
        called += len(re.findall(r'\b(?:log|say|tell|told)\b(?:\.\w+)?\(\s*"([a-z_]+)"', path.read_text("utf-8")))
    named = set()
    for path in GATEWAY.rglob("*.py"):
        named |= set(re.findall(r'\b(?:log|say|tell|told)\b(?:\.\w+)?\(\s*"([a-z_]+)"', path.read_text("utf-8")))
    assert called >= len(named) > 40
    assert named == set(events_of())


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def f(name):\n    log.info(name)\n", "the event's name is no literal"),
        ("def f(more):\n    log.info('event', **more)\n", "the fields are not spelt out"),
    ],
)
def test_line_that_hides_its_event_is_complained_about(tmp_path: Path, code: str, why: str) -> None:
    """With its place, so that the table can be believed."""
    (tmp_path / "hidden.py").write_text(code)
    with pytest.raises(Unreadable, match=f"hidden.py:2: {why}"):
        events_of(tmp_path)


def test_reader_knows_the_ways_in_which_events_are_logged(tmp_path: Path) -> None:
    """A method chosen before, fields bound before, a traceback, fields of a literal."""
    (tmp_path / "ways.py").write_text(
        "def f(bad):\n"
        "    say = log.error if bad else log.debug\n"
        "    say('chosen', a=1)\n"
        "    told = log.bind(b=2)\n"
        "    told.warning('bound', c=3)\n"
        "    more = {'d': 4}\n"
        "    log.exception('broke', **more)\n"
    )
    found = {name: (set(each.levels), set(each.fields)) for name, each in events_of(tmp_path).items()}
    assert found == {
        "chosen": ({"error", "debug"}, {"a"}),
        "bound": ({"warning"}, {"b", "c"}),
        "broke": ({"error"}, {"d"}),
    }
