"""Notices in the books: each as it was written, one of two processes' changes, one teller a channel."""

from decimal import Decimal
from functools import partial

import msgspec

from gateway.core.notice import Facts, Kind, Notice
from gateway.core.telling import Channel, Heard
from gateway.core.user import User
from gateway.store.engine import Query, Steps, Store
from gateway.store.notices import (
    Board,
    Change,
    change_channel,
    change_notices,
    claim_channel,
    forget_heard,
    know_channels,
    read_board,
    users_low,
)
from gateway.store.users import Choices, create_user, set_state
from tests.store.trade import ME, NOW, RIVAL, make_user

FACTS = Facts(count=2, amount=Decimal("1.50"), currency="USD", days=Decimal("2.1"), limit=Decimal(3), named=("a", "b"))


def notice(subject: str = "panel-a", **changes: object) -> Notice:
    """A notice that is open."""
    values: dict[str, object] = {
        "kind": Kind.FUNDS_LOW, "subject": subject, "since": NOW, "wrong_at": NOW, "opened_at": NOW, "facts": FACTS,
        **changes,
    }  # fmt: skip
    return Notice(**values)  # type: ignore[arg-type] # the fields by name


async def write(store: Store, *changes: tuple[Notice | None, Notice | None]) -> Board:
    """Write changes; answers what is there then."""
    told = [Change(before=before, after=after) for before, after in changes]
    await store.run(partial(change_notices, told))
    return await store.read(read_board)


async def test_notice_is_read_as_it_was_written(store: Store) -> None:
    """Each field, at its beginning, at each change, and at its end; facts to the last digit."""
    waiting = notice(opened_at=None, facts=Facts())
    board = await write(store, (None, waiting), (None, notice("b", kind=Kind.PRICE_JUMP, mark="m")))
    first = board.notices["funds_low:panel-a"]
    assert first == msgspec.structs.replace(waiting, version=1)
    assert board.notices["price_jump:b:m"].mark == "m"
    closed = msgspec.structs.replace(
        first, opened_at=NOW + 1, closed_at=NOW + 2, wrong_at=NOW + 1, since=NOW - 1, gone=True, back=3, facts=FACTS
    )
    board = await write(store, (first, closed))
    assert board.notices["funds_low:panel-a"] == msgspec.structs.replace(closed, version=2)
    board = await write(store, (board.notices["funds_low:panel-a"], None))
    assert list(board.notices) == ["price_jump:b:m"]


async def test_of_two_changes_of_one_notice_the_first_stands(store: Store, rival: Store) -> None:
    """Also of two beginnings; a change of what is no longer there is none."""
    await write(store, (None, notice()))
    board = await write(rival, (None, notice(opened_at=NOW + 5)))
    seen = board.notices["funds_low:panel-a"]
    assert seen.opened_at == NOW
    await write(store, (seen, msgspec.structs.replace(seen, closed_at=NOW + 1)))
    board = await write(rival, (seen, msgspec.structs.replace(seen, closed_at=NOW + 9)))
    assert board.notices["funds_low:panel-a"].closed_at == NOW + 1
    board = await write(rival, (seen, None))
    assert len(board.notices) == 1


async def test_kind_of_a_newer_version_is_left_alone(store: Store) -> None:
    """A replica of this version goes on beside it."""

    def begin() -> Steps[None]:
        numbers = {"since": NOW, "wrong_at": NOW, "opened_at": NOW, "closed_at": None, "gone": 0, "back": 0}
        yield Query("notice_begin", {"key": "n:", "kind": "n", "subject": "", "mark": "", "facts": "{}", **numbers})

    await store.run(begin)
    assert list((await write(store, (None, notice()))).notices) == ["funds_low:panel-a"]


async def test_channel_is_told_by_one(store: Store, rival: Store) -> None:
    """Until it gives the channel back; what was heard is written with how the channel stands."""
    await store.run(partial(know_channels, ["ops", "desk"], now=NOW))
    await store.run(partial(know_channels, ["ops"], now=NOW + 9))
    assert (await store.read(read_board)).channels["ops"] == Channel(name="ops", since=NOW)
    assert await store.run(partial(claim_channel, "ops", ME))
    assert await store.run(partial(claim_channel, "ops", ME))  # a run whose commit was unclear
    assert not await rival.run(partial(claim_channel, "ops", RIVAL))
    assert await rival.run(partial(claim_channel, "desk", RIVAL))
    channel = Channel(
        name="ops", since=NOW, sent_at=1, hour=2, sent_in_hour=3, held_since=4, digest_day=5, failing_since=6, tries=7,
        due_at=8, problem="HTTP 500",
    )  # fmt: skip
    heard = {"funds_low:panel-a": Heard(opened_at=NOW, closed=False, told_at=NOW + 1)}
    await rival.run(partial(change_channel, channel, RIVAL, {}))  # whose it is not
    assert (await store.read(read_board)).channels["ops"].tries == 0
    await store.run(partial(change_channel, channel, ME, heard))
    board = await store.read(read_board)
    assert (board.channels["ops"], board.heard["ops"]) == (channel, heard)
    assert await rival.run(partial(claim_channel, "ops", RIVAL))
    again = {"funds_low:panel-a": Heard(opened_at=NOW, closed=True, told_at=NOW + 2)}
    await rival.run(partial(change_channel, channel, RIVAL, again))
    assert (await store.read(read_board)).heard["ops"] == again
    assert not await store.run(partial(claim_channel, "nobody", ME))


async def test_what_was_heard_of_what_is_no_more_is_forgotten(store: Store) -> None:
    """And nothing else."""
    await write(store, (None, notice()))
    await store.run(partial(know_channels, ["ops"], now=NOW))
    heard = {key: Heard(opened_at=NOW, closed=True, told_at=NOW) for key in ("funds_low:panel-a", "funds_low:gone")}
    await store.run(partial(change_channel, Channel(name="ops", since=NOW), ME, heard))
    await store.run(forget_heard)
    assert list((await store.read(read_board)).heard["ops"]) == ["funds_low:panel-a"]


async def test_users_who_have_little_and_had_some(store: Store, alpha: User) -> None:
    """Not who never paid in, who has enough, or who is suspended."""
    assert alpha.id
    await make_user(store, "beta", money=99)
    await make_user(store, "gamma", money=100)
    await make_user(store, "delta", money=5)
    await store.run(partial(create_user, "epsilon", "USD", Choices(), actor="test", now=NOW))
    assert await store.read(partial(users_low, below=100)) == {"beta": 99, "delta": 5}
    await store.run(partial(set_state, "delta", "suspended", actor="test", reason="x", now=NOW))
    assert await store.read(partial(users_low, below=1_001)) == {"alpha": 1000, "beta": 99, "gamma": 100}
