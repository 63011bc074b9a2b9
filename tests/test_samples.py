"""The API page's samples, copied from the page that is served, each run by its own language against a whole gateway.

A language that this machine has not got is not run: `make samples` says which those are. Debian's packages are curl,
php-cli with php-curl, nodejs and golang-go.
"""

import asyncio
import html
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from gateway.web.apipage.samples import SAMPLES
from gateway.web.apipage.sections import KEY
from tests.gateway_process import Caller, House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.sound import broken_invariants
from tests.world import LINK, balance, on_sale

WITHIN_SECONDS = 120.0  # Go compiles its standard library the first time


class Language(msgspec.Struct, frozen=True):
    """How a program in a language is run."""

    file: str
    command: tuple[str, ...]  # before the file's name

    @property
    def here(self) -> bool:
        """Whether this machine can run it."""
        return shutil.which(self.command[0]) is not None


LANGUAGES = {
    "curl": Language("sample.sh", ("bash", "-eu")),
    "PHP": Language("sample.php", ("php",)),
    "Python": Language("sample.py", (sys.executable,)),
    "Node": Language("sample.mjs", ("node",)),
    "Go": Language("sample.go", ("go", "run")),
}


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


def test_each_language_of_the_page_is_known_here() -> None:
    """A sample in a new language is run as well."""
    assert [*LANGUAGES] == [sample.language for sample in SAMPLES]


@pytest.mark.parametrize("name", LANGUAGES)
async def test_sample_runs_as_it_stands(name: str, house: House, panel: SimulatedPanel, tmp_path: Path) -> None:
    """Balance, an order, its status; run a second time it is the same order, for the sample has an idempotency key."""
    language = LANGUAGES[name]
    if not language.here:
        pytest.skip(f"{language.command[0]} is not on this machine")
    call = await house.user()
    program = tmp_path / language.file
    program.write_text((await copied(call, name)).replace("ORDER", "1"), "utf-8")
    said = [await run(language, program) for _ in range(2)]
    assert "100" in said[0], "the balance"
    assert "99.865" in said[1], "the balance after the order"
    assert panel.links() == [LINK]
    assert await balance(call) == 100 - Decimal("0.135")
    assert await broken_invariants(f"sqlite:///{tmp_path}/gateway.db") == []


@pytest.mark.parametrize("name", [name for name in LANGUAGES if name != "curl"])
async def test_sample_tells_what_was_refused(name: str, house: House, panel: SimulatedPanel, tmp_path: Path) -> None:
    """A wrong key ends the program with the gateway's own words; curl only prints them, and ends well."""
    language = LANGUAGES[name]
    if not language.here:
        pytest.skip(f"{language.command[0]} is not on this machine")
    call = await house.user()
    program = tmp_path / language.file
    program.write_text((await copied(call, name)).replace(call.key, "not-a-key"), "utf-8")
    with pytest.raises(AssertionError, match=r"(?i)invalid api key"):
        await run(language, program)
    assert panel.links() == []


async def copied(call: Caller, name: str) -> str:
    """A sample as somebody copies it from the page, with the key put where the page says it goes."""
    page = (await call.http.get(call.url.removesuffix("/api/v2") + "/api")).text
    blocks = [html.unescape(re.sub("<[^>]+>", "", block)) for block in re.findall(r"(?s)<pre[^>]*>(.*?)</pre>", page)]
    begins = {sample.language: sample.write(call.url, KEY).strip()[:40] for sample in SAMPLES}
    (sample,) = [block for block in blocks if block.strip().startswith(begins[name])]
    assert call.url in sample
    assert KEY in sample
    return sample.replace(KEY, call.key)


async def run(language: Language, program: Path) -> str:
    """What a program printed; raises AssertionError with its words when it failed."""
    environ = {**os.environ, "NO_PROXY": "*", "no_proxy": "*"}
    started = await asyncio.create_subprocess_exec(
        *language.command,
        program.name,
        cwd=program.parent,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            said = (await started.communicate())[0].decode()
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
    assert started.returncode == 0, said
    return said
