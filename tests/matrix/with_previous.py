"""Row G6 with the code of the schema before, out of this repository's own history: `make rolling`."""

import io
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import gateway
from tests.matrix.trial import Trial
from tests.matrix.versions import roll

ROOT: Final = Path(gateway.__file__).parents[1]
MIGRATIONS: Final = "gateway/store/sql/migrations"


def git(*words: str) -> bytes:
    """What git answers about this repository."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, timeout=60).stdout


def before_the_newest(folder: Path) -> Path:
    """The folder of the code right before the newest migration came into it."""
    newest = max(path.name for path in (ROOT / MIGRATIONS).glob("[0-9]*.sql"))
    came = git("log", "--diff-filter=A", "--format=%H", "--", f"{MIGRATIONS}/{newest}").split()
    assert came, f"{newest} is not committed yet"
    code = folder / "previous"
    with tarfile.open(fileobj=io.BytesIO(git("archive", f"{came[-1].decode()}^", "gateway"))) as packed:
        packed.extractall(code, filter="data")
    assert not (code / MIGRATIONS / newest).exists()
    return code


async def test_g6_the_version_before_and_this_one_share_the_books(trial: Trial) -> None:
    """It makes the books and serves; this one migrates them beside it; no order fails. Then it may come again.

    Whether it may is what this schema says, to a version that reads that already.
    """
    code = before_the_newest(trial.folder)
    reads_reach = "schema_reach" in (code / "gateway/store/migrate.py").read_text(encoding="utf-8")
    trial.settings()
    key = user_of(trial, code)
    (row,) = await trial.rows("SELECT MAX(number) AS newest FROM schema_migrations")
    assert row["newest"] < max(int(path.name[:4]) for path in (ROOT / MIGRATIONS).glob("[0-9]*.sql"))
    await roll(trial, key=key, codes=(code, None), again=reads_reach)
    states = await trial.judge()
    assert len(states) == 1 + 3 + 6 + 1 + (2 if reads_reach else 0)


def user_of(trial: Trial, code: Path) -> str:
    """A key of a new user with money, made by the commands of that code."""
    said = ""
    for words in (
        "user create alpha",
        "user credit alpha 100 --reference first",
        "key create alpha",
    ):
        done = subprocess.run(
            [str(ROOT / ".venv/bin/python"), "-m", "gateway", *words.split(" ")],
            cwd=code,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "/usr/bin:/bin", **trial.environ(config=str(trial.folder / "providers.yaml"))},
        )
        said = done.stdout
    return next(word for word in said.split() if word.startswith("gw_"))
