"""Every service type on the whole way: named in one table alone, sold by the demo, ordered through a real gateway."""

import ast
import json
from decimal import Decimal
from pathlib import Path

from gateway.core.messages import StatusWord
from gateway.core.service import TYPES, Limits, read_details
from gateway.panel.services import load_services
from tests.gateway_process import house_settings, running_house
from tests.panel_process import SHIPPED, simulated_panel
from tests.world import balance, on_sale, status_of

ROOM = Path(__file__).parent.parent / "gateway"


def test_types_are_named_in_one_table_alone() -> None:
    """What a type is called is written in core/service.py; the rest of the code asks the table (STYLE.md, rule 34)."""
    names = {name for kind in TYPES for name in (kind.name, *kind.synonyms)}
    # One word of small letters means other things as well: `default` is a rule's name, `poll` a job's.
    names |= {kind.legacy_name for kind in TYPES if "_" in kind.legacy_name}
    found = [
        f"{path.relative_to(ROOM)}:{node.lineno}: {node.value}"
        for path in sorted(ROOM.rglob("*.py"))
        if path != ROOM / "core" / "service.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert found == []


def test_demo_sells_one_of_each_type() -> None:
    """So that whoever tries the demo can order what they will order one day."""
    sold = {service.type for service in load_services(SHIPPED / "panel-a.yaml").services}
    assert sold == {kind.name for kind in TYPES}


async def test_every_type_is_ordered_charged_and_delivered(tmp_path: Path) -> None:
    """With the fields that users are shown: to the panel whole, charged as listed, completed or given back in part."""
    async with (
        simulated_panel(tmp_path) as panel,
        running_house(house_settings(tmp_path, a=panel.url)) as house,
    ):
        await on_sale(house)
        call = await house.user(credit=100 * 10**8)
        listed = {row["type"]: row for row in await call("services")}
        assert set(listed) == {kind.name for kind in TYPES}
        asked = {}
        for kind in TYPES:
            row = listed[kind.name]
            fields = {field.name: field.example for field in kind.fields}
            details = read_details(kind, Limits(min=1, max=1000), tuple(fields.items()))
            before = await balance(call)
            answer = await call("add", service=str(row["service"]), **fields)
            cost = Decimal(row["rate"]) * details.billable / (1 if kind.flat else 1000)
            assert before - await balance(call) == cost, (kind.name, answer)
            asked[answer["order"]] = details.fields
        books = panel.program.books
        made = {post for order in books.orders() for post in books.made_for(order.id)}
        placed = [dict(json.loads(order.fields)) for order in books.orders() if order.id not in made]
        assert placed == [dict(fields) for fields in asked.values()]
        for order in asked:
            await status_of(call, order, StatusWord.COMPLETED, StatusWord.PARTIAL)
