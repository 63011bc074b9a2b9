"""What a served gateway writes to standard error: JSON lines alone, each with the request and the order it is about."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.store.keys import NewKey, create_key
from gateway.store.store import open_store
from gateway.store.users import Choices, create_user, credit_user
from tests.gateway_process import house_settings
from tests.matrix.served import Served, served
from tests.panel_process import simulated_panel
from tests.world import until

SECRET = "5a" * 32
KEY = make_key(b"logs".ljust(RANDOM_BYTES, b"-"))
LINK = "https://social.example/nobody-may-read-this"
WORD = "a-token-of-the-panel"


async def books(url: str) -> None:
    """A user with a key and 100 USD."""
    store = open_store(url)
    await store.open()
    try:
        await store.migrate()
        stored = NewKey(hash=hash_key(KEY, bytes.fromhex(SECRET)), prefix=shown_part(KEY))
        await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=1))
        await store.run(partial(create_key, "alpha", stored, actor="test", now=1))
        await store.run(partial(credit_user, "alpha", 10**10, reference="first", actor="test", now=1))
    finally:
        await store.close()


def settings(folder: Path, a: str, b: str) -> dict[str, str]:
    """The environment of a gateway between two panels, the first of which wants a token in a header."""
    house_settings(folder, a=a, b=b)
    file = folder / "providers.yaml"
    word = "    dialect: {headers: {X-Word: '${ENV:WORD}'}}\n"
    file.write_text(file.read_text().replace(f"    url: {a}\n", f"    url: {a}\n{word}"))
    return {
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        "GATEWAY_KEY_SECRET": SECRET,
        "GATEWAY_LOG_LEVEL": "debug",
        "PANEL_A_KEY": "panel-a-key",
        "PANEL_B_KEY": "panel-b-key",
        "WORD": WORD,
    }


def lines_of(running: Served) -> list[dict[str, Any]]:
    """Every line so far; a line that is no JSON object fails."""
    return [json.loads(line) for line in running.log.read_text().splitlines()]


async def one(running: Served, event: str, **fields: object) -> dict[str, Any]:
    """The line of an event with these fields, once it is there."""

    async def found() -> dict[str, Any] | None:
        lines = [each for each in lines_of(running) if each["event"] == event]
        return next((each for each in lines if fields.items() <= each.items()), None)

    line: dict[str, Any] = await until(found)
    return line


async def test_served_gateway_tells_each_event_with_its_request_and_its_order(tmp_path: Path) -> None:
    """From add to cancel one id leads through; what a job does has the job's name; nothing private is in any line."""
    await books(f"sqlite:///{tmp_path / 'gateway.db'}")
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        a.switch(
            "error", f"Incorrect service ID {WORD} {LINK}?key=somebody-s-key", action="add", processed=False, times=1
        )
        async with served(settings(tmp_path, a.url, b.url), tmp_path) as running:
            await running.ready()
            call = running.caller(KEY)

            async def both_on_sale() -> bool:
                return any(each["event"] == "catalogue_on_sale" and each["complete"] for each in lines_of(running))

            await until(both_on_sale)
            placed = await call.post({"key": KEY, "action": "add", "service": "1", "link": LINK, "quantity": "100"})
            order, request = int(placed.json()["order"]), placed.headers["x-request-id"]
            about = {"order_id": order, "request_id": request}
            assert (await one(running, "request", action="add"))["ms"] > 0
            await one(running, "request", action="add", **about)
            await one(running, "attempt_decided", outcome="Rejected", provider="panel-a", **about)
            await one(running, "attempt_decided", outcome="Accepted", provider="panel-b", **about)
            wish = {"key": KEY, "order": str(order)}
            asked = (await call.post({**wish, "action": "status"})).headers["x-request-id"]
            await one(running, "request", action="status", request_id=asked, order_id=order, level="debug")
            told = (await call.post({**wish, "action": "cancel"})).headers["x-request-id"]
            await one(running, "cancel_told", request_id=told, order_id=order)
            await one(running, "catalogue_on_sale", job="refresh", provider="panel-b")
            running.signal(signal.SIGTERM)
            assert await running.ended() == 0
        text = running.log.read_text()
        lines = lines_of(running)
    assert [each["event"] for each in lines][-1] == "stopped"
    for private in (KEY, "panel-a-key", "panel-b-key", WORD, "somebody-s-key"):
        assert private not in text
    assert {"timestamp", "level", "event", "logger"} <= set.intersection(*(set(each) for each in lines))


def test_gateway_that_cannot_start_says_so_in_one_line_of_json(tmp_path: Path) -> None:
    """Where everything else is JSON a plain line would be lost."""
    environ = settings(tmp_path, "http://127.0.0.1:1/a", "http://127.0.0.1:1/b")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = serve({**environ, "GATEWAY_PORT": str(taken.getsockname()[1])}, tmp_path)
    assert done.returncode == 1
    (line,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert (line["event"], line["level"]) == ("not_started", "critical")
    assert "is taken by another program" in line["why"]


def serve(environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A gateway that ends by itself."""
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(folder / "providers.yaml")]
    whole = {**os.environ, **environ}
    return subprocess.run(command, env=whole, capture_output=True, text=True, timeout=60, check=False)


def test_fault_that_ends_a_process_or_a_thread_is_a_line_of_json() -> None:
    """Python's own traceback, and its warnings, would be many lines and carry what they like."""
    program = """
import threading, warnings
from gateway.logs import configure_logs, log_the_rest
configure_logs("info", "json", secrets=["a-secret-of-ours"])
log_the_rest()
warnings.warn("old a-secret-of-ours")
thread = threading.Thread(target=lambda: 1 / 0, name="worker")
thread.start(); thread.join()
raise RuntimeError("a-secret-of-ours")
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    warned, thread, ended = (json.loads(line) for line in done.stderr.splitlines())
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert (thread["event"], thread["thread"]) == ("thread_ended_by_a_fault", "worker")
    assert "ZeroDivisionError" in thread["exception"]
    assert (ended["event"], ended["level"]) == ("ended_by_a_fault", "critical")
    assert "RuntimeError: [key]" in ended["exception"]
    assert "a-secret-of-ours" not in done.stderr
