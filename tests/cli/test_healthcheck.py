"""`gateway healthcheck`: what a container's health check says of a real gateway, well, unready and gone."""

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from gateway.cli.healthcheck import healthcheck
from tests.gateway_process import house_settings, running_house


def ask(*arguments: str, **environ: str) -> Result:
    """The command in a process's environment."""
    return CliRunner().invoke(healthcheck, list(arguments), env=environ)


async def test_living_gateway_is_well_though_it_is_not_ready(tmp_path: Path) -> None:
    """No panel answers, so nothing is on sale: it lives, and `--ready` says why no order is taken."""
    async with running_house(house_settings(tmp_path)) as house:
        port = str(urlsplit(house.health).port)
        for host in ("127.0.0.1", "0.0.0.0"):
            place = {"GATEWAY_METRICS_HOST": host, "GATEWAY_METRICS_PORT": port}
            well = await asyncio.to_thread(ask, **place)
            assert (well.exit_code, well.stdout) == (0, "alive\n")
            unready = await asyncio.to_thread(ask, "--ready", **place)
            assert unready.exit_code == 1
            assert unready.stderr.startswith(f"gateway: http://127.0.0.1:{port}/ready answered 503: not ready: ")
            assert "no service on sale yet" in unready.stderr
            assert unready.stderr.count("\n") == 1
        page = await asyncio.to_thread(ask, f"{house.url.removesuffix('/api/v2')}/openapi.json")
        assert page.exit_code == 0, page.output


def test_gateway_that_is_gone_is_unwell() -> None:
    """Nothing listens, or somebody who says nothing: one line, exit code 1."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        gone = ask(GATEWAY_METRICS_PORT=str(port))
        assert gone.exit_code == 1
        assert gone.stderr == f"gateway: http://127.0.0.1:{port}/live does not answer: [Errno 111] Connection refused\n"
        taken.listen(1)
        silent = ask("--seconds", "0.2", GATEWAY_METRICS_PORT=str(port))
        assert silent.exit_code == 1
        assert silent.stderr == f"gateway: http://127.0.0.1:{port}/live does not answer: timed out\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        ((), {"GATEWAY_METRICS_PORT": "0"}, "GATEWAY_METRICS_PORT is 0, any free one: give the URL to ask"),
        ((), {"GATEWAY_METRICS_PORT": "x"}, "GATEWAY_METRICS_PORT has to be a number from 0 to 65535, not 'x'"),
        (("file:///etc/passwd",), {}, "file:///etc/passwd is no web address"),
        (("http://[::1",), {}, "Invalid IPv6 URL"),
    ],
)
def test_what_cannot_be_asked_is_told(arguments: tuple[str, ...], environ: dict[str, str], told: str) -> None:
    """Which setting, which address."""
    done = ask(*arguments, **environ)
    assert done.exit_code == 1
    assert told in done.stderr


def test_address_of_version_six_is_put_in_brackets() -> None:
    """As a URL wants it; any address is this machine's own."""
    for host, shown in (("::", "[::1]"), ("::1", "[::1]")):
        done = ask("--seconds", "1", GATEWAY_METRICS_HOST=host, GATEWAY_METRICS_PORT="1")
        assert done.stderr.startswith(f"gateway: http://{shown}:1/live does not answer: ")
