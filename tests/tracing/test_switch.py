"""The switch: off there is nothing of OpenTelemetry in the process, and asked for in vain it says what to install."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.tracing import on
from gateway.tracing.switch import Switch, Wanted, address
from tests.gateway_process import house_settings

# A gateway between two panels takes an order, in a process of its own; what of tracing was called meanwhile is counted.
PROGRAM = """
import asyncio, collections, json, sys, threading
from pathlib import Path

class Spy:
    # Who imports what tracing needs, by package; what these packages import of each other does not count.
    asked = collections.defaultdict(set)
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package in ("opentelemetry", "google", "requests"):
            frame = sys._getframe(1)
            while frame.f_globals["__name__"].startswith("importlib"):
                frame = frame.f_back
            self.asked[frame.f_globals["__name__"].partition(".")[0]].add(package)

sys.meta_path.insert(0, Spy())
from tests.gateway_process import running_house
from tests.panel_process import simulated_panel
from tests.world import LINK, World, on_sale, status_of

async def main(folder, more):
    async with simulated_panel(folder, "panel-a") as a, simulated_panel(folder, "panel-b") as b:
        async with running_house(World(a, b, folder, {}).settings(**more)) as house:
            await on_sale(house)
            call = await house.user()
            called = collections.Counter()
            def count(frame, event, argument):
                if event == "call" and "/gateway/tracing/" in frame.f_code.co_filename:
                    called[frame.f_code.co_qualname] += 1
            threading.setprofile(count)
            sys.setprofile(count)
            placed = await call("add", service="1", link=LINK, quantity="100")
            sys.setprofile(None)
            threading.setprofile(None)
            await status_of(call, placed["order"], "Completed")
    asked = {who: sorted(what) for who, what in Spy.asked.items() if who not in ("opentelemetry", "google", "requests")}
    print(json.dumps({"called": called, "asked": asked, "modules": sorted(sys.modules)}))

asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
"""


def ran(folder: Path, **more: str) -> Any:
    """What that program found."""
    command = [sys.executable, "-c", PROGRAM, str(folder), json.dumps(more)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_off_nothing_is_imported_and_nothing_is_made(tmp_path: Path) -> None:
    """A whole order calls on tracing some dozens of times, each time to hear that there is nothing to do.

    Litestar looks whether OpenTelemetry is there, and redis-py imports its metrics, for wishes that nobody here has.
    """
    found = ran(tmp_path)
    assert set(found["asked"]) <= {"litestar", "redis"}
    modules = set(found["modules"])
    assert not modules & {"gateway.tracing.outlet", "opentelemetry.sdk.trace", "opentelemetry.exporter", "requests"}
    called = found["called"]
    asking = {"span", "trace", "recorded", "note", "on", "hears_callers", "trace_id"}
    saying = {"Span.__enter__", "Span.__exit__", "Span.note", "Span.recording"}
    assert set(called) <= asking | saying
    assert {"trace", "span", "Span.__enter__"} <= set(called), "it is asked at all"
    assert sum(called.values()) < 150, called


def test_on_the_same_order_makes_spans(tmp_path: Path) -> None:
    """The count above is no accident of the way it is counted."""
    found = ran(tmp_path, tracing_url="http://127.0.0.1:1", tracing_ratio="1")
    assert found["asked"]["gateway"] == ["opentelemetry", "requests"]
    assert found["called"]["Recorded.__init__"] > 5


@pytest.mark.parametrize("missing", ["opentelemetry", "requests", "google"])
def test_asked_for_and_not_installed_it_says_what_to_install(tmp_path: Path, missing: str) -> None:
    """In one line, at the start, whichever part of it is not there; and off it starts without."""
    program = f"import sys; sys.modules[{missing!r}] = None; from gateway.__main__ import main; main()"
    house_settings(tmp_path)
    environ = {
        "GATEWAY_DATA_DIR": str(tmp_path),
        "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        "PANEL_A_KEY": "panel-a-key",
        "PANEL_B_KEY": "panel-b-key",
        "GATEWAY_TRACING_URL": "http://127.0.0.1:4318",
    }
    command = [sys.executable, "-c", program, "serve", "--config", str(tmp_path / "providers.yaml")]
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    (line,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert (line["event"], line["level"]) == ("not_started", "critical")
    assert "OpenTelemetry is not installed" in line["why"]
    assert "pip install --require-hashes -r tracing.lock" in line["why"]
    assert "--build-arg LOCK=tracing.lock" in line["why"]


@pytest.mark.parametrize(
    ("url", "posted"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://me:pass@collector.example/", "https://me:pass@collector.example/v1/traces"),
        ("https://collector.example/otlp/v1/traces", "https://collector.example/otlp/v1/traces"),
        ("https://collector.example?tenant=shop", "https://collector.example/v1/traces?tenant=shop"),
    ],
    ids=["usual", "slash", "path", "query"],
)
def test_address_without_a_path_is_a_collectors(url: str, posted: str) -> None:
    """As OTLP over HTTP has it."""
    assert address(url) == posted


async def test_switch_without_a_wish_does_nothing() -> None:
    """On and off again, and there was nothing."""
    switch = Switch(None, instance="here", version="0", strike=str)
    switch.on()
    assert (on(), switch.outlet) == (False, None)
    await switch.off()


async def test_switch_turns_on_and_off() -> None:
    """Traces are begun between the two, and not after."""
    switch = Switch(Wanted(url="http://127.0.0.1:1"), instance="here", version="0", strike=str)
    assert not on()
    switch.on()
    assert on()
    await switch.off()
    assert not on()
