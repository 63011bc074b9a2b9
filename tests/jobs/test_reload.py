"""Taking up a changed providers.yaml: by a change in its folder or when told; what has a fault changes nothing."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gateway.actions.roster import CannotReload
from gateway.jobs.reload import Reload
from gateway.metrics import Metrics
from gateway.settings.load import load_file
from gateway.settings.values import ProvidersFile
from gateway.store.engine import StoreUnavailable
from tests.world import until

ENVIRON = {"PANEL_KEY": "a-key-of-panel-a"}
TEXT = """
version: 1
currency: USD
markup: {{percent: {percent}}}
providers:
  panel-a: {{url: "https://panel-a.example/api/v2", key: "${{ENV:PANEL_KEY}}", imports: all}}
"""


class Taken:
    """What was put in use."""

    def __init__(self) -> None:
        self.files: list[ProvidersFile] = []
        self.metrics = Metrics()
        self.no: Exception | None = None  # why nothing is taken just now

    async def apply(self, file: ProvidersFile, digest: str) -> None:
        """Take a file with the hash of its text, or say why not."""
        assert digest
        if self.no is not None:
            raise self.no
        self.files.append(file)

    @property
    def percents(self) -> list[str]:
        """The markups in use, first to last."""
        return [str(file.rules.default.percent) for file in self.files]

    def counted(self, outcome: str) -> float | None:
        """How many texts came to this."""
        return self.metrics.registry.get_sample_value("gateway_config_reloads_total", {"outcome": outcome})

    @property
    def refused(self) -> float | None:
        """Whether the file on the disk is not the one in use."""
        return self.metrics.registry.get_sample_value("gateway_config_refused")


def write(path: Path, percent: int = 20) -> None:
    """A good file."""
    path.write_text(TEXT.format(percent=percent))


def mend(path: Path) -> None:
    """A good file, whatever stands in its place."""
    if path.is_dir():
        path.rmdir()
    write(path, 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file in use."""
    write(tmp_path / "providers.yaml")
    return tmp_path / "providers.yaml"


@pytest.fixture
def taken() -> Taken:
    """Nothing yet."""
    return Taken()


def made(path: Path, taken: Taken) -> Reload:
    """A reload of what stands there now."""
    _, digest = load_file(path, ENVIRON)
    return Reload(path, digest, environ=ENVIRON, apply=taken.apply, metrics=taken.metrics)


@asynccontextmanager
async def watched(reload: Reload) -> AsyncIterator[None]:
    """The folder watched."""
    watching = asyncio.create_task(reload.watch())
    await asyncio.sleep(0.3)  # until the watch stands: what changes before that is seen by the next look
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def _has(taken: Taken, *percents: str) -> None:
    async def there() -> bool:
        return taken.percents == [*percents]

    await until(there)


async def test_changed_text_is_taken_up_by_itself(path: Path, taken: Taken) -> None:
    """Each other text once; the same text again is nothing new."""
    async with watched(made(path, taken)):
        write(path, 30)
        await _has(taken, "30")
        write(path, 30)
        (path.parent / "other.yaml").write_text("x")
        await asyncio.sleep(0.5)
        write(path, 20)
        await _has(taken, "30", "20")
    assert (taken.counted("ok"), taken.counted("failed"), taken.refused) == (2, 0, 0)


async def test_link_that_is_swapped_is_a_change(tmp_path: Path, taken: Taken) -> None:
    """As Kubernetes does it: the file is a link into `..data`, which is a link to the newest folder."""
    for name, percent in (("..first", 20), ("..second", 30)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "providers.yaml", percent)
    (tmp_path / "..data").symlink_to("..first")
    path = tmp_path / "providers.yaml"
    path.symlink_to("..data/providers.yaml")
    async with watched(made(path, taken)):
        (tmp_path / "..new").symlink_to("..second")
        (tmp_path / "..new").rename(tmp_path / "..data")
        shutil.rmtree(tmp_path / "..first")
        await _has(taken, "30")


def _half(path: Path) -> None:
    path.write_text(TEXT.format(percent=30)[:60])


def _with_key_in(secret: Path, path: Path) -> None:
    path.write_text(TEXT.format(percent=20).replace("${ENV:PANEL_KEY}", f"${{FILE:{secret}}}"))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


BROKEN: list[tuple[str, Callable[[Path], object]]] = [
    ("no yaml", lambda path: path.write_text("version: [1")),
    ("an unknown field", lambda path: path.write_text(TEXT.format(percent=30) + "markups: {}\n")),
    ("a negative markup", lambda path: write(path, -120)),
    ("half written", _half),
    ("no text", lambda path: path.write_bytes(b"\xff\xfe")),
    ("taken away", Path.unlink),
    ("unreadable", _folder),
]


@pytest.mark.parametrize(("what", "spoil"), BROKEN, ids=[what for what, _ in BROKEN])
async def test_what_has_a_fault_changes_nothing_and_is_told_once(
    path: Path, taken: Taken, what: str, spoil: Callable[[Path], object]
) -> None:
    """The settings before stay; a good text afterwards is taken up."""
    reload = made(path, taken)
    spoil(path)
    await reload.look()
    await reload.look()
    assert (taken.files, taken.counted("failed"), taken.refused) == ([], 1, 1), what
    mend(path)
    await reload.look()
    assert (taken.percents, taken.counted("ok"), taken.refused) == (["40"], 1, 0)


async def test_text_that_needs_a_restart_is_refused_once(path: Path, taken: Taken) -> None:
    """Nothing is half taken: who says no has changed nothing."""
    reload = made(path, taken)
    taken.no = CannotReload("currency: users pay in USD")
    write(path, 30)
    await reload.look()
    await reload.look()
    assert (taken.files, taken.counted("failed"), taken.refused) == ([], 1, 1)


async def test_books_that_are_away_put_it_off(path: Path, taken: Taken) -> None:
    """The next look tries the same text again."""
    reload = made(path, taken)
    taken.no = StoreUnavailable("away")
    write(path, 30)
    await reload.look()
    assert (taken.files, taken.refused) == ([], 1)
    taken.no = None
    await reload.look()
    assert (taken.percents, taken.refused) == (["30"], 0)


async def test_when_told_it_is_taken_up_unchanged_for_its_secrets(path: Path, taken: Taken, tmp_path: Path) -> None:
    """A key in a file beside it may be another by now."""
    secret = tmp_path / "key"
    secret.write_text("first-key-of-a")
    _with_key_in(secret, path)
    reload = made(path, taken)
    secret.write_text("second-key-of-a")
    await reload.look()
    assert taken.files == []
    assert await reload.reload()
    assert taken.files[0].providers["panel-a"].key.reveal() == "second-key-of-a"
