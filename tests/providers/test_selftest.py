"""The self-test: passes with the libraries installed, and notices each way in which they could change."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpcore._trace
import pytest

from gateway.providers.selftest import SelfTestFailed, self_test

Hook = Callable[[Any, str, dict[str, Any]], Awaitable[None]]
_REAL: Hook = httpcore._trace.Trace.atrace
_BEGUN = "send_request_headers.started"


async def _silent(trace: Any, name: str, info: dict[str, Any]) -> None:
    """No hook any more."""


async def _renamed(trace: Any, name: str, info: dict[str, Any]) -> None:
    """The event has another name."""
    await _REAL(trace, name.replace(_BEGUN, "send_request_head.begun"), info)


async def _too_late(trace: Any, name: str, info: dict[str, Any]) -> None:
    """The event comes when the request has left."""
    if not name.endswith(_BEGUN):
        await _REAL(trace, name.replace("receive_response_headers.complete", _BEGUN), info)


async def _unheeding(trace: Any, name: str, info: dict[str, Any]) -> None:
    """What the hook raises is swallowed."""
    with suppress(Exception):
        await _REAL(trace, name, info)


async def test_fence_holds_with_the_libraries_installed() -> None:
    """A process may start."""
    await self_test()


@pytest.mark.parametrize(
    ("change", "said"),
    [(_silent, "before the first byte"), (_renamed, "before the first byte"), (_too_late, "before the first byte"),
     (_unheeding, "cannot stop a request")],
)  # fmt: skip
async def test_changed_library_is_noticed(monkeypatch: pytest.MonkeyPatch, change: Hook, said: str) -> None:
    """A process whose fence does not hold must not start."""
    monkeypatch.setattr(httpcore._trace.Trace, "atrace", change)
    with pytest.raises(SelfTestFailed, match=said):
        await self_test()
