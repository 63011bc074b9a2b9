"""Rows U5 to U14: what a panel does to an `add` after its first byte; doubt is visible, held, and never sent again."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from gateway.providers.client import ORDERS
from tests.fault_proxy import LimitData, ResetPeer, Timeout
from tests.gateway_process import Caller
from tests.matrix.trial import CHARGE, SHORT, Trial
from tests.providers import misdeeds
from tests.providers.misdeeds import Misdoer, misdoer, whole
from tests.world import balance, until

LINK = "https://social.example/u"
PAGE = "<html>Just a moment...</html>"


async def in_doubt(trial: Trial, call: Caller, link: str) -> None:
    """An add is answered with an id in time, stands as Pending, its charge is held, and one panel heard it once."""
    heard, before = trial.heard(), await balance(call)
    began = asyncio.get_running_loop().time()
    placed = await trial.add(call, link)
    assert asyncio.get_running_loop().time() - began < 2.0
    assert list(placed) == ["order"], placed

    async def unknown() -> bool:
        return await trial.state(link) == "unknown"

    await until(unknown, seconds=5)
    assert (await call("status", order=placed["order"]))["status"] == "Pending"
    assert before - await balance(call) == Decimal(CHARGE) / 10**8
    assert trial.heard() - heard <= 1


def one_attempt_each(attempts: list[dict[str, Any]]) -> bool:
    """Whether no order was handed to a second panel, or to the first one again."""
    return len({each["order_id"] for each in attempts}) == len(attempts)


async def all_in_doubt(trial: Trial, links: list[str]) -> None:
    """The verdict over orders that are all in doubt: held, no second attempt, and the second panel never asked."""
    assert await trial.judge() == dict.fromkeys(links, "unknown")
    assert one_attempt_each(await trial.rows("SELECT order_id FROM attempts"))
    held = await trial.rows("SELECT SUM(balance) AS held FROM accounts WHERE code LIKE 'user:%:held'")
    assert held[0]["held"] == CHARGE * len(links)
    assert trial.b.panel.heard("add") == 0


async def test_u5_reset_or_end_on_accept_is_in_doubt(trial: Trial) -> None:
    """The connection stands, then it is reset or closed before a byte was passed on: armed, so nobody can tell.

    A reset may be noticed before the first byte; then, and only then, nothing was sent, and the second panel has it.
    """
    async with trial.gateway() as house:
        call = await house.user()
        for fault, link in ((ResetPeer(0.1), "rst"), (Timeout(0), "fin")):
            trial.a.proxy.up(fault)
            await in_doubt(trial, call, LINK + link)
        trial.a.proxy.up(ResetPeer())
        await trial.add(call, LINK + "at-once")
    states = await trial.judge()
    assert states.pop(LINK + "at-once") == ("completed" if trial.b.placed() else "unknown")
    assert states == {LINK + "rst": "unknown", LINK + "fin": "unknown"}
    assert trial.a.placed() == []


async def test_u6_u7_answer_that_never_comes_is_in_doubt_whether_the_order_exists_or_not(trial: Trial) -> None:
    """Read, then FIN, RST or silence; done or not done: the same to us, and never sent again (Q77)."""
    links = []
    async with trial.gateway(trial.settings(panels=SHORT)) as house:
        call = await house.user()
        for name in ("close", "reset", "silent"):
            for processed in (True, False):
                links.append(f"{LINK}{name}-{processed}")
                trial.a.panel.switch(name, action="add", processed=processed, times=1)
                await in_doubt(trial, call, links[-1])
    await all_in_doubt(trial, links)
    assert trial.a.placed() == [link for link in links if link.endswith("True")]


async def test_u8_half_an_answer_is_in_doubt(trial: Trial) -> None:
    """Half the head, half the body: by length, in chunks, and up to the connection's end; the order exists."""
    links = []
    async with trial.gateway() as house:
        call = await house.user()
        for framing, cut in (("length", 30), ("length", 85), ("chunked", 100), ("close", 78)):
            links.append(f"{LINK}{framing}-{cut}")
            if framing != "length":
                trial.a.panel.switch("framing", framing, action="add", times=1)
            trial.a.panel.switch("cut", str(cut), action="add", times=1)
            await in_doubt(trial, call, links[-1])
        links.append(LINK + "by-the-network")
        trial.a.proxy.down(LimitData(75, "reset"))
        await in_doubt(trial, call, links[-1])
    await all_in_doubt(trial, links)
    assert trial.a.placed() == links


async def test_u9_byte_drip_and_silence_are_cut_at_the_deadline(trial: Trial) -> None:
    """A byte now and then outlives no total deadline, and the user does not even wait for that."""
    settings = trial.settings(panels=SHORT, answer_within="0.2")
    async with trial.gateway(settings) as house:
        call = await house.user()
        trial.a.panel.switch("drip", "100", action="add", times=1)
        await in_doubt(trial, call, LINK + "drip")
        trial.a.panel.switch("silent", action="add", times=1)
        began = asyncio.get_running_loop().time()
        await in_doubt(trial, call, LINK + "silent")
        assert 0.7 < asyncio.get_running_loop().time() - began < 3.0
        async with misdoer(misdeeds.endless_continue) as there:
            with trial.a.replaced_by(there.port):
                await in_doubt(trial, call, LINK + "continue")
    await all_in_doubt(trial, [LINK + "drip", LINK + "silent", LINK + "continue"])
    assert trial.a.placed() == [LINK + "drip", LINK + "silent"]


async def test_u10_server_errors_are_in_doubt_processed_or_not(small_trial: Trial) -> None:
    """5xx as a page or as JSON, with the order behind it or without: unknown both ways, and no second add anywhere."""
    trial, links = small_trial, []
    async with trial.gateway() as house:
        call = await house.user()
        for status in (500, 502, 503, 504, 520, 522, 524):
            for text in ("", ' {"error":"Not enough funds on balance"}'):
                for processed in (True, False):
                    links.append(f"{LINK}{status}-{bool(text)}-{processed}")
                    trial.a.panel.switch("status", f"{status}{text}", action="add", processed=processed, times=1)
                    await in_doubt(trial, call, links[-1])
            # Five in a row would open its breaker, and the rest go elsewhere: here each has to be judged by itself.
            house.gateway.desk.providers["panel-a"]._breakers[ORDERS].succeeded()
    await all_in_doubt(trial, links)
    assert trial.a.placed() == [link for link in links if link.endswith("True")]


BODIES = {
    "html": PAGE,
    "empty": "",
    "null": "null",
    "list": "[]",
    "object": "{}",
    "mark": '\ufeff{"status":"ok"}',
    "notices": '<br />\n<b>Notice</b>: Undefined index<br />\n{"ok":1}',
    "invalid": '{"order":"\udcff\udcfe1"}',
    "nan": '{"order":NaN}',
    "long": '{"order":' + "9" * 5000 + "}",
    "nested": "[" * 30_000 + "]" * 30_000,
    "half": '{"order":12',
}


async def test_u11_nonsense_with_200_is_in_doubt(small_trial: Trial) -> None:
    """Whatever the body, it is a value and never an exception; the order is there, and Pending."""
    trial = small_trial
    async with trial.gateway() as house:
        call = await house.user()
        for name, body in BODIES.items():
            trial.a.panel.switch("body", body, action="add", times=1)
            await in_doubt(trial, call, LINK + name)
        failures = house.gateway.metrics.registry.get_sample_value("gateway_job_failures_total", {"task": "dispatch"})
        assert not failures
    await all_in_doubt(trial, [LINK + name for name in BODIES])
    assert trial.a.placed() == [LINK + name for name in BODIES]


async def test_u11_mark_and_notices_before_a_good_answer_are_read_over(small_trial: Trial) -> None:
    """A byte-order mark or a PHP notice before one clear id takes nothing from it."""
    trial = small_trial
    async with trial.gateway() as house:
        call = await house.user()
        for name in ("bom", "notices"):
            trial.a.panel.switch(name, action="add", times=1)
            await trial.add(call, LINK + name)
    assert await trial.judge() == {LINK + "bom": "completed", LINK + "notices": "completed"}


IDS = ("0", '""', "null", "true", "false", "-5", "1.5", '"١٢"', "[7]", "{}", "1e3")


async def test_u12_id_that_is_none_is_in_doubt(small_trial: Trial) -> None:
    """Nought, nothing, true, negative, a fraction, foreign digits, a list; or a good one with an error beside it."""
    trial, links = small_trial, []
    async with trial.gateway() as house:
        call = await house.user()
        for number in IDS:
            links.append(f"{LINK}{number}")
            trial.a.panel.switch("order_as", number, action="add", times=1)
            await in_doubt(trial, call, links[-1])
        links.append(LINK + "error")
        trial.a.panel.switch("body", '{"order":77,"error":"Bad link"}', action="add", times=1)
        await in_doubt(trial, call, links[-1])
    await all_in_doubt(trial, links)
    assert trial.a.placed() == links


async def test_u13_id_that_another_order_has_is_in_doubt_and_shows_nobody_elses_status(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same id for two users' adds: the second is unknown with an alarm, and never sees the first one's figures."""
    trial.a.panel.program.panel.pace = 100.0
    async with trial.gateway() as house:
        alpha, beta = await house.user("alpha"), await house.user("beta")
        first = await trial.add(alpha, LINK + "first")
        trial.a.panel.switch("same_id", action="add", times=1)
        await in_doubt(trial, beta, LINK + "second")
        upstream = trial.a.panel.program.books.orders()
        trial.a.panel.program.books.force(upstream[0].id, status="Completed", remains=0, start_count=4711)

        async def completed() -> bool:
            return bool((await alpha("status", order=first["order"]))["status"] == "Completed")

        await until(completed)
        second = (await trial.rows("SELECT id FROM orders WHERE state = 'unknown'"))[0]["id"]
        shown = await beta("status", order=str(second))
        assert (shown["status"], shown["start_count"]) == ("Pending", "0")
        assert await beta("status", order=first["order"]) == {"error": "Incorrect order ID"}
    assert "attempt_alarm" in capsys.readouterr().out
    reasons = await trial.rows("SELECT reason FROM attempts WHERE state = 'unknown'")
    assert "an id that order" in reasons[0]["reason"]
    assert await trial.judge() == {LINK + "first": "completed", LINK + "second": "unknown"}


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
async def test_u14_redirect_is_never_followed(small_trial: Trial, status: str) -> None:
    """To another host, in a circle, to a file, to the cloud's metadata: our key goes nowhere (Q79).

    A mere correction of the address is a refusal: the panel is passed by until somebody configures it. The others are
    in doubt.
    """
    trial = small_trial
    settings = trial.settings(services={"1": {"routes": ["panel-a/101"]}})
    async with misdoer(whole(misdeeds.GOOD)) as elsewhere, trial.gateway(settings) as house:
        call = await house.user()
        for name, location in {
            "other": elsewhere.url.replace("/api/v2", "/other"),
            "circle": trial.a.proxy.url("/api/v2?again=1"),
            "file": "file:///etc/passwd",
            "metadata": "http://169.254.169.254/latest/meta-data/",
        }.items():
            await at_misdoer(trial, call, LINK + name, status=status, location=location)
            assert await trial.state(LINK + name) == "unknown"
        answer = await at_misdoer(trial, call, LINK + "spelling", status=status, location=elsewhere.url)
        assert answer == {"error": "Service temporarily unavailable"}
        assert house.gateway.desk.condition("panel-a").held == "request"
        assert elsewhere.heard == []
    states = await trial.judge(settings)
    assert states.pop(LINK + "spelling") == "failed"
    assert set(states.values()) == {"unknown"}
    assert elsewhere.connections == 0
    assert trial.a.placed() == []


async def at_misdoer(trial: Trial, call: Caller, link: str, *, status: str, location: str) -> Any:
    """What an add is answered while the first panel redirects; it is asked once."""
    async with misdoer(whole(b"", status.encode(), b"\r\nLocation: " + location.encode())) as there:
        with trial.a.replaced_by(there.port):
            answer = await trial.add(call, link)
        assert len(_adds(there)) == 1
    return answer


def _adds(there: Misdoer) -> list[bytes]:
    return [heard for heard in there.heard if b"action=add" in heard]
