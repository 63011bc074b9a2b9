"""Killed again and again, on both databases: nothing lost, nothing twice (RELIABILITY.md section 2, rows K).

A small part of what `make crash` and `make crash-sweep` do at length; docs/reliability.md has those figures.
"""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.crash.harness import Tally

KILLS = 40
PAIRS = 12


def crash(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A run in a process of its own: it forks, and a process that runs tests has threads."""
    command = [sys.executable, "-m", "tests.crash", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_k_random_kills_lose_and_double_nothing(database: str, tmp_path: Path) -> None:
    """Forty kills among users who order and ask, panels that misbehave, recoveries that are killed as well."""
    state = tmp_path / "state.json"
    done = crash("run", "--database", database, "--kills", str(KILLS), "--state", str(state))
    assert done.returncode == 0, done.stdout + done.stderr
    tally = msgspec.json.decode(state.read_bytes(), type=Tally)
    assert tally.kills >= KILLS
    assert tally.orders > KILLS
    assert tally.upstream > 0


def test_k_each_point_is_a_good_place_to_die(tmp_path: Path) -> None:
    """Points spread over the whole life of an order, each with a fault of its panels, judged against their truth."""
    state = tmp_path / "state.json"
    done = crash("sweep", "--few", str(PAIRS), "--jobs", "2", "--state", str(state))
    assert done.returncode == 0, done.stdout + done.stderr
    parts = [msgspec.json.decode(Path(f"{state}.{n}").read_bytes(), type=Tally) for n in (0, 1)]
    assert [part.pairs for part in parts] == [PAIRS // 2, PAIRS // 2]
    assert sum(part.at_points for part in parts) >= PAIRS // 3
    assert f"{PAIRS} pairs, {sum(part.at_points for part in parts)} of them died" in done.stdout


def test_crash_harness_finds_a_bug_that_is_sown() -> None:
    """A harness that finds nothing proves nothing: what nobody can tell, taken for a refusal, is found."""
    done = crash("mutants", "--only", "unknown_is_rejected")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 of 1 found" in done.stdout
