"""A text nobody knows, in a whole gateway: doubt, a person's word, a refusal from then on, never a resend."""

import asyncio
import json
from decimal import Decimal
from functools import partial

from gateway.app import Pace
from gateway.core.rejections import RejectKind
from gateway.store.texts import PanelText, classify_text, list_texts
from tests.doubt import queue
from tests.gateway_process import Caller, House, running_house
from tests.world import LINK, World, balance, on_sale, status_of, until

TEXT = "Konto 17 von https://social.example/p/1 ist privat"
PATTERN = "konto # von <link> ist privat"
FAST = Pace(texts=0.1, sweep=0.2, figures=0.3, balances=0.3, reconcile=0.1)


async def texts(house: House, *, every: bool = False) -> tuple[PanelText, ...]:
    """What is listed."""
    return await house.gateway.store.read(partial(list_texts, every=every))


async def one(house: House) -> PanelText:
    """The one text there is, once it is there."""
    found = await until(lambda: texts(house))
    assert len(found) == 1
    text: PanelText = found[0]
    return text


async def said(house: House, text: PanelText, kind: RejectKind | None) -> None:
    """A person says what it means, and the running gateway has learnt it."""
    work = partial(classify_text, text.id, kind, actor="cli:anna", reason="their manual", now=1)
    await house.gateway.store.run(work)

    async def learnt() -> bool:
        return house.gateway.desk.providers[text.provider].classified.get(text.pattern, RejectKind.ORDER) is kind

    await until(learnt)


async def add(call: Caller, link: str) -> dict[str, str]:
    """An order of service 1, which panel-a and panel-b have."""
    answer: dict[str, str] = await call("add", service="1", link=f"{LINK}{link}", quantity="100")
    return answer


async def test_classified_text_is_a_refusal_for_later_orders_and_leaves_doubt_alone(both: World) -> None:
    """The order that met it first stays in doubt and is sent nowhere again; restarted the gateway still knows."""
    async with running_house(both.settings(), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        both.a.switch("error", TEXT, action="add", processed=False)
        doubtful = (await add(call, "first"))["order"]
        text = await one(house)
        assert (text.provider, text.pattern, text.seen, text.action) == ("panel-a", PATTERN, 1, "add")
        assert text.example == TEXT
        await said(house, text, RejectKind.SERVICE)
        # From here on the next panel gets what this one refuses.
        later = (await add(call, "second"))["order"]
        await status_of(call, later, "Completed")
        assert both.b.links() == [f"{LINK}second"]
        assert (await call("status", order=doubtful))["status"] == "Pending"
        assert [each.attempt.order_id for each in await queue(house)] == [int(doubtful)]
        metrics = (await call.http.get(f"{house.health}/metrics")).text
        assert "\ngateway_unclassified_total 1" in metrics
        assert "\ngateway_unclassified_texts 0" in metrics
    async with running_house(both.settings(), pace=FAST) as house:
        await on_sale(house)
        again = house.caller(call.key)
        third = (await add(again, "third"))["order"]
        await status_of(again, third, "Completed")
        await asyncio.sleep(0.5)  # Two sweeps and more, had they anything to send.
        assert [each.attempt.order_id for each in await queue(house)] == [int(doubtful)]
        assert sorted(both.b.links()) == [f"{LINK}second", f"{LINK}third"]
        assert both.a.links() == []
        assert both.a.heard("add") == 3
        assert [each.meaning for each in await texts(house, every=True)] == [RejectKind.SERVICE]


async def test_text_of_the_users_own_mistake_is_answered_in_our_words(panels: World) -> None:
    """Nothing of the panel's words goes on, and the charge comes back; `nothing` makes it doubt again."""
    async with running_house(panels.settings(), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        panels.a.switch("error", TEXT, action="add", processed=False)
        await add(call, "first")
        before = await balance(call)
        text = await one(house)
        await said(house, text, RejectKind.LINK)
        assert await add(call, "second") == {"error": "Incorrect link"}
        assert await balance(call) == before
        await said(house, text, None)
        assert "order" in await add(call, "third")
        assert len(await queue(house)) == 2
        assert panels.b.links() == []


async def test_nothing_a_panel_says_reaches_a_user(panels: World) -> None:
    """An error of every action, with the panel's name, our balance and our key in it; and a status in its words."""
    poison = "Panel-A says: panel-a-key has 987.65 left, call +49 123"
    async with running_house(panels.settings(), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        order = (await add(call, "good"))["order"]
        await status_of(call, order, "In progress", "Completed")
        panels.a.switch("error", poison, processed=False)
        panels.b.switch("error", poison.replace("-a", "-b"), processed=False)
        answers = [await add(call, "bad"), await call("status", order=order), await call("balance")]
        for action in ("refill", "cancel"):
            answers += [await call(action, order=order), await call(action, orders=f"{order},1")]
        answers += [await call("refill_status", order=order), await call("services")]
        heard = await until(lambda: texts(house))
        panels.a.program.switches.clear()
        panels.a.switch("word", poison, action="status")
        await asyncio.sleep(0.5)
        answers.append(await call("status", order=order))
        told = json.dumps(answers)
        for part in ("Panel-A", "panel-a", "987", "+49", "[key]"):
            assert part not in told
        assert Decimal((await call("balance"))["balance"]) > 0
        assert {each.pattern for each in heard} == {"panel-a says: [key] has # left, call #"}
        assert "panel-a-key" not in repr(heard)
