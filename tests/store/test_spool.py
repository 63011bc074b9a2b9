"""The spool: a verdict is on the disk when `keep` returns, is found by the next process, by no living rival."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.store.attempts import Verdict
from gateway.store.spool import Spool, Spooled

NOW = 1_700_000_000_000


def record(number: int = 1, outcome: Outcome = Accepted("77")) -> Spooled:  # noqa: B008 - a frozen value
    """A verdict about an attempt."""
    attempt = Attempt(
        id=number, order_id=100 + number, n=1, provider="panel-a", provider_service="1", state=AttemptState.PLANNED,
        owner="one",
    )  # fmt: skip
    verdict = Verdict(outcome=outcome, evidence='{"ü":"\n"}', go_on=False, failure="no", owner="one", poll_at=NOW)
    return Spooled(attempt=attempt, verdict=verdict)


def found(spool: Spool, *, forget: bool = False) -> list[tuple[Spooled, ...]]:
    """What others left."""
    with spool.left_behind() as left:
        if forget:
            for each in left:
                spool.forget(each)
        return [each.records for each in left]


@pytest.fixture
def one(tmp_path: Path) -> Spool:
    """The spool of a process."""
    return Spool(tmp_path / "spool", "one")


@pytest.fixture
def two(tmp_path: Path) -> Spool:
    """That of another on the same data folder."""
    return Spool(tmp_path / "spool", "two")


@pytest.mark.parametrize(
    "outcome", [Accepted("x"), Rejected(RejectKind.FUNDS, "no"), Unknown("why"), NotSent("why")], ids=repr
)
def test_verdict_is_read_as_it_was_kept(one: Spool, two: Spool, outcome: Outcome) -> None:
    """Every outcome, its evidence and its attempt."""
    one.keep(record(outcome=outcome))
    one.close()
    assert found(two) == [(record(outcome=outcome),)]


def test_file_of_a_living_process_is_left_alone(one: Spool, two: Spool) -> None:
    """It is locked until its process ends; then its verdicts are there in order, and gone once they are forgotten."""
    for number in (1, 2, 3):
        one.keep(record(number))
    assert found(two) == []
    one.close()
    assert found(two, forget=True) == [(record(1), record(2), record(3))]
    assert found(two) == []


def test_file_taken_up_by_one_is_left_alone_by_others(one: Spool, two: Spool, tmp_path: Path) -> None:
    """Two processes that start at once do not bring the same verdicts."""
    one.keep(record())
    one.close()
    three = Spool(tmp_path / "spool", "three")
    with two.left_behind() as left:
        assert len(left) == 1
        assert found(three) == []
    assert len(found(three)) == 1


def test_file_is_gone_when_the_books_have_everything(one: Spool, tmp_path: Path) -> None:
    """Not before: what still waits stays on the disk."""
    one.keep(record(1))
    one.keep(record(2))
    one.settled(1)
    assert list(one.waiting) == [record(2)]
    assert len(list((tmp_path / "spool").iterdir())) == 1
    one.settled(2)
    one.settled(9)
    assert list(one.waiting) == []
    assert list((tmp_path / "spool").iterdir()) == []
    one.keep(record(3))
    assert len(list((tmp_path / "spool").iterdir())) == 1


def test_files_are_their_owners_alone(one: Spool, tmp_path: Path) -> None:
    """Links and answers of panels are nobody else's business."""
    one.keep(record())
    (file,) = (tmp_path / "spool").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_line_that_broke_off_is_left_out(one: Spool, two: Spool, tmp_path: Path, cut: int) -> None:
    """Its process died while writing it; what stands before it counts, and nobody has to look at it."""
    one.keep(record(1))
    one.keep(record(2))
    one.close()
    (file,) = (tmp_path / "spool").iterdir()
    file.write_bytes(file.read_bytes()[:-cut])
    with two.left_behind() as left:
        assert [(each.records, each.unreadable) for each in left] == [((record(1),), 0)]


@pytest.mark.parametrize("damage", [b"nonsense\n", b"\n", b"00000000 {}\n", b"a505df1b {}\n"[:9] + b"[]\n"])
def test_line_that_cannot_be_read_is_put_aside(one: Spool, two: Spool, tmp_path: Path, damage: bytes) -> None:
    """It may be a verdict: its file is kept for a person, and not brought again."""
    one.keep(record(1))
    one.close()
    (file,) = (tmp_path / "spool").iterdir()
    file.write_bytes(damage + file.read_bytes())
    with two.left_behind() as left:
        ((records, unreadable),) = [(each.records, each.unreadable) for each in left]
        assert (records, unreadable) == ((record(1),), 1)
        two.forget(left[0])
    (aside,) = (tmp_path / "spool").iterdir()
    assert aside.suffix == ".unread"
    assert found(two) == []


def test_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """At the start, and when it is needed; the verdict is still known to wait."""
    (tmp_path / "spool").write_text("a file")
    spool = Spool(tmp_path / "spool", "one")
    with pytest.raises(OSError, match="spool"):
        spool.prepare()
    with pytest.raises(OSError, match="spool"):
        spool.keep(record())
    assert list(spool.waiting) == [record()]
    assert found(spool) == []


def test_what_could_not_be_written_whole_is_not_relied_upon(tmp_path: Path) -> None:
    """A full disk: `keep` says so, and what comes after it stands in a file of its own and is read."""
    program = (
        "import resource, signal, sys\n"
        "from tests.store.test_spool import Path, Spool, record\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "spool = Spool(Path(sys.argv[1]), 'one')\n"
        "spool.keep(record(1))\n"
        "size = next(Path(sys.argv[1]).iterdir()).stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))\n"
        "try:\n    spool.keep(record(2))\nexcept OSError as error:\n    print(error.strerror)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "spool.keep(record(3))\n"
    )
    folder = tmp_path / "spool"
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert "File too large" in done.stdout
    assert found(Spool(folder, "two")) == [(record(1),), (record(3),)]


def test_full_spool_is_an_error_and_no_endless_file(tmp_path: Path) -> None:
    """Everything has a limit."""
    spool = Spool(tmp_path / "spool", "one", bytes_max=500)
    spool.keep(record(1))
    with pytest.raises(OSError, match="full"):
        spool.keep(record(2))


def test_verdict_outlives_a_kill(tmp_path: Path) -> None:
    """A process that is killed right after `keep` leaves it, and its lock dies with it."""
    program = (
        "import os, signal, sys\n"
        "from tests.store.test_spool import Path, Spool, record\n"
        "Spool(Path(sys.argv[1]), 'one').keep(record(5))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    folder = tmp_path / "spool"
    killed = subprocess.run([sys.executable, "-c", program, str(folder)], check=False, cwd=Path.cwd())
    assert killed.returncode == -9
    assert found(Spool(folder, "two")) == [(record(5),)]


def test_owner_may_be_called_anything(tmp_path: Path) -> None:
    """A host's name becomes part of a file's."""
    spool = Spool(tmp_path / "spool", "../we*rd [host]/1")
    spool.keep(record())
    (file,) = (tmp_path / "spool").iterdir()
    assert os.sep not in file.name
    spool.settled(1)
    assert list((tmp_path / "spool").iterdir()) == []
