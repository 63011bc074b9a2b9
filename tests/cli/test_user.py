"""The commands on users: every knob is set by one command, shown by another, and read by a request."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import main
from tests.test_command_line import SHIPPED, WHY

# Each option with a value, and how `gateway user show` tells of it when those before it are set as well.
KNOBS = {
    ("--tier", "reseller"): "tier              reseller",
    ("--dialect", "legacy"): "dialect           legacy, order id as string",
    ("--order-id", "number"): "dialect           legacy, order id as number",
    ("--escaped-newlines",): "escaped newlines  yes",
    ("--duplicate-window", "90"): "duplicate window  90 s",
    ("--answer", "immediate"): "answer            immediate",
}


class Shell:
    """The command line without a process for each command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environ = {"GATEWAY_CONFIG": str(SHIPPED), "GATEWAY_DATA_DIR": str(folder / "data")}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command says."""
        done = CliRunner().invoke(main, list(arguments), env=self._environ)
        assert done.exit_code == code, done.output
        return done.output


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with one user."""
    made = Shell(tmp_path)
    made("user", "create", "alpha")
    return made


def test_each_knob_is_set_alone(shell: Shell) -> None:
    """What is named is set, and nothing else; an event tells what it was and is."""
    before = shell("user", "show", "alpha").splitlines()
    for option, told in KNOBS.items():
        assert "user alpha is set" in shell("user", "set", "alpha", *option, *WHY)
        shown = shell("user", "show", "alpha").splitlines()
        assert [line for line, was in zip(shown, before, strict=True) if line != was] == [told]
        before = shown
    with closing(sqlite3.connect(shell.folder / "data" / "gateway.db")) as books:
        events = books.execute("SELECT before, after FROM events WHERE kind = 'user.changed' ORDER BY id").fetchall()
    assert len(events) == len(KNOBS)
    assert '"tier":""' in events[0][0]
    assert '"tier":"reseller"' in events[0][1]


def test_knob_is_set_back(shell: Shell) -> None:
    """Every knob has a value for off; setting what is set already says so and is no event."""
    shell("user", "set", "alpha", *(word for option in KNOBS for word in option), *WHY)
    usual = ["--tier", "", "--dialect", "standard", "--order-id", "string", "--no-escaped-newlines"]
    usual += ["--duplicate-window", "0", "--answer", "wait"]
    shell("user", "set", "alpha", *usual, *WHY)
    shown = shell("user", "show", "alpha")
    for part in (
        "everybody's",
        "standard, order id as string",
        "newlines  no",
        "window  off",
        "answer            wait",
    ):
        assert part in shown
    assert "was set so before" in shell("user", "set", "alpha", *usual, *WHY)


def test_every_knob_has_help(shell: Shell) -> None:
    """`gateway user set --help` says of each option what it does."""
    told = re.sub(r"[\s│]+", " ", shell("user", "set", "--help"))
    for part in ("tiers of providers.yaml", "says Cancelled", "order's id in JSON", "part the lines", "identical add"):
        assert part in told
    assert "waits for the panel's word" in told
    assert all(option[0] in told for option in KNOBS)


def test_first_name_of_the_command_still_works(shell: Shell) -> None:
    """`gateway user change` is not shown, and does the same."""
    assert "user alpha is set" in shell("user", "change", "alpha", "--order-id", "number", *WHY)
    assert "order id as number" in shell("user", "show", "alpha")
    assert " change " not in shell("user", "--help")


def test_what_cannot_be_set_is_told(shell: Shell) -> None:
    """Nothing named, a user or a tier that is not there, a window that is too long."""
    assert "nothing was named to be set; `gateway user show alpha`" in shell("user", "set", "alpha", *WHY, code=1)
    assert "there is no user 'beta'" in shell("user", "set", "beta", "--answer", "wait", *WHY, code=1)
    assert "there is no tier reselller" in shell("user", "set", "alpha", "--tier", "reselller", *WHY, code=1)
    assert "0<=x<=86400" in re.sub(
        r"[\s│]+", "", shell("user", "set", "alpha", "--duplicate-window", "86401", *WHY, code=2)
    )
