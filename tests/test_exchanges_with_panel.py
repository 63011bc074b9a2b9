"""The corpus of exchanges against the simulated panel, as each dialect: it hears, and it can say, all of them."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.core.answers import read_reply
from gateway.core.messages import (
    Action,
    AddReply,
    AddRequest,
    ErrorReply,
    MultiCancelReply,
    MultiRefillReply,
    MultiRefillStatusReply,
    MultiStatusReply,
    Unreadable,
    action_of,
)
from gateway.core.presets import PRESETS
from gateway.core.requests import write_request
from gateway.panel.program import Options, PanelProgram
from tests.exchanges import KEY, Exchange, exchanges
from tests.exchanges.stage import ids_of, sold_for
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.world import LINK

FILES = exchanges()


async def said(http: httpx.AsyncClient, panel: SimulatedPanel, each: Exchange) -> httpx.Response:
    """What the panel answers to a file's call."""
    call = write_request(each.request, KEY, PRESETS[each.dialect].dialect)
    headers = [(name.decode(), value.decode()) for name, value in call.headers]
    url = httpx.URL(panel.url, query=call.query) if call.query else panel.url
    return await http.request(call.method, url, headers=headers, content=call.body)


@pytest.mark.parametrize("dialect", PRESETS)
async def test_panel_of_a_dialect_hears_every_call_and_says_every_reply(dialect: str, tmp_path: Path) -> None:
    """Each call is heard as the action it is; each reply, told as a misdeed, goes over the wire to the last byte."""
    own = [each for each in FILES if each.dialect == dialect]
    async with (
        simulated_panel(tmp_path, dialect=PRESETS[dialect].dialect) as panel,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        panel.program.books.open_key(KEY, 10**12)
        for each in own:
            action, reply = action_of(each.request).value, each.file.reply
            before = panel.heard(action)
            name, value = ("status", f"{reply.http} {reply.body.decode()}") if reply.body else ("empty", "")
            panel.switch(name, value, action=action, processed=False, times=1)
            response = await said(http, panel, each)
            assert panel.heard(action) == before + 1, each.name
            assert (response.status_code, response.content) == (reply.http, reply.body), each.name
            read = read_reply(each.request, response.content, PRESETS[dialect].dialect)
            assert isinstance(read, Unreadable) if isinstance(each.expected, Unreadable) else read == each.expected
        assert panel.links() == []


@pytest.mark.parametrize("dialect", PRESETS)
async def test_panel_of_a_dialect_answers_the_usual_files_by_itself(dialect: str, tmp_path: Path) -> None:
    """Whatever a family is asked every day it can be asked, and its answer is of the kind that the file has."""
    own = [each for each in FILES if each.dialect == dialect and each.usual]
    sold = {row.service: msgspec.to_builtins(row) for row in (sold_for(each.request) for each in own)}
    services = [{**row, "id": int(key)} for key, row in sold.items()]
    for row in services:
        del row["service"], row["average_time"]
    listed = tmp_path / "services.json"  # JSON is YAML.
    listed.write_bytes(msgspec.json.encode({"services": services}))
    options = Options(services=listed, data=tmp_path / "panel.db", key=KEY, dialect=PRESETS[dialect].dialect)
    program = PanelProgram(options)
    await program.start()
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            panel = SimulatedPanel(program, KEY)
            stock(panel, own)
            for each in own:
                # An order that goes on for days can be canceled, one that took no time refilled.
                program.panel.pace = 100_000.0 if action_of(each.request) is Action.CANCEL else 0.0
                response = await said(http, panel, each)
                read = read_reply(each.request, response.content, PRESETS[dialect].dialect)
                assert type(read) is type(each.expected), (each.name, response.text)
                match read:
                    case MultiStatusReply() | MultiRefillReply() | MultiCancelReply():
                        rows = dict[str, Any](read.orders)
                    case MultiRefillStatusReply():
                        rows = dict[str, Any](read.refills)
                    case _:
                        continue
                assert rows.keys() == ids_of(each.request), each.name
                assert not any(isinstance(row, ErrorReply) for row in rows.values()), each.name
    finally:
        await program.stop()


def stock(panel: SimulatedPanel, files: list[Exchange]) -> None:
    """Every order and refill that the files ask about."""
    books = panel.program.books
    for number in sorted({int(each) for file in files for each in ids_of(file.request)}):
        fields = (("link", f"{LINK}/{number}"), ("quantity", "100"))
        placed = panel.program.panel.answer(KEY, AddRequest(service="1", fields=fields))
        assert isinstance(placed, AddReply), placed
        books._db.execute("UPDATE orders SET id = ? WHERE id = ?", (-number, placed.order))
        books._db.execute("INSERT INTO refills(id, order_id, created_at) VALUES(?, ?, 0)", (number, number))
    books._db.execute("UPDATE orders SET id = -id")
