"""Secrets: found where they are named, shown to nobody, and the gateway's own kept for good."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.settings.secrets import Secret, Unresolved, is_reference, kept_secret, resolve


def test_secret_shows_itself_to_nobody() -> None:
    """Neither print, repr nor a format has it; only `reveal` does."""
    secret = Secret("canary")
    assert f"{secret} {secret!r} {[secret]}" == "Secret(***) Secret(***) [Secret(***)]"
    assert secret.reveal() == "canary"
    assert secret == Secret("canary")
    assert secret != "canary"
    assert len({secret, Secret("canary"), Secret("other")}) == 2


def test_references_are_filled_in(tmp_path: Path) -> None:
    """From the environment, from a file without its last line end, or from the default."""
    path = tmp_path / "key"
    path.write_text("from file\n")
    environ = {"A": "x", "EMPTY": "", "CODE": "${ENV:A}"}
    assert resolve("${ENV:A}/${ENV:A}", environ) == "x/x"
    assert resolve(f"${{FILE:{path}}}", {}) == "from file"
    assert resolve("${ENV:B:-http://d:1/}", environ) == "http://d:1/"
    assert resolve("${ENV:EMPTY:-d}", environ) == "d"
    assert resolve("${ENV:CODE}", environ) == "${ENV:A}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("${ENV:B}", "B is not set in the environment"),
        ("${ENV:EMPTY}", "EMPTY is not set in the environment"),
        ("${FILE:/nowhere/key}", "/nowhere/key is empty or missing"),
        ("${FILE:/}", "/ cannot be read: Is a directory"),
        ("${env:A}", "a reference is ${ENV:NAME}, ${ENV:NAME:-default} or ${FILE:/path}"),
        ("${ENV:A", "a reference is ${ENV:NAME}, ${ENV:NAME:-default} or ${FILE:/path}"),
    ],
)
def test_reference_that_leads_nowhere_is_said(text: str, what: str) -> None:
    """The message has the name, never a value."""
    with pytest.raises(Unresolved) as caught:
        resolve(text, {"EMPTY": ""})
    assert str(caught.value) == what


def test_file_of_bytes_is_no_secret(tmp_path: Path) -> None:
    """A secret is text."""
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(Unresolved, match="it is no UTF-8 text"):
        resolve(f"${{FILE:{tmp_path}/key}}", {})


def test_reference_is_the_whole_text() -> None:
    """What only holds one besides other letters is none."""
    assert is_reference("${ENV:A}")
    assert not is_reference("x${ENV:A}")


def test_kept_secret_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    """The same 32 bytes on every call, in a file nobody else may read, and nothing left beside it."""
    path = tmp_path / "key.secret"
    made = kept_secret(path)
    assert len(made) == 32
    assert kept_secret(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """Whoever comes first names the secret; nobody reads half of one."""
    path = tmp_path / "key.secret"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: kept_secret(path), range(32)))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [("", "holds 0 bytes, too few"), ("ab" * 15, "holds 15 bytes, too few"), ("hello", "has to hold hexadecimal")],
)
def test_damaged_secret_is_refused(tmp_path: Path, text: str, what: str) -> None:
    """It is never replaced in silence: every user's key hangs on it."""
    path = tmp_path / "key.secret"
    path.write_text(text)
    with pytest.raises(ValueError, match=what):
        kept_secret(path)
    assert path.read_text() == text


def test_unwritable_folder_is_the_systems_error(tmp_path: Path) -> None:
    """The caller turns it into one line."""
    with pytest.raises(FileNotFoundError):
        kept_secret(tmp_path / "nowhere" / "key.secret")
