"""Security items of RELIABILITY.md section 3, each by its number: what is tried, and what must happen.

Items that other files prove already are named in the table of docs/reliability.md.
"""

import asyncio
import hmac
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from statistics import correlation, median
from typing import Any

import httpx
import pytest

from gateway.actions.authenticate import KeyRing
from gateway.core.keys import PREFIX, RANDOM_BYTES, _base62, _checksum, make_key
from gateway.core.spending import DAY_MS, HOUR_MS, UserLimits
from gateway.opening import tell_open_files
from gateway.store.users import Choices
from tests.gateway_process import Caller, House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.world import LINK, balance, on_sale, until

INVALID = {"error": "Invalid API key"}
NO_SUCH_ORDER = "Incorrect order ID"


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """The one panel of these tests."""
    async with simulated_panel(tmp_path) as running:
        yield running


@pytest.fixture
async def house(panel: SimulatedPanel, tmp_path: Path) -> AsyncIterator[House]:
    """A gateway with its list on sale."""
    async with running_house(house_settings(tmp_path, a=panel.url)) as running:
        await on_sale(running)
        yield running


def unknown_key(n: int) -> str:
    """A well-formed key that nobody has."""
    return make_key(n.to_bytes(RANDOM_BYTES))


@pytest.mark.parametrize("redis", [None, "redis://127.0.0.1:1/0"], ids=["without Redis", "with a dead Redis"])
async def test_s09_02_hammering_with_wrong_keys_is_limited(
    panel: SimulatedPanel, tmp_path: Path, redis: str | None
) -> None:
    """Sixty a minute from one address, then 429 without a query; another address, and a known user, are served."""
    more = {} if redis is None else {"redis_url": redis}
    async with running_house(house_settings(tmp_path, a=panel.url, **more)) as house:
        await on_sale(house)
        call = await house.user()
        assert await balance(call) == 100
        http = call.http

        async def attempt(n: int) -> int:
            response = await http.post(house.url, data={"key": unknown_key(n), "action": "balance"})
            assert response.json() == (INVALID if response.status_code == 200 else {"error": "Too many requests"})
            return response.status_code

        statuses = [status for n in range(0, 600, 20) for status in await _together(attempt, range(n, n + 20))]
        assert 60 <= statuses.count(200) <= 80
        assert set(statuses) == {200, 429}
        reads = house.gateway.store.counts.reads
        refused = await http.post(house.url, data={"key": unknown_key(999), "action": "balance"})
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert house.gateway.store.counts.reads - reads <= 2  # The jobs' own.
        assert await balance(call) == 100  # Known a moment ago, at the same address.
        elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=elsewhere, trust_env=False) as other:
            served = await other.post(house.url, data={"key": (await house.user("beta")).key, "action": "balance"})
            assert served.json()["balance"] == "100"
            assert (await other.post(house.url, data={"key": unknown_key(5), "action": "balance"})).json() == INVALID


async def test_s09_02_client_behind_a_proxy_of_ours_is_counted_by_its_own_address(
    panel: SimulatedPanel, tmp_path: Path
) -> None:
    """X-Forwarded-For counts only from a named proxy, so nobody gets a new bucket by writing one."""
    for trusted, refused in (("127.0.0.0/8", False), ("", True)):
        more = {"wrong_keys_per_minute": "5", "trusted_proxies": trusted}
        async with running_house(house_settings(tmp_path, a=panel.url, **more)) as house:
            http = house.caller("").http
            statuses = []
            for n in range(12):
                headers = {"X-Forwarded-For": f"192.0.2.{n}"}
                response = await http.post(house.url, headers=headers, data={"key": "x", "action": "balance"})
                statuses.append(response.status_code)
            assert (429 in statuses) is refused


async def _order_of_times(find: Callable[[str], Awaitable[object]], real: str) -> float:
    """How far the time a wrong key takes follows the number of letters it shares with a real one: -1 to 1, 0 is not.

    Twenty thousand keys. Each that shares 0 to 31 letters takes turns with one that shares as many with a key nobody
    was given, and what counts is the difference: letters that come again and again are quicker for the processor
    whosever they are (0.1 of 12 us from none to 31 letters, measured with both).
    """
    decoy = make_key(secrets.token_bytes(RANDOM_BYTES))
    taken: dict[tuple[str, int], list[float]] = {(whose, shared): [] for shared in range(32) for whose in (real, decoy)}
    for _ in range(20_000 // len(taken)):
        for whose, shared in random.sample(list(taken), len(taken)):
            body = whose[: len(PREFIX) + shared] + _base62(random.getrandbits(192), 33 - shared)
            key = body + _checksum(body)
            began = time.perf_counter()
            assert await find(key) is None
            taken[whose, shared].append(time.perf_counter() - began)
    medians = {each: median(times) for each, times in taken.items()}
    assert max(medians.values()) < 2 * min(medians.values())
    differences = [medians[real, shared] - medians[decoy, shared] for shared in range(32)]
    return correlation(range(32), [sorted(differences).index(each) for each in differences])


async def test_s09_03_wrong_key_takes_as_long_however_much_of_it_is_right(house: House) -> None:
    """A key is looked up by its keyed hash, so one that is nearly right is as far away as any.

    The same measurement finds a ring that first compares with the real key, letter by letter up to the first other one.
    """
    real = (await house.user()).key
    ring = KeyRing(house.gateway.store, b"s" * 32, house.gateway.desk.clock)

    async def leaky(key: str) -> object:
        for theirs, ours in zip(key, real, strict=True):
            if not hmac.compare_digest(theirs, ours):  # The slowest way to compare a letter: a tenth of a microsecond.
                break
        return await ring.user_of(key)

    # Of 32 lengths in no order 0.7 comes up once in a hundred thousand times; a comparison letter by letter has 1.
    assert abs(await _order_of_times(ring.user_of, real)) < 0.7
    assert await _order_of_times(leaky, real) > 0.7


async def test_s09_08_two_keys_in_one_request_are_one_user(house: House) -> None:
    """The last one counts, a form's before the query's; who is authenticated is who is charged."""
    alpha, beta = await house.user("alpha"), await house.user("beta", credit=50 * 10**8)
    order = f"action=add&service=1&link={LINK}&quantity=100"
    for content in (f"key={alpha.key}&key={beta.key}&{order}", f"key={beta.key}&{order}"):
        response = await alpha.http.post(
            f"{house.url}?key={alpha.key}", headers={"Authorization": f"Bearer {alpha.key}"}, content=content
        )
        assert "order" in response.json()
    assert [await balance(alpha), await balance(beta)] == [Decimal(100), Decimal("49.73")]


@pytest.mark.parametrize(
    "foreign",
    [None, "0", "-1", str(2**63), "1 OR 1=1", "١", "1e3", "1.5", "0x10", "' OR ''='", "%00"],
)
async def test_s09_09_anothers_order_is_one_that_does_not_exist(house: House, foreign: str | None) -> None:
    """Single or in a list, asked, refilled or canceled: the text of an id nobody has, whatever is in the field."""
    owner, stranger = await house.user("owner"), await house.user("stranger")
    placed: str = (await owner("add", service="1", link=LINK, quantity="100"))["order"]
    order = placed if foreign is None else foreign
    nobody = str(int(placed) + 1_000_000)
    for action in ("status", "refill", "cancel", "refill_status"):
        name = "refill" if action == "refill_status" else "order"
        several = {"order": "orders", "refill": "refills"}[name]
        assert await stranger(action, **{name: order}) == await stranger(action, **{name: nobody})
        answer: Any = await stranger(action, **{several: f"{order},{nobody}"})
        rows = (
            list(answer.values())
            if isinstance(answer, dict)
            else [row.get(action, row.get("status")) for row in answer]
        )
        assert len({str(row) for row in rows}) == 1, answer
    assert (await owner("status", order=placed))["charge"] == "0.135"


async def test_s09_10_of_a_hundred_foreign_ids_only_the_own_has_data(house: House) -> None:
    """One own order among a hundred of others'."""
    owner, stranger = await house.user("owner"), await house.user("stranger")
    theirs = [
        answer["order"]
        for answer in await _together(lambda n: owner("add", service="1", link=f"{LINK}/{n}", quantity="10"), range(99))
    ]
    mine: str = (await stranger("add", service="1", link=LINK, quantity="10"))["order"]
    told = await stranger("status", orders=",".join([*theirs, mine]))
    assert {order for order, row in told.items() if row != {"error": NO_SUCH_ORDER}} == {mine}


async def test_s09_11_two_users_share_no_mark_and_no_duplicate_window(house: House, panel: SimulatedPanel) -> None:
    """The same service, link and idempotency key of two users are two orders, with a window too."""
    users = [await house.user(name, choices=Choices(duplicate_window=60)) for name in ("alpha", "beta")]
    for more in ({}, {"idempotency_key": "one"}):
        answers = [await call("add", service="1", link=LINK, quantity="10", **more) for call in users]
        assert len({answer["order"] for answer in answers}) == 2
    assert len(panel.links()) == 4


async def test_s09_13_anothers_price_list_is_not_served_by_its_tag(house: House) -> None:
    """A reseller's ETag is none of a plain user's: each gets its own prices, compressed or not."""
    plain, reseller = await house.user("plain"), await house.user("reseller", choices=Choices(tier="reseller"))

    async def fetch(call: Caller, **headers: str) -> httpx.Response:
        return await call.http.post(house.url, data={"key": call.key, "action": "services"}, headers=headers)

    theirs = await fetch(reseller)
    mine = await fetch(plain, **{"If-None-Match": theirs.headers["etag"], "Accept-Encoding": "gzip"})
    assert mine.status_code == 200
    assert [row["rate"] for row in mine.json()] != [row["rate"] for row in theirs.json()]
    assert (await fetch(plain, **{"If-None-Match": mine.headers["etag"]})).status_code == 304


@pytest.mark.parametrize(
    "quantity",
    [
        "0",
        "-5",
        "-0",
        "1.5",
        str(2**63),
        str(2**64),
        "1e9",
        "0x10",
        "٥",
        "1,000",
        "1_000",
        "NaN",
        "Infinity",
        "9" * 5000,
    ],
)
async def test_s09_17_odd_quantity_is_refused_and_credits_nothing(
    house: House, panel: SimulatedPanel, quantity: str
) -> None:
    """As a quantity or as runs: refused in words, nothing sent; or understood, and then charged in full."""
    call = await house.user()
    for more in ({"quantity": quantity}, {"quantity": "1000", "runs": quantity, "interval": "5"}):
        before, sent = await balance(call), len(panel.links())
        answer = await call("add", service="1", link=LINK, **more)
        if "order" in answer:  # "1,000" is a thousand to many panels, and no runs are none.
            assert (quantity, more.get("runs", quantity)) in {("1,000", "1,000"), ("0", "0")}
            assert before - await balance(call) >= Decimal("1.35")
        else:
            assert (await balance(call), len(panel.links())) == (before, sent)


async def test_s09_21_caller_sets_no_price_user_or_state(house: House) -> None:
    """What is ours to set is ignored when a caller sends it."""
    alpha, beta = await house.user("alpha"), await house.user("beta")
    more = {"rate": "0", "charge": "-100", "cost": "0", "currency": "VND", "user_id": "2", "state": "completed",
            "refunded": "1", "provider": "panel-b", "order": "1", "id": "1"}  # fmt: skip
    answer = await alpha("add", service="1", link=LINK, quantity="100", **more)
    told = await alpha("status", order=answer["order"])
    assert (told["charge"], told["currency"]) == ("0.135", "USD")
    assert [await balance(alpha), await balance(beta)] == [Decimal("99.865"), Decimal(100)]


async def test_s09_23_crowd_of_one_user_does_not_keep_others_from_a_panel(
    panel: SimulatedPanel, tmp_path: Path
) -> None:
    """One slot, a dozen orders of one user before it, then one order of another: it is the second to be sent."""
    panel.switch("latency", "100", action="add")
    async with running_house(house_settings(tmp_path, a=panel.url, concurrency="1")) as house:
        await on_sale(house)
        choices = Choices(answer="immediate")
        many, one = await house.user("many", choices=choices), await house.user("one", choices=choices)
        await _together(lambda n: many("add", service="1", link=f"{LINK}/{n}", quantity="10"), range(12))
        before = len(panel.links())
        await one("add", service="1", link=f"{LINK}/one", quantity="10")
        await until(lambda: _sent(panel, f"{LINK}/one"))
        assert len(panel.links()) - before <= 3  # One was on its way, one may have got its turn before it came.
        panel.program.switches.clear()


@pytest.mark.parametrize(
    ("limits", "orders"),
    [
        (UserLimits(orders_per_minute=3), 3),
        (UserLimits(spend_per_hour=27 * 10**6), 2),  # a tenth of a service's 1.35 each
        (UserLimits(spend_per_day=5 * 10**7), 3),
    ],
    ids=["orders", "hour", "day"],
)
async def test_s09_23_limit_of_a_user_is_told_and_keeps_its_money(
    panel: SimulatedPanel, tmp_path: Path, limits: UserLimits, orders: int
) -> None:
    """So many orders and no more, in words panels know; others go on, and the id of one that was is given again."""
    noon = 12 * HOUR_MS - now_ms() % DAY_MS  # No window of the clock may end within the test.
    async with running_house(house_settings(tmp_path, a=panel.url), clock=lambda: now_ms() + noon) as house:
        await on_sale(house)
        call, other = await house.user(choices=Choices(limits=limits)), await house.user("other")
        answers = [
            await call("add", service="1", link=f"{LINK}/{n}", quantity="100", idempotency_key=f"k{n}")
            for n in range(6)
        ]
        assert answers[orders:] == [{"error": "Too many requests"}] * (6 - orders)
        assert len({answer["order"] for answer in answers[:orders]}) == orders == len(panel.links())
        again = await call("add", service="1", link=f"{LINK}/0", quantity="100", idempotency_key="k0")
        assert again == answers[0]
        assert await balance(call) == 100 - Decimal("0.135") * orders
        assert "order" in await other("add", service="1", link=LINK, quantity="100")
        metrics = (await other.http.get(f"{house.health}/metrics")).text
        assert 'gateway_adds_limited_total{limit="' in metrics


def now_ms() -> int:
    """The machine's time."""
    return time.time_ns() // 1_000_000


async def test_s09_23_so_many_adds_at_once_and_the_seat_is_free_again(house: House, panel: SimulatedPanel) -> None:
    """The third of three at a slow panel is refused; when the two are through there is room."""
    call = await house.user(choices=Choices(limits=UserLimits(adds_at_once=2)))
    panel.switch("latency", "500", action="add")
    answers = await _together(lambda n: call("add", service="1", link=f"{LINK}/{n}", quantity="10"), range(3))
    assert sorted(next(iter(answer)) for answer in answers) == ["error", "order", "order"]
    assert {"error": "Too many requests"} in answers
    panel.program.switches.clear()
    assert "order" in await call("add", service="1", link=f"{LINK}/4", quantity="10")
    assert not house.gateway.desk.seats


async def _sent(panel: SimulatedPanel, link: str) -> bool:
    return link in panel.links()


async def test_s09_40_files_of_ours_are_their_owners_alone(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The books and the secret are made 0600; a start with others says which file it is."""
    await house.user()
    kept = {name: mode for name, mode in modes(tmp_path).items() if name.startswith(("gateway.db", "key.secret"))}
    assert {"gateway.db", "key.secret"} <= kept.keys()
    assert set(kept.values()) == {"0o600"}
    (tmp_path / "key.secret").chmod(0o644)
    tell_open_files(house.gateway._settings.environment)
    # Where it is told depends on whether a command of this process has set up the logs before.
    assert "file_open_to_others" in capsys.readouterr().out + caplog.text


def modes(folder: Path) -> dict[str, str]:
    """The mode of each file in a folder, in octal."""
    return {path.name: oct(path.stat().st_mode & 0o777) for path in folder.iterdir()}


async def _together(do: Any, numbers: range) -> list[Any]:
    return list(await asyncio.gather(*(do(n) for n in numbers)))
