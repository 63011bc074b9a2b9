"""The action `services`: the whole list, or an error, never a part."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.actions.desk import Desk
from gateway.actions.services import rendered_services
from gateway.actions.snapshot import Rendered, Snapshot
from gateway.cache.memory import MemoryCache
from gateway.core.catalogue import build_catalogue
from gateway.core.dialects import UserDialect
from gateway.core.messages import ErrorReply
from gateway.core.user import User
from gateway.store.store import open_store
from tests.makers import make_list, make_row, make_wanted
from tests.stocked import NOBODY, Time, close_desk, make_desk

UNAVAILABLE = ErrorReply("Service temporarily unavailable")
LISTS = {"panel-a": make_list("panel-a", make_row("101", type="Package"))}


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk whose store is never asked."""
    made = make_desk(open_store(f"sqlite:///{tmp_path}/unused.db"), {"panel-a": NOBODY}, Time())
    yield made
    await close_desk(made)


def user(tier: str = "", **dialect: object) -> User:
    """A user of a tier."""
    return User(
        id=1, name="alpha", state="active", tier=tier, dialect=UserDialect(**dialect), duplicate_window=0,  # type: ignore[arg-type] # by name
        answer="wait", avail_account=1, held_account=2,
    )  # fmt: skip


def snapshot(*, complete: bool = True, empty: bool = False) -> Snapshot:
    """What is on sale."""
    ids = {} if empty else {("panel-a", "101"): 1001}
    return Snapshot(build_catalogue(make_wanted(), LISTS, ids), MemoryCache(), complete=complete)


async def test_list_is_the_users_own(desk: Desk) -> None:
    """By tier and by dialect."""
    desk.snapshot = snapshot()
    answers = [await rendered_services(desk, each) for each in (user(), user("reseller"), user(name="legacy"))]
    assert [isinstance(each, Rendered) and each.plain.count(b'"service"') for each in answers] == [1, 1, 1]
    assert isinstance(answers[2], Rendered)
    assert b'"type":"package"' in answers[2].plain


@pytest.mark.parametrize("shown", [None, snapshot(complete=False), snapshot(empty=True)])
async def test_part_of_a_list_is_an_error(desk: Desk, shown: Snapshot | None) -> None:
    """Panels below us switch off what is missing, so nothing is better than some."""
    desk.snapshot = shown
    assert await rendered_services(desk, user()) == UNAVAILABLE
