"""The page of quirks is whole and true: every number, and only tests and exchanges that bear the number."""

import ast
import json
import re
from pathlib import Path

from gateway.core.messages import BalanceReply, BalanceRequest, StatusReply, StatusRequest
from gateway.core.outcome import Accepted
from tests.gateway_process import running_house
from tests.providers.clients import Client, place
from tests.providers.misdeeds import misdoer, whole
from tests.world import LINK, World, on_sale, status_of

ROOT = Path(__file__).parent.parent
EXCHANGES = ROOT / "tests" / "exchanges"
# PROTOCOL.md has no Q22 to Q40, and no Q68.
QUIRKS = [f"Q{n}" for n in (*range(1, 22), *range(41, 68), *range(69, 90))]


def table() -> dict[str, str]:
    """What stands in the last cell of each row of docs/quirks.md."""
    lines = (ROOT / "docs" / "quirks.md").read_text("utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if re.match(r"\| Q\d+ \|", line)]
    found = {cells[0]: cells[2] for cells in rows}
    assert len(rows) == len(found), "a quirk stands twice"
    assert all(len(cells) == 3 and cells[1] for cells in rows)
    return found


def borne() -> dict[str, set[str]]:
    """Every test with the quirks that it bears, in its name or in its docstring."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                named = {f"Q{number}" for number in re.findall(r"_q(\d+)(?=_)", node.name)}
                told = set(re.findall(r"\bQ\d+\b", ast.get_docstring(node) or ""))
                found.setdefault(node.name, set()).update(named | told)
    return found


def test_page_has_every_quirk_once() -> None:
    """Each number of the protocol, in its order."""
    assert list(table()) == QUIRKS


def test_quirk_is_covered_or_says_why_it_is_open() -> None:
    """By tests and exchanges that bear its number; what is open has a reason."""
    known = borne()
    for quirk, cell in table().items():
        named = re.findall(r"`(test_\w+)`", cell)
        files = re.findall(r"`(\w+/(?:usual|odd)/[\w-]+\.json)`", cell)
        for name in named:
            assert quirk in known.get(name, set()), f"{quirk}: {name} is no test that bears its number"
        for file in files:
            about = json.loads((EXCHANGES / file).read_text("utf-8"))["about"]
            assert re.search(rf"\b{quirk}\b", about), f"{quirk}: {file} does not bear its number"
        assert named or files or re.search(r"\*\*open\*\*: \w", cell), f"{quirk} is neither covered nor open"
        assert "**open**" not in cell or re.search(r"\*\*open\*\*: \w+ ", cell), f"{quirk} is open without a reason"


def test_test_that_is_named_after_a_quirk_stands_in_its_row() -> None:
    """`test_q57_q74_…` in both rows."""
    cells = table()
    for name in borne():
        for number in re.findall(r"_q(\d+)(?=_)", name):
            assert f"`{name}`" in cells[f"Q{number}"], f"{name} is missing in row Q{number}"


async def test_q72_content_type_is_not_looked_at() -> None:
    """JSON as a page, as text, as nothing, in pretty print, is JSON."""
    for kind in (b"\r\nContent-Type: text/html; charset=UTF-8", b"\r\nContent-Type: text/plain", b""):
        async with misdoer(whole(b'{\n    "order": 23501\n}\n', b"200 OK", kind)) as there:
            assert await place(Client(there.url)) == Accepted("23501")
        async with misdoer(whole(b' {\n  "balance": "5",\n  "currency": "USD"\n}', b"200 OK", kind)) as there:
            client = Client(there.url)
            assert await client.ask(BalanceRequest()) == BalanceReply("5", "USD")
            await client.aclose()
        async with misdoer(whole(b'{\n\t"status": "Pending",\n\t"remains": "7"\n}', b"200 OK", kind)) as there:
            client = Client(there.url)
            said = await client.ask(StatusRequest("1"))
            assert isinstance(said, StatusReply)
            assert said.remains == 7
            await client.aclose()


async def test_q83_link_that_is_busy_there_goes_another_way(panels: World) -> None:
    """At the next panel, and the panel stays in use for other links; who may not wait gets the charge back."""
    panels.a.switch("active_link")
    panels.a.program.panel.pace = 1000.0
    async with running_house(panels.settings(queue_seconds="0")) as house:
        await on_sale(house)
        call = await house.user()
        for name in ("one", "one", "two"):
            placed = await call("add", service="1", link=LINK + name, quantity="100")
            await status_of(call, placed["order"], "Pending", "In progress", "Processing", "Completed")
        assert panels.a.links() == [f"{LINK}one", f"{LINK}two"]
        assert panels.b.links() == [f"{LINK}one"]
        before = await call("balance")
        assert "order" in await call("add", service="2", link=f"{LINK}three", comments="fine\nvery fine")
        taken = await call("balance")
        again = await call("add", service="2", link=f"{LINK}three", comments="fine\nvery fine")
        assert again == {"error": "Service temporarily unavailable"}
        assert await call("balance") == taken != before


async def test_q20_junk_for_an_id_is_cheap_and_incorrect(panels: World) -> None:
    """No look into the books for what cannot be an order."""
    async with running_house(panels.settings()) as house:
        await on_sale(house)
        call = await house.user()
        reads = house.gateway.store.counts.reads
        for junk in ("0", "-1", "junk", "99999999999999", "1.5", "١٢", "1e3", "0x10") * 5:
            assert await call("status", order=junk) == {"error": "Incorrect order ID"}
        assert house.gateway.store.counts.reads - reads < 20, "the key's once a second, and what runs by the clock"
