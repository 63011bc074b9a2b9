"""The record of spans: what is told of now, who inherits it, what a caller may say, and what it is when it is off."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog

from gateway.tracing import (
    NOTHING,
    Kind,
    Recorded,
    Tracer,
    hears_callers,
    note,
    on,
    recorded,
    span,
    trace,
    trace_id,
    turn_off,
    turn_on,
)
from gateway.tracing.span import Place, read_traceparent

ID, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def kept() -> Iterator[list[Recorded]]:
    """Every finished span, with every trace kept."""
    found: list[Recorded] = []
    turn_on(Tracer(found.append, ratio=1.0))
    yield found
    turn_off()


def test_off_is_one_constant() -> None:
    """Whatever is asked for is the same object, and nothing that is said to it is kept."""
    assert not on()
    assert span("route") is trace("request", Kind.SERVER) is NOTHING
    with trace("request") as told:
        told.note(order=1)
        told.rename("other")
        told.happened("armed")
        told.link(told)
        note(order=1)
        assert told.child("x", Kind.CLIENT, {}) is NOTHING
        assert (told.recording, recorded(), trace_id(), hears_callers()) == (False, None, "", False)


def test_part_belongs_to_what_is_told_of_now(kept: list[Recorded]) -> None:
    """By the variable alone; one after another, one within another, and none of a trace that is over."""
    assert span("alone") is NOTHING  # a part of nothing begins no trace
    with trace("request", Kind.SERVER, order=1) as whole:
        with span("route") as first:
            note(passed=2)
        with trace("attempt") as second, span("store arm") as third:
            pass
    assert span("alone") is NOTHING
    assert [each.name for each in kept] == ["route", "store arm", "attempt", "request"]
    assert isinstance(whole, Recorded)
    assert [each.parent for each in (first, second, third)] == [whole, whole, second]  # type: ignore[attr-defined] # kept ones
    assert {each.trace_id for each in kept} == {whole.trace_id}
    assert len({each.span_id for each in kept}) == 4
    assert (whole.facts, whole.kind) == ({"order": 1}, Kind.SERVER)
    assert kept[0].facts == {"passed": 2}
    assert whole.began <= kept[0].began <= kept[0].ended <= kept[1].began <= whole.ended


async def test_tasks_inherit_it_and_outlive_it(kept: list[Recorded]) -> None:
    """What was begun within a request and goes on has it for its parent; what comes after its end is not kept of it."""

    async def go_on() -> None:
        note(early=True)
        await asyncio.sleep(0.01)
        note(late=True)
        with span("attempt"):
            assert trace_id() == structlog.contextvars.get_contextvars()["trace_id"]

    with trace("request") as told:
        task = asyncio.create_task(go_on())
        await asyncio.sleep(0)
    told.happened("late")
    told.link(told)
    await task
    request, attempt = kept
    assert (attempt.parent, attempt.began > request.ended) == (request, True)
    assert (request.facts, request.happenings, request.links) == ({"early": True}, [], [])
    assert "trace_id" not in structlog.contextvars.get_contextvars()


def test_moments_lie_within(kept: list[Recorded]) -> None:
    """Also those that are told of afterwards."""
    with trace("call") as told:
        told.happened("answered", before=0.5)
    (call,) = kept
    assert call.began - 500_000_000 <= call.happenings[0].at <= call.ended - 500_000_000


@pytest.mark.parametrize(
    ("noted", "failed"),
    [({}, "KeyError"), ({"error_type": "panel_silent"}, ""), ({"outcome": "refused"}, "")],
    ids=["nobody-knows", "judged", "a-no"],
)
def test_error_nobody_judged_is_told_by_its_type(kept: list[Recorded], noted: dict[str, str], failed: str) -> None:
    """Never by its words; who has judged it has said so."""

    def fail() -> None:
        with trace("request") as told:
            told.note(**noted)
            raise KeyError("gw_secret")

    with pytest.raises(KeyError, match="gw_secret"):
        fail()
    assert kept[0].failed == failed


def test_trace_that_is_not_drawn_is_none_to_its_end() -> None:
    """The die falls once: nothing within begins a trace of its own, and the next one is drawn anew."""
    found: list[Recorded] = []
    falls = iter([0.5, 0.1])
    turn_on(Tracer(found.append, ratio=0.2, die=lambda: next(falls)))
    with trace("request") as told, trace("attempt") as within, span("store arm") as deeper:
        assert (told.recording, within, deeper, recorded()) == (False, NOTHING, NOTHING, None)
    with trace("request") as told:
        assert told.recording
    turn_off()
    assert [each.name for each in found] == ["request"]


@pytest.mark.parametrize(("ratio", "count"), [(0.0, 0), (1.0, 200)])
def test_ends_of_the_ratio_are_exact(ratio: float, count: int) -> None:
    """None is none, and all is all."""
    found: list[Recorded] = []
    turn_on(Tracer(found.append, ratio=ratio))
    for _ in range(200):
        with trace("request"):
            pass
    turn_off()
    assert len(found) == count


def test_what_serves_many_is_a_trace_beside_them(kept: list[Recorded]) -> None:
    """Linked both ways, and a part of none."""
    with trace("a") as one, trace("b"):
        assert isinstance(one, Recorded)
        with one.beside("transaction", Kind.CLIENT, database="sqlite") as shared:
            shared.link(one)
            one.link(shared)
    transaction, _, _ = kept
    assert (transaction.parent, transaction.links) == (None, [one.place])
    assert one.links == [transaction.place]
    assert transaction.trace_id != one.trace_id


@pytest.mark.parametrize(
    ("header", "heard"),
    [
        (f"00-{ID}-{SPAN}-01", True),
        (f"  00-{ID}-{SPAN}-00 ", True),
        (f"cc-{ID}-{SPAN}-01-what-is-to-come", True),
        (f"00-{ID}-{SPAN}-01-more", False),
        (f"ff-{ID}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{ID}-{'0' * 16}-01", False),
        (f"00-{ID.upper()}-{SPAN}-01", False),
        (f"00-{ID}-{SPAN}", False),
        ("", False),
        ("0" * 100_000, False),
    ],
    ids=["usual", "spaces", "later", "longer", "ff", "no-trace", "no-span", "capitals", "short", "none", "long"],
)
def test_traceparent_is_read_as_the_standard_has_it(header: str, heard: bool) -> None:
    """Anything else is as if there were none."""
    place = Place(int(ID, 16), int(SPAN, 16), remote=True)
    assert read_traceparent(header.encode()) == (place if heard else None)
