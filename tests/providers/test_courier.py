"""Couriers over real sockets: what passes is tried again, what does not is not, and no secret is in a reason."""

import json
from collections.abc import Callable

import pytest

from gateway.core.notice import Severity
from gateway.core.notice_forms import ROOM, SLACK_MAX, TELEGRAM_MAX, Answer, Message
from gateway.metrics.notices import CHANNELS
from gateway.providers.courier import (
    KINDS,
    TRIES,
    Destination,
    HookTo,
    SlackTo,
    TelegramTo,
    kind_of,
    open_courier,
)
from gateway.providers.mail import MailTo
from gateway.providers.post import LIMITS
from tests.letterbox import BROKEN, OK, Letterbox, Posted, letterbox, mail_server, reply

TOKEN = "123456:AAtelegram-bot-token"
MESSAGE = Message(id="msg_1", made_at=1, title="[gateway] down", text="text", severity=Severity.WARNING, parts=())


def hook(box: Letterbox) -> HookTo:
    """A webhook."""
    return HookTo(url=f"{box.url}/notices", secret=b"s" * 24, allow_private=True)


def telegram(box: Letterbox) -> TelegramTo:
    """A chat."""
    return TelegramTo(token=TOKEN, chat="-100123", api=f"{box.url}/", allow_private=True)


def slack(box: Letterbox) -> SlackTo:
    """A channel of Slack's."""
    return SlackTo(url=f"{box.url}/services/T0/hidden", allow_private=True)


POSTED: list[Callable[[Letterbox], Destination]] = [hook, telegram, slack]


async def bring(to: Destination) -> Answer:
    """Bring the message there, quickly."""
    courier = open_courier(to, wait_seconds=0.01)
    try:
        return await courier.bring(MESSAGE, lambda: 1_769_817_600_000)
    finally:
        await courier.aclose()


async def look(to: Destination) -> str:
    """Look whether it can be reached."""
    courier = open_courier(to)
    try:
        return await courier.look()
    finally:
        await courier.aclose()


def failing(times: int, said: bytes | None = BROKEN) -> Callable[[Posted], bytes | None]:
    """Manners that fail so many times and then take it."""
    left = [times]

    def manners(_: Posted) -> bytes | None:
        left[0] -= 1
        return said if left[0] >= 0 else OK

    return manners


def test_kinds_are_those_of_the_metrics() -> None:
    """Each has its word, and its room; no repr has a secret."""
    box = Letterbox()
    box.url = "http://h.example"
    mail = MailTo(host="h", sender="a@b", to=("c@d",))
    found: list[Destination] = [hook(box), telegram(box), slack(box), mail]
    assert tuple(map(kind_of, found)) == KINDS == CHANNELS
    assert [open_courier(each).room for each in found] == [ROOM, TELEGRAM_MAX, SLACK_MAX, ROOM]
    assert [repr(each) for each in found] == [
        "HookTo()",
        "TelegramTo(chat='-100123')",
        "SlackTo()",
        "MailTo(host='h')",
    ]


async def test_each_kind_is_posted_to_its_address() -> None:
    """Telegram's has the token in its path; the webhook's is signed."""
    async with letterbox() as box:
        for make in POSTED:
            assert await bring(make(box)) == Answer()
    paths = [each.path for each in box.heard]
    assert paths == ["/notices", f"/bot{TOKEN}/sendMessage", "/services/T0/hidden"]
    assert box.heard[0].headers["webhook-id"] == "msg_1"
    assert box.heard[1].json["chat_id"] == "-100123"


@pytest.mark.parametrize("make", POSTED)
async def test_what_passes_is_tried_again(make: Callable[[Letterbox], Destination]) -> None:
    """Twice, with the same message; the third failure is told."""
    async with letterbox() as box:
        box.manners = failing(TRIES - 1)
        assert await bring(make(box)) == Answer()
        assert len(box.heard) == TRIES
        assert len({each.body for each in box.heard}) == 1
        box.manners = failing(100)
        assert await bring(make(box)) == Answer(problem="HTTP 500", passing=True)
        assert len(box.heard) == 2 * TRIES


async def test_what_does_not_pass_is_not_tried_again() -> None:
    """A bot that was removed will not be there in a second; nor is a redirect followed."""
    async with letterbox() as box:
        box.manners = lambda _: reply("403 Forbidden", json.dumps({"description": f"kicked {TOKEN}"}))
        assert await bring(telegram(box)) == Answer(problem="HTTP 403: kicked [key]")
        box.manners = lambda _: reply("302 Found", "", f"Location: {box.url}/elsewhere")
        assert await bring(hook(box)) == Answer(problem="HTTP 302")
        assert len(box.heard) == 2


async def test_short_rest_is_waited_for_and_a_long_one_is_not() -> None:
    """Telegram's retry_after, in its body."""
    async with letterbox() as box:
        body = json.dumps({"ok": False, "description": "Too Many Requests", "parameters": {"retry_after": 1}})
        box.manners = failing(1, reply("429 Too Many Requests", body))
        assert await bring(telegram(box)) == Answer()
        assert len(box.heard) == 2
        box.manners = failing(1, reply("429 Too Many Requests", body.replace(": 1}", ": 60}")))
        answer = await bring(telegram(box))
        assert (answer.taken, answer.after_ms) == (False, 60_000)
        assert len(box.heard) == 3


async def test_channel_that_hangs_costs_its_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no more tries than that."""
    monkeypatch.setattr(LIMITS, "total", 0.2)
    async with letterbox() as box:
        box.manners = lambda _: None
        assert await bring(slack(box)) == Answer(problem="no whole answer within 0.2 s", passing=True)
        assert len(box.heard) == TRIES


async def test_private_address_is_refused() -> None:
    """Nothing arrives, and no secret of the address is told."""
    async with letterbox() as box:
        answer = await bring(SlackTo(url=f"{box.url}/services/hidden"))
        assert box.heard == []
    assert "which is private" in answer.problem
    assert "hidden" not in answer.problem


async def test_look_sends_no_message() -> None:
    """Telegram is asked who the bot is, which proves the token; the others are connected to."""
    async with letterbox() as box:
        assert [await look(make(box)) for make in POSTED] == ["", "", ""]
        assert [each.path for each in box.heard] == [f"/bot{TOKEN}/getMe"]
        box.manners = lambda _: reply("401 Unauthorized", '{"description": "Unauthorized"}')
        assert await look(telegram(box)) == "HTTP 401: Unauthorized"
    assert "ConnectError" in await look(hook(box))
    async with mail_server() as server:
        to = MailTo(host="127.0.0.1", port=server.port, sender="a@b", to=("c@d",), tls="none", allow_private=True)
        assert await look(to) == ""
        assert await bring(to) == Answer()
        assert len(server.letters) == 1
