"""Samples: each is a program that runs, here against a real gateway in front of a simulated panel."""

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from gateway.web.apipage.samples import SAMPLES
from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel
from tests.world import on_sale

# How each is run, where its language is installed; Python always is.
COMMANDS = {
    "curl": ("sh", "sample.sh"),
    "PHP": ("php", "sample.php"),
    "Python": (sys.executable, "sample.py"),
    "Node": ("node", "sample.mjs"),
}


async def test_samples_run_as_they_stand(tmp_path: Path) -> None:
    """Every one whose language is on this machine places one order, and again the same when it is run again."""
    async with simulated_panel(tmp_path) as panel, running_house(house_settings(tmp_path, a=panel.url)) as house:
        await on_sale(house)
        call = await house.user()
        runnable = [each for each in SAMPLES if _installed(each.language)]
        for sample in runnable * 2:
            program, name = COMMANDS[sample.language]
            await asyncio.to_thread((tmp_path / name).write_text, sample.write(house.url, call.key))
            process = await asyncio.create_subprocess_exec(
                program, name, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            said, failed = await asyncio.wait_for(process.communicate(), timeout=60)
            assert (process.returncode, failed) == (0, b""), sample.language
            assert b"USD" in said
        assert len(panel.links()) == len(runnable) >= 1


def _installed(language: str) -> bool:
    if language == "curl":
        return shutil.which("curl") is not None
    return language in COMMANDS and shutil.which(COMMANDS[language][0]) is not None


def test_samples_differ_in_their_marks() -> None:
    """So that trying one after the other is not the same order: one mark is one order."""
    marks = {sample.template.partition("my-order-")[2][:4] for sample in SAMPLES}
    assert len(marks) == len(SAMPLES)


@pytest.mark.parametrize("key", ["a'b", 'a"b', "a\\b", "a\nb"])
def test_what_would_leave_its_quotes_is_never_filled_in(key: str) -> None:
    """Neither an address nor a key of ours has such characters; should one have, it is our mistake."""
    for sample in SAMPLES:
        with pytest.raises(AssertionError):
            sample.write("https://panel.example/api/v2", key)
