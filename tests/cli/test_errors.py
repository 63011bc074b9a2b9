"""`gateway errors`: the list as an operator sees it, and a text that is classified once."""

import asyncio
import re
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from gateway.core.unclassified import MEANINGS
from gateway.store.owners import beat
from gateway.store.store import open_store
from gateway.store.texts import Batch, Told, keep_texts
from tests.store.trade import ME, NOW

REASON = ("--reason", "their manual, page 4")


class Shell:
    """The commands on books of a folder."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder}/gateway.db"

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command says."""
        done = CliRunner().invoke(main, ["errors", *arguments], env={"GATEWAY_DATABASE_URL": self.url})
        assert done.exit_code == code, done.output
        return done.output


async def fill(url: str) -> None:
    """Three texts of two panels."""
    texts = (
        Told(provider="panel-a", pattern="konto # ist privat", action="add", example="Konto 17 ist privat", seen=41),
        Told(provider="panel-a", pattern="error #", action="status", example="Error 4", seen=7),
        Told(provider="panel-b", pattern="try again later", action="add", example="Try again later", seen=1),
    )
    store = open_store(url)
    await store.open()
    await store.migrate()
    await store.run(partial(beat, ME, now=NOW))
    await store.run(partial(keep_texts, Batch(owner=ME, number=1, texts=texts), now=NOW))
    await store.close()


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder whose books have three texts."""
    made = Shell(tmp_path)
    asyncio.run(fill(made.url))
    return made


def test_text_is_listed_shown_and_classified(shell: Shell) -> None:
    """The most frequent first; once it is classified only --all has it."""
    rows = shell("list").splitlines()
    assert [row.split()[:4] for row in rows[2:]] == [
        ["2", "panel-a", "add", "41"], ["1", "panel-a", "status", "7"], ["3", "panel-b", "add", "1"],
    ]  # fmt: skip
    assert rows[2].endswith("–  konto # ist privat")
    assert "panel-a" not in shell("list", "--provider", "panel-b")
    shown = shell("show", "2")
    for part in ("2023-11-14 22:13:20, as an answer to add", "41 times", "konto # ist privat", "Konto 17 ist privat"):
        assert part in shown
    told = shell("classify", "2", "link", *REASON)
    assert "text 2 of panel-a means link; running gateways know it within ten seconds" in told
    assert "in doubt already stay in doubt" in told
    assert "konto" not in shell("list")
    assert "link   konto # ist privat" in shell("list", "--all")
    assert "means       link" in shell("show", "2")
    assert "once" in shell("show", "3")


def test_text_that_says_too_little_is_refused_with_the_reason(shell: Shell) -> None:
    """`nothing` may be said of each, and then nothing waits."""
    sure = (*REASON, "--sure")
    assert "text 1 cannot be link: it stands for every error" in shell("classify", "1", "link", *sure, code=1)
    assert "text 3 cannot be funds: it smells of time" in shell("classify", "3", "funds", *REASON, code=1)
    shell("classify", "3", "funds", *sure)
    for text in ("1", "2"):
        shell("classify", text, "nothing", *REASON)
    assert "nothing is waiting to be classified" in shell("list")
    assert "nothing  error #" in shell("list", "--all")


def test_help_has_every_meaning(shell: Shell) -> None:
    """None is left out, and none is cut off by the width of the screen."""
    words = set(re.findall(r"[a-z_]+", shell("classify", "--help")))
    assert set(MEANINGS) <= words


def test_what_goes_wrong_is_one_clear_line(shell: Shell) -> None:
    """A number that is none, a code that is none, no reason."""
    assert "gateway: there is no text 9" in shell("classify", "9", "link", *REASON, code=1)
    assert "gateway: there is no text 9" in shell("show", "9", code=1)
    assert "'lnk' is not one of 'credentials', 'funds'" in shell("classify", "1", "lnk", *REASON, code=2)
    assert "Missing option '--reason'" in shell("classify", "1", "link", code=2)
    assert "a classification needs a reason" in shell("classify", "1", "link", "--reason", " ", code=2)


def test_list_of_books_without_a_text_says_so(tmp_path: Path) -> None:
    """And not an empty table."""
    empty = Shell(tmp_path)
    assert "nothing is waiting to be classified" in empty("list")
    assert "no text was ever met" in empty("list", "--all")
