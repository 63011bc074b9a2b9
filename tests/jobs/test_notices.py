"""Notices through a whole gateway: a panel breaks, people hear of it once at each channel, and of its end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.jobs import witness
from gateway.metrics.notices import FAILING, OPEN, TOLD
from gateway.settings.load import load_settings
from gateway.store.engine import Query, Steps
from gateway.store.notices import change_channel, read_board
from tests.letterbox import BROKEN, OK, boxes, reply
from tests.panel_process import simulated_panel
from tests.store.trade import ask
from tests.town import MINUTE, Town
from tests.world import LINK, status_of, until

KEY = "provider_down:panel-a"


@pytest.fixture
async def town(tmp_path: Path, database_url: str) -> AsyncIterator[Town]:
    """One panel and four channels, on each database in turn."""
    async with simulated_panel(tmp_path) as panel, boxes() as there:
        yield Town(tmp_path, database_url, panel, there)


async def down(town: Town) -> None:
    """Break the panel and wait until everybody knows."""
    town.break_panel()
    await town.told(1)


async def test_panel_that_breaks_and_is_mended_is_told_at_every_channel(town: Town) -> None:
    """Down, then back, once each; the webhook's is signed and says the same in figures."""
    async with town.gateway() as house:
        await down(town)
        await town.settle()
        assert [len(each) for each in town.boxes.texts()] == [1, 1, 1, 1]
        assert all("- panel-a does not answer, since " in text for (text,) in town.boxes.texts())
        assert house.gateway.metrics.number(OPEN, "warning") == 1
        town.mend_panel()
        texts = await town.told(2)
        assert all("- panel-a answers again; down from " in each[1] for each in texts)
        assert house.gateway.metrics.number(OPEN, "warning") == 0
        await town.settle()
    assert [len(each) for each in town.boxes.texts()] == [2, 2, 2, 2]
    first, second = (each.json["data"]["notices"][0] for each in town.boxes.hook.taken)
    assert (first["event"], first["state"], first["subject"]) == ("provider_down", "opened", "panel-a")
    assert (second["state"], second["since"]) == ("closed", first["since"])
    assert town.boxes.mail.letters[0].mail["Subject"] == "[gateway] WARNING: provider down: panel-a"
    assert not any(town.panel.key in text for each in town.boxes.texts() for text in each)


async def test_panel_without_a_balance_is_told_down_and_back_as_well(town: Town) -> None:
    """By its list, once a call was not answered; nothing is said of funds that nobody knows."""
    town.panel.switch("error", "Incorrect request", action="balance", times=100_000)
    settings = town.settings(panel={"dialect": {"balance": False}, "refresh_seconds": 1})
    async with town.gateway(settings):
        await town.settle()
        assert town.boxes.texts() == [[], [], [], []]
        town.panel.switch("status", "404", times=100_000)
        texts = await town.told(1)
        assert all("- panel-a does not answer, since " in text for (text,) in texts)
        town.mend_panel()
        texts = await town.told(2)
        assert all("- panel-a answers again; down from " in each[1] for each in texts)
    told = [each.json["data"]["notices"] for each in town.boxes.hook.taken]
    assert [[each["event"] for each in notices] for notices in told] == [["provider_down"], ["provider_down"]]
    assert town.panel.heard("balance") == 0


async def test_restart_repeats_nothing(town: Town) -> None:
    """What was told before stands in the books; the end is told by the process that sees it."""
    async with town.gateway():
        await down(town)
    town.ahead += 30 * MINUTE
    async with town.gateway():
        await town.settle()
        assert [len(each) for each in town.boxes.texts()] == [1, 1, 1, 1]
        town.mend_panel()
        texts = await town.told(2)
    assert all("answers again" in each[1] for each in texts)


async def test_of_two_gateways_one_tells(town: Town) -> None:
    """Both see it, on the same books."""
    settings = town.settings()
    async with town.gateway(settings), town.gateway(settings):
        await down(town)
        await town.settle()
        assert [len(each) for each in town.boxes.texts()] == [1, 1, 1, 1]
        town.mend_panel()
        await town.told(2)
        await town.settle()
    assert [len(each) for each in town.boxes.texts()] == [2, 2, 2, 2]


async def test_channel_in_trouble_is_tried_again_and_harms_nobody(town: Town) -> None:
    """One answers 500, one 429, one hangs, the mail server is full: orders go on, and each hears in the end."""
    rest = reply("429 Too Many Requests", '{"description":"slow down","parameters":{"retry_after":30}}')
    town.boxes.hook.manners = lambda _: BROKEN
    town.boxes.telegram.manners = lambda _: rest
    town.boxes.slack.manners = lambda _: None
    town.boxes.mail.answers["DATA END"] = "452 full"
    async with town.gateway() as house:
        call = await house.user()
        town.break_panel()

        async def all_heard() -> bool:
            heard = [town.boxes.hook.heard, town.boxes.telegram.heard, town.boxes.slack.heard]
            return all(heard) and "DATA" in town.boxes.mail.heard

        await until(all_heard)
        services = await call("services")
        began = time.monotonic()
        placed = await call("add", service=str(services[0]["service"]), link=LINK, quantity="100")
        assert time.monotonic() - began < 5
        await status_of(call, placed["order"], "In progress", "Completed", "Processing")

        async def failing() -> bool:
            return house.gateway.metrics.number(FAILING) >= 3

        await until(failing)
        assert len(town.boxes.telegram.heard) == 1  # it asked for half a minute
        town.boxes.hook.manners = town.boxes.telegram.manners = lambda _: OK
        town.boxes.mail.answers.clear()

        async def three_told() -> bool:
            town.ahead += 20.0
            taken = [town.boxes.hook.texts, town.boxes.telegram.texts, town.boxes.mail.texts]
            return all(len(each) == 1 for each in taken)

        await until(three_told)
        assert house.gateway.metrics.number(TOLD, "webhook", "failed") >= 1
        assert house.gateway.metrics.number(TOLD, "webhook", "taken") == 1
        # The one that hangs is cut off at the end: a stop does not wait for it.


async def test_message_whose_mark_was_lost_comes_a_second_time_under_its_id(town: Town) -> None:
    """Killed between the channel's word and the mark: told again by the next process, so that it can be deduped."""
    async with town.gateway() as house:
        town.break_panel()
        await town.told(1)

        await house.gateway.store.run(_forget)
        await town.told(2)
    ids = [each.headers["webhook-id"] for each in town.boxes.hook.taken[:2]]
    assert ids[0] == ids[1]
    assert town.boxes.mail.letters[0].mail["Message-ID"] == town.boxes.mail.letters[1].mail["Message-ID"]


def _forget() -> Steps[None]:
    """Nobody has marked what channels took, nor that they took it."""
    for name in ("hook", "chat", "desk", "mail"):
        yield Query("notice_hear", {"channel": name, "notice": KEY, "opened_at": 0, "closed": 1, "told_at": 0})


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
import gateway.points
from gateway.app import Gateway, Pace
from gateway.settings.load import load_settings

def hook(what, of):
    if (what, of) == ("told", "notices"):
        os.kill(os.getpid(), signal.SIGKILL)

async def main(path):
    gateway.points.hook = hook
    made = Gateway(load_settings(os.environ, Path(path)), pace=Pace(notices=0.1, balances=0.1))
    await made.start()
    await asyncio.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


async def test_killed_between_telling_and_marking_tells_once_more(town: Town) -> None:
    """A real SIGKILL after the channel's word: nothing while the dead one's lease lasts, then once more, then never."""
    town.break_panel()
    path = town.write(channels={"hook": town.boxes.notify()["channels"]["hook"]})
    command = [sys.executable, "-c", KILLED, str(path)]
    environ = {**os.environ, **town.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    died = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(town.boxes.hook.texts) == 1
    async with town.gateway(load_settings(town.environ, path)) as house:
        await town.settle()
        assert len(town.boxes.hook.texts) == 1
        store = house.gateway.store
        ((owner,),) = await ask(town.database_url, "SELECT lease_owner FROM notice_channels")
        channel = (await store.read(read_board)).channels["hook"]
        await store.run(partial(change_channel, channel, owner, {}))  # as when its lease has ended

        async def twice() -> bool:
            return len(town.boxes.hook.texts) == 2

        await until(twice)
        await town.settle()
    first, second = town.boxes.hook.taken
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_changed_channel_is_used_from_then_on(town: Town) -> None:
    """A reload while serving: one channel goes, one comes and hears what is open, one wants less."""
    async with town.gateway(town.settings(channels={})) as house:
        town.break_panel()
        await town.settle()
        assert town.boxes.texts() == [[], [], [], []]
        usual = town.boxes.notify()["channels"]
        channels = {"hook": usual["hook"], "chat": {**usual["chat"], "min_severity": "critical"}, "mail": usual["mail"]}
        town.write(channels=channels)
        assert await house.gateway.reload.reload()

        async def two_told() -> bool:
            town.ahead += 2.0
            return bool(town.boxes.hook.texts and town.boxes.mail.texts)

        await until(two_told)
        assert town.boxes.telegram.texts == town.boxes.slack.texts == []
        town.write(channels={"desk": usual["desk"]})
        assert await house.gateway.reload.reload()

        async def slack_told() -> bool:
            town.ahead += 2.0
            return bool(town.boxes.slack.texts)

        await until(slack_told)
    assert len(town.boxes.hook.texts) == 1


async def test_refused_settings_are_told_and_so_is_their_end(town: Town) -> None:
    """By the settings that stay in use."""
    async with town.gateway() as house:
        town.write(broken=True)
        assert not await house.gateway.reload.reload()
        for _ in range(8):  # it has to last for a minute, and be seen meanwhile
            town.ahead += 10.0
            await asyncio.sleep(0.25)
        texts = await town.told(1)
        assert all("The changed providers.yaml is refused, since " in text for (text,) in texts)
        town.write()
        assert await house.gateway.reload.reload()
        texts = await town.told(2)
        assert all("providers.yaml on the disk is in use again" in each[1] for each in texts)


async def test_provider_that_is_switched_off_is_no_longer_watched(town: Town) -> None:
    """Nobody says that it answers again."""
    async with town.gateway() as house:
        await down(town)
        town.write(panel={"enabled": False})
        assert await house.gateway.reload.reload()
        texts = await town.told(2)
    assert all("- panel-a: no longer watched, was open from " in each[1] for each in texts)


async def test_users_with_little_are_told_of_together(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever paid in and has less than the limit; when they have more, that is told as well."""
    monkeypatch.setattr(witness, "USERS_SECONDS", 0.0)
    async with town.gateway() as house:
        for name in ("alpha", "beta", "gamma"):
            await house.user(name)
        await house.user("nobody", credit=0)
        town.write(user_balance=200)
        assert await house.gateway.reload.reload()
        texts = await town.told(1)
        told = "".join(text for text in texts[0])
        for name in ("alpha", "beta", "gamma"):
            assert f"- {name}: 100.00 USD left, less than 200.00 USD, since " in told
        assert "nobody" not in told
        town.write(user_balance=50)
        assert await house.gateway.reload.reload()

        async def over() -> bool:
            town.ahead += 2.0
            return "OVER users' balances low" in town.boxes.hook.texts[-1]

        await until(over)


async def test_prices_that_jump_are_told_once(town: Town) -> None:
    """By the panel's own ids, with both rates."""
    async with town.gateway() as house:
        rows = [
            {
                "service": 101,
                "name": "S",
                "type": "Default",
                "category": "C",
                "rate": "9.00",
                "min": "10",
                "max": "1000",
            }
        ]
        kept = [{**rows[0], "service": number, "rate": "1.00"} for number in range(102, 125)]
        town.panel.switch("body", json.dumps(rows + kept), action="services", times=1)
        await house.gateway._shelves.restock("panel-a", refresh_seconds=0)
        texts = await town.told(1)
        assert all(" services dearer by more than 50 %: " in each[0] and "101 0.9 → 9" in each[0] for each in texts)
        await town.settle()
    assert len(town.boxes.hook.texts) == 1


async def test_digest_comes_each_day(town: Town) -> None:
    """Also of a day on which nothing happened."""
    usual = town.boxes.notify()["channels"]
    soon = time.strftime("%H:%M", time.gmtime(time.time() + 3600))
    async with town.gateway(town.settings(channels={"hook": {**usual["hook"], "digest_at": soon}})):
        await town.settle()
        assert town.boxes.hook.texts == []
        town.ahead += 3600.0

        async def told() -> bool:
            return bool(town.boxes.hook.texts)

        await until(told)
        await town.settle()
        assert town.boxes.hook.texts == ["Nothing is wrong that is watched."]
        assert town.boxes.hook.taken[0].json["data"]["title"].startswith("[gateway] the day: 0 open, 0 ended")


async def test_dead_channel_is_told_of_at_the_others(town: Town) -> None:
    """After a quarter of an hour; the log says so after five failures."""
    town.boxes.telegram.manners = lambda _: reply("403 Forbidden", "{}")
    with capture_logs() as logs:
        async with town.gateway():
            town.break_panel()

            async def told() -> bool:
                town.ahead += 60.0
                dead = any(each["event"] == "channel_dead" for each in logs)
                return dead and any("chat takes no messages" in text for text in town.boxes.hook.texts)

            await until(told)
    assert len([each for each in logs if each["event"] == "channel_dead"]) == 1
    assert all(each["problem"] == "HTTP 403" for each in logs if each["event"] == "notice_not_taken")
