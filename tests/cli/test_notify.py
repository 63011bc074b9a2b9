"""`gateway notify`: a sample through each channel and what each answered, what is open; and `gateway doctor`."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.cli.notify import sample_of
from gateway.core.notice import Kind, Notice
from gateway.core.notice_text import write
from gateway.core.telling import Channel
from gateway.store.notices import Change, change_channel, change_notices, claim_channel, know_channels
from gateway.store.store import open_store
from tests.letterbox import Boxes, boxes, reply

NOW = 1_769_828_400_000


class Shell:
    """The command line in a folder whose file names four channels."""

    def __init__(self, folder: Path, boxes: Boxes) -> None:
        self.boxes = boxes
        self.folder = folder
        self.environ = {
            "GATEWAY_CONFIG": str(folder / "providers.yaml"),
            "GATEWAY_DATA_DIR": str(folder),
            "PANEL_KEY": "panel-a-key",
            **boxes.environ,
        }
        self.write(boxes.notify())

    def write(self, notify: object) -> None:
        """The file, with this section."""
        panel = {"url": "https://panel-a.example/api/v2", "key": "${ENV:PANEL_KEY}", "enabled": False}
        file = {"version": 1, "providers": {"panel-a": panel}, "notify": notify}
        (self.folder / "providers.yaml").write_text(json.dumps(file))

    async def __call__(self, *words: str, code: int = 0) -> str:
        """What is printed, on both ways."""
        done = await asyncio.to_thread(CliRunner().invoke, main, list(words), env=self.environ)
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    """Four channels that listen."""
    async with boxes() as there:
        yield Shell(tmp_path, there)


def answers(output: str) -> dict[str, tuple[str, str]]:
    """The kind and the answer by channel."""
    rows = [line.split(None, 2) for line in output.splitlines()[2:]]
    return {name: (kind, answer) for name, kind, answer in rows}


async def test_sample_goes_through_each_channel(shell: Shell) -> None:
    """It says that it is a test, and looks as the real one would."""
    assert answers(await shell("notify", "test")) == {
        "hook": ("webhook", "taken"),
        "chat": ("telegram", "taken"),
        "desk": ("slack", "taken"),
        "mail": ("email", "taken"),
    }
    for (text,) in shell.boxes.texts():
        assert "This is a test of `gateway notify test`: nothing has happened." in text
        assert "- sample does not answer, since " in text
    assert shell.boxes.mail.letters[0].mail["Subject"] == "TEST [gateway] WARNING: provider down: sample"
    assert shell.boxes.hook.taken[0].json["data"]["notices"][0]["subject"] == "sample"


async def test_one_channel_and_one_event_may_be_chosen(shell: Shell) -> None:
    """Whatever the channel wants to be told."""
    usual = shell.boxes.notify()["channels"]
    shell.write({"channels": {"hook": {**usual["hook"], "events": ["reload_failed"]}, "desk": usual["desk"]}})
    assert answers(await shell("notify", "test", "--channel", "hook", "--event", "funds_out")) == {
        "hook": ("webhook", "taken")
    }
    assert shell.boxes.slack.heard == []
    assert "sample: 4.20 USD left" in shell.boxes.hook.texts[0]


async def test_channel_that_does_not_take_it_is_named_and_the_code_says_so(shell: Shell) -> None:
    """With its reason, and without its secret."""
    shell.boxes.telegram.manners = lambda _: reply("401 Unauthorized", '{"ok":false,"description":"Unauthorized"}')
    found = await shell("notify", "test", code=1)
    assert answers(found)["chat"] == ("telegram", "HTTP 401: Unauthorized")
    assert answers(found)["hook"] == ("webhook", "taken")
    assert "AAtelegram" not in found


async def test_nothing_to_send_through_is_said(shell: Shell) -> None:
    """A channel that is not there, a file that names none."""
    assert "there is no channel ops; there are hook, chat, desk, mail" in await shell(
        "notify", "test", "--channel", "ops", code=1
    )
    assert "is not one of" in await shell("notify", "test", "--event", "nonsense", code=2)
    shell.write({})
    assert "no channel is named" in await shell("notify", "test", code=1)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_sample(kind: Kind) -> None:
    """That can be written."""
    written = write([sample_of(kind, at=NOW)], house="gateway", now=NOW, room=4000)
    assert "None" not in written.title + written.text
    assert "?" not in written.text.split("\n")[1]


async def fill(folder: Path) -> None:
    """One notice that is open, one that ended, news, and a channel that fails."""
    store = open_store(f"sqlite:///{folder}/gateway.db")
    await store.open()
    await store.migrate()
    usual: dict[str, Any] = {"since": NOW, "wrong_at": NOW, "opened_at": NOW}
    notices = [
        Notice(kind=Kind.PROVIDER_DOWN, subject="panel-a", **usual),
        Notice(kind=Kind.RELOAD_FAILED, subject="", closed_at=NOW, **usual),
        Notice(kind=Kind.ORDERS_STOPPED, subject="", **usual),
        Notice(kind=Kind.PRICE_JUMP, subject="panel-a", mark="m", **usual),
    ]
    await store.run(partial(change_notices, [Change(before=None, after=each) for each in notices]))
    await store.run(partial(know_channels, ["ops", "desk"], now=NOW))
    await store.run(partial(claim_channel, "ops", "me"))
    failing = Channel(name="ops", since=NOW, sent_at=NOW, tries=3, problem="HTTP 500")
    await store.run(partial(change_channel, failing, "me", {}))
    await store.close()


async def test_list_has_what_is_open_and_how_channels_stand(shell: Shell) -> None:
    """The worst first."""
    assert await shell("notify", "list") == "0 open\n"
    await fill(shell.folder)
    lines = (await shell("notify", "list")).splitlines()
    assert lines[0].startswith("CRITICAL  No order is taken, since 2026-01-31 03:00 UTC (")
    assert lines[1].startswith("WARNING   panel-a does not answer, since 2026-01-31 03:00 UTC (")
    assert lines[2] == "2 open"
    assert [line.split()[0] for line in lines[5:]] == ["desk", "ops"]
    assert lines[5].split()[1:] == ["never", "0", "–"]
    assert lines[6].endswith("3  HTTP 500")
    machines = [json.loads(line) for line in (await shell("notify", "list", "--json")).splitlines()]
    assert [each["kind"] for each in machines] == ["orders_stopped", "provider_down"]


async def test_doctor_reaches_each_channel_without_a_message(shell: Shell) -> None:
    """And says which it cannot reach, with what to do; that is no failure of the gateway."""
    shell.boxes.telegram.manners = lambda _: reply("401 Unauthorized", '{"description":"Unauthorized"}')
    done = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "--json"], env=shell.environ)
    found = {each["about"]: each for each in json.loads(done.stdout)["findings"]}
    levels = {name: found[f"channel {name}"]["level"] for name in ("hook", "chat", "desk", "mail")}
    assert levels == {"hook": "ok", "chat": "warn", "desk": "ok", "mail": "ok"}
    assert found["channel chat"]["what"] == "telegram: HTTP 401: Unauthorized"
    assert shell.boxes.texts() == [[], [], [], []]


async def test_check_of_the_file_counts_channels(shell: Shell) -> None:
    """Beside providers and services."""
    assert ", 4 channels, USD, hash" in await shell("config", "check")
