"""What a collector is told of a running gateway: each span where it belongs, by the names of docs/tracing.md."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.error_type import ErrorType
from gateway.tracing.names import NAMES
from tests.cli.test_order import Told
from tests.collector import Collector, Kept, collecting
from tests.gateway_process import NOBODY
from tests.traced import CLIENT, part, parts, request_of, traced
from tests.world import LINK, World, status_of

DOCUMENT = Path(__file__).parent.parent / "docs" / "tracing.md"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Where the spans go."""
    with collecting() as running:
        yield running


async def test_order_is_told_of_from_the_request_to_the_commit(both: World, collector: Collector) -> None:
    """The request, the choice of routes, the attempt, the call, each command, and the transactions that served them."""
    async with traced(both, collector) as house:
        call = await house.user()
        placed = await call("add", service="1", link=LINK, quantity="100")
        await status_of(call, placed["order"], "Completed")
    order, request = int(placed["order"]), request_of(collector)
    assert (request.parent, request.failed, request.links) == ("", False, ())
    assert request.resource["service.name"] == "panel-gateway"
    about = {"http.request.method": "POST", "http.route": "/api/v2", "http.response.status_code": 200, "user.id": "1"}
    told = {"gateway.action": "add", "gateway.outcome": "ok", "gateway.order": order}
    assert {**about, **told}.items() <= request.facts.items()
    assert [each.name for each in parts(collector, request)][:4] == [
        "read user_by_key",
        "route",
        "store place",
        "attempt",
    ]
    route = part(collector, request, "route")
    assert route.facts == {
        "gateway.service": 1,
        "gateway.candidates": ["panel-a/101", "panel-b/2001"],
        "gateway.order": order,
    }
    attempt = part(collector, request, "attempt")
    assert attempt.facts == {
        "gateway.cause": "placed",
        "gateway.order": order,
        "gateway.n": 1,
        "gateway.provider": "panel-a",
        "gateway.provider_service": "101",
        "gateway.outcome": "accepted",
        "gateway.state": "active",
    }
    sent = part(collector, attempt, "POST add")
    assert (sent.kind, sent.failed) == (CLIENT, False)
    assert sent.facts["http.response.status_code"] == 200
    assert f"{sent.facts['server.address']}:{sent.facts['server.port']}" in both.a.url
    assert [name for name, _ in sent.happenings] == ["fence", "armed", "answered"]
    moments = [sent.began, *(at for _, at in sent.happenings), sent.ended]
    assert moments == sorted(moments)
    arming = part(collector, sent, "store arm")
    assert sent.happenings[0][1] - 2e6 <= arming.began <= arming.ended <= sent.happenings[1][1] + 2e6
    part(collector, attempt, "store decide")
    for each in [each for each in collector.of(request.trace) if each.name.startswith("store ")]:
        _served_by_a_transaction(collector, each, str(both.settings().environment.database_url.reveal()))


def _served_by_a_transaction(collector: Collector, command: Kept, url: str) -> None:
    """A command waited, was run within a transaction that is linked both ways, and was answered after its commit."""
    ((name, begun),) = command.happenings
    ((trace, span),) = command.links
    (transaction,) = [each for each in collector.of(trace) if each.id == span]
    assert (name, transaction.name, transaction.parent) == ("begun", "transaction", "")
    assert (command.trace, command.id) in transaction.links
    assert transaction.trace != command.trace
    assert url.startswith(transaction.facts["db.system.name"])
    assert transaction.facts["gateway.commands"] >= len({*transaction.links})  # jobs' commands are nobody's
    assert transaction.facts["db.operation.batch.size"] >= 1
    commit = part(collector, transaction, "COMMIT")
    near = 2_000_000  # each trace has a clock of its own, set when it begins
    assert command.began <= begun <= commit.began + near
    assert commit.ended <= command.ended + near


async def test_one_transaction_names_all_whom_it_served(panels: World, collector: Collector) -> None:
    """Adds that come together share a commit: its span has a link to each of them, of as many traces."""
    async with traced(panels, collector) as house:
        call = await house.user()
        adds = [call("add", service="1", link=f"{LINK}{n}", quantity="100") for n in range(12)]
        await asyncio.gather(*adds)
    largest = max(collector.named("transaction"), key=lambda each: len(each.links))
    assert len({trace for trace, _ in largest.links}) > 1
    known = {(each.trace, each.id): each for each in collector.spans}
    assert {known[each].name.split()[0] for each in largest.links} == {"store"}


async def test_failover_is_two_attempts_of_one_request(panels: World, collector: Collector) -> None:
    """The first with what went wrong, in the one vocabulary, the second with why there is one."""
    async with traced(panels, collector) as house:
        call = await house.user()
        panels.a.switch("error", "Not enough funds on balance", action="add", processed=False)
        placed = await call("add", service="1", link=LINK, quantity="100")
        await status_of(call, placed["order"], "Completed")
    request = request_of(collector)
    first, second = parts(collector, request, "attempt")
    assert (first.facts["gateway.outcome"], first.facts["error.type"]) == ("rejected", "panel_funds")
    assert (first.failed, second.failed, request.failed) == (True, False, False)
    assert (second.facts["gateway.cause"], second.facts["gateway.n"]) == ("failover", 2)
    assert second.facts["gateway.provider"] == "panel-b"
    assert "error.type" not in second.facts
    assert first.ended <= second.began
    shown = await Told(panels.folder, [])("show", placed["order"])
    assert shown.count(f"     trace    {request.trace}\n") == 2


async def test_what_goes_on_after_the_answer_keeps_its_parent(panels: World, collector: Collector) -> None:
    """The user has an id within `answer_within`, the panel takes longer, the attempt is the request's all the same."""
    panels.a.switch("latency", "900", action="add")
    async with traced(panels, collector, answer_within="0.2") as house:
        call = await house.user()
        placed = await call("add", service="1", link=LINK, quantity="100")
        await status_of(call, placed["order"], "Completed")
    request = request_of(collector)
    attempt = part(collector, request, "attempt")
    assert attempt.began < request.ended < attempt.ended
    assert part(collector, attempt, "POST add").ended > request.ended
    assert attempt.facts["gateway.outcome"] == "accepted"


async def test_choice_that_finds_no_route_says_why(panels: World, collector: Collector) -> None:
    """Each route that was passed over, with what stood in its way: of an order with another one, and of one without."""
    async with traced(panels, collector) as house:
        call = await house.user()
        panels.a.switch("error", "Not enough funds on balance", action="add", processed=False, times=1)
        for service in ("1", "1", "4"):
            await call("add", service=service, link=f"{LINK}{service}", quantity="100")
    _, other, none = collector.named("route")
    why = ["panel-a/101: provider is held: funds"]
    assert (other.facts["gateway.candidates"], other.facts["gateway.passed"]) == (["panel-b/2001"], why)
    assert (none.facts["gateway.candidates"], none.facts["error.type"]) == ([], "policy_no_route")
    assert none.facts["gateway.passed"] == ["panel-a/106: provider is held: funds"]


async def test_fault_is_told_by_whose_it_is(panels: World, collector: Collector) -> None:
    """A panel's or ours is a failure, a caller's is not, as a 4xx is none to a server; all in the one vocabulary."""
    async with traced(panels, collector) as house:
        call = await house.user()
        await house.caller("gw_nobody")("balance")
        await call("add", service="999", link=LINK, quantity="100")
        panels.a.switch("close", "", action="add", processed=True)
        await call("add", service="1", link=LINK, quantity="100")
    wrong, strange = request_of(collector, "POST /api/v2"), collector.named("route")[0]
    assert (wrong.facts["error.type"], wrong.failed, wrong.facts.get("user.id")) == ("caller_key", False, None)
    assert (strange.facts["error.type"], strange.failed) == ("caller_service", False)
    doubtful = collector.one("attempt")
    assert (doubtful.facts["error.type"], doubtful.failed) == ("panel_silent", True)
    assert doubtful.facts["gateway.state"] == "unknown"
    words = {each.facts["error.type"] for each in collector.spans if "error.type" in each.facts}
    assert words <= {each.value for each in ErrorType}


async def test_order_that_a_restart_takes_up_begins_a_trace(panels: World, collector: Collector) -> None:
    """Nobody's request is there any more; why it is sent now is told."""
    async with traced(panels, collector) as house:
        call = await house.user()
    async with traced(panels, collector, a=NOBODY, b=NOBODY, answer_within="0.2") as house:
        placed = await house.caller(call.key)("add", service="1", link=LINK, quantity="100")
    async with traced(panels, collector) as house:
        await status_of(house.caller(call.key), placed["order"], "Completed")
    first, *_, last = collector.named("attempt")
    assert first.facts["error.type"] == "panel_unreachable"
    assert (last.parent, last.facts["gateway.cause"], last.facts["gateway.outcome"]) == ("", "taken_up", "accepted")
    assert {each.facts["gateway.order"] for each in (first, last)} == {int(placed["order"])}


def documented(title: str) -> set[str]:
    """What the first column of a table of the document names."""
    table = DOCUMENT.read_text("utf-8").partition(f"## {title}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


async def test_document_names_every_span_and_every_attribute(panels: World, collector: Collector) -> None:
    """All that came of orders, failovers, doubt, cancels and jobs; and every name of the table is one that is sent."""
    async with traced(panels, collector) as house:
        call = await house.user()
        placed = await call("add", service="1", link=LINK, quantity="100")
        await call("add", service="1", link=LINK, quantity="1")
        await call("cancel", order=placed["order"])
        panels.a.switch("close", "", action="add", processed=True, times=1)
        await call("add", service="1", link=f"{LINK}3", quantity="100")
        panels.a.switch("error", "Not enough funds on balance", action="add", processed=False, times=1)
        await call("add", service="1", link=f"{LINK}2", quantity="100")
        await call("add", service="1", link=f"{LINK}4", quantity="100")  # passes the first route by
        await house.caller("gw_nobody")("balance")
        poor = await house.user("poor", credit=0)
        await poor("add", service="1", link=LINK, quantity="100")
    kinds = {re.sub(r"^(store|read) \S+$|^POST (?!/)\S+$", _shape, each.name) for each in collector.spans}
    assert kinds == documented("Spans")
    facts = {name for each in collector.spans for name in each.facts}
    assert facts == documented("Attributes")
    assert set(NAMES.values()) <= facts
    assert {name for each in collector.spans for name, _ in each.happenings} == documented("Events within a span")


def _shape(found: re.Match[str]) -> str:
    return f"{found[1]} COMMAND" if found[1] else "POST ACTION"
