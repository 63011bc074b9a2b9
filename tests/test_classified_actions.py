"""What a person said a text means, in answers to a balance, a refill and a cancel, in a whole gateway."""

from functools import partial

from gateway.app import Pace
from gateway.core.rejections import RejectKind
from gateway.core.unclassified import Meaning
from gateway.store.engine import Query, Row, Steps
from gateway.store.texts import classify_text, list_texts
from tests.gateway_process import Caller, House, running_house
from tests.world import LINK, World, on_sale, status_of, until

TEXT = "Konto 17 ist gesperrt"
FAST = Pace(texts=0.1, sweep=0.2, figures=0.3, balances=0.3, reconcile=0.1)


async def classified(house: House, kind: Meaning) -> None:
    """A person says what the text means that panel-a was heard with, and the running gateway has learnt it."""

    async def heard() -> int | None:
        texts = await house.gateway.store.read(list_texts)
        return texts[0].id if texts else None

    number = await until(heard)
    said = await house.gateway.store.run(
        partial(classify_text, number, kind, actor="cli:anna", reason="their manual", now=1)
    )

    async def learnt() -> bool:
        return house.gateway.desk.providers["panel-a"].classified.get(said.pattern, RejectKind.ORDER) is kind

    await until(learnt)


async def completed(call: Caller, link: str) -> str:
    """An order that panel-a has done."""
    order: str = (await call("add", service="1", link=f"{LINK}{link}", quantity="100"))["order"]
    await status_of(call, order, "Completed")
    return order


def cancels(order: str) -> Steps[tuple[Row, ...]]:
    """What is owed and was answered of a cancel."""
    return tuple((yield Query("cancel_of", {"order_id": int(order)})))


async def test_balance_that_is_refused_for_our_key_stops_orders_until_it_is_answered(panels: World) -> None:
    """Once somebody said that the text means that; before, it is no news. The metrics have its word from then on."""
    async with running_house(panels.settings(), pace=FAST) as house:
        await on_sale(house)
        desk = house.gateway.desk
        panels.a.switch("error", TEXT, action="balance")
        await classified(house, RejectKind.CREDENTIALS)

        async def held() -> bool:
            return desk.condition("panel-a").held == "credentials"

        await until(held)
        labels = {"provider": "panel-a", "error_type": "panel_credentials"}
        assert desk.metrics.registry.get_sample_value("gateway_upstream_calls_total", labels)
        call = await house.user()
        order = (await call("add", service="1", link=LINK, quantity="100"))["order"]
        await status_of(call, order, "Completed")
        assert (panels.a.links(), panels.b.links()) == ([], [LINK])
        panels.a.program.switches.clear()

        async def free() -> bool:
            return desk.condition("panel-a").held is None

        await until(free)


async def test_refill_whose_answer_proves_nothing_is_pending(panels: World) -> None:
    """An error is a refusal, and the user may ask again; one that was judged to prove nothing may have been taken."""
    async with running_house(panels.settings(), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        first, second = await completed(call, "one"), await completed(call, "two")
        panels.a.switch("error", TEXT, action="refill")
        assert await call("refill", order=first) == {"error": "Order not eligible for refill."}
        await classified(house, None)
        taken = await call("refill", order=second)
        assert await call("refill_status", refill=str(taken["refill"])) == {"status": "Pending"}
        assert await call("refill", order=second) == {"error": "Order not eligible for refill."}, "one is open"


async def test_cancel_that_a_busy_panel_had_no_time_for_is_told_again(panels: World) -> None:
    """It is owed on; a refusal in words that mean no more than that settles it."""
    panels.a.program.panel.pace = 100_000.0
    async with running_house(panels.settings(), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        panels.a.switch("error", TEXT, action="cancel")
        orders = [(await call("add", service="1", link=f"{LINK}{n}", quantity="100"))["order"] for n in range(2)]

        async def state(order: str) -> tuple[str | None, bool] | None:
            rows = await house.gateway.store.read(partial(cancels, order))
            return (rows[0]["answer"], rows[0]["due_at"] is not None) if rows and rows[0]["sends"] else None

        assert "success" in await call("cancel", order=orders[0])

        async def refused() -> bool:
            return await state(orders[0]) == ("refused", False)

        await until(refused)
        await classified(house, RejectKind.THROTTLED)
        assert "success" in await call("cancel", order=orders[1])

        async def owed() -> bool:
            return await state(orders[1]) == (None, True) and panels.a.heard("cancel") == 2

        await until(owed)
