"""Exploring: requests made up from the gateway's own openapi.json, right and wrong, sent to a running gateway.

`python -m tests.explore 20000` explores for as many requests; the tests do it with few (tests/test_explore.py). Part
of what is made up is mended so that it gets past the door: a key that is let in, an order that is taken, an action
about an order of the caller's own.
"""

import argparse
import asyncio
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import hypothesis
import hypothesis.strategies as st
import msgspec
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.core.messages import Action
from gateway.panel.switches import Switch
from tests.gateway_process import Caller, house_settings, running_house
from tests.panel_process import simulated_panel
from tests.sound import broken_invariants
from tests.world import LINK, on_sale
from tests.yardstick import Yardstick

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# What an answer may take. Nothing here has a reason to take longer: the panel is prompt, so no `add` comes near its
# `answer_within`, and requests are sent one at a time.
ANSWER_SECONDS = 1.0
# A request that took longer is sent again until it does not: a busy machine held it up. What is slow so often while the
# machine is quiet is slow by itself. Quiet is when work like an order's took less than a quarter of that second, right
# before and right after (tests/yardstick.py).
SLOW_TIMES = 3
QUIET_SECONDS = 0.25
# On a machine that is never quiet and never quick for so long, nobody can tell.
PATIENCE_SECONDS = 120.0
# Orders that are taken. Whatever else is made up beside their fields is ignored, or refused with them.
ORDERS = (
    {"service": "1", "link": LINK, "quantity": "100"},
    {"service": "1", "link": "https://social.example/ü?a=1&b=2", "quantity": "1000", "runs": "2", "interval": "10"},
    {"service": "2", "link": LINK, "comments": "One\nTwo"},
    {"service": "3", "link": LINK},
)
ACTIONS = tuple(action.value for action in Action)
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


class Explored(msgspec.Struct):
    """What came of it."""

    requests: int = 0
    answered: Counter[str] = msgspec.field(default_factory=Counter)  # by what the answer holds
    seconds: list[float] = msgspec.field(default_factory=list)
    held_up: int = 0  # requests that took too long, and did not when they were sent again
    undecided: int = 0  # requests that took too long each time, on a machine that was never quiet
    problems: list[str] = msgspec.field(default_factory=list)  # of the books


async def explore(folder: Path, requests_count: int, *, misdeeds: tuple[Switch, ...] = ()) -> Explored:
    """Send so many requests to a gateway of its own; raises AssertionError or a check's own error with the request.

    `misdeeds` are its panel's, from the moment on at which exploring begins.
    """
    found = Explored()
    async with (
        simulated_panel(folder, balance="100000000") as panel,
        running_house(house_settings(folder, a=panel.url, wrong_keys_per_minute="1000000")) as house,
    ):
        await on_sale(house)
        call = await house.user(credit=10**15)
        orders = [(await call("add", service="1", link=LINK, quantity="10"))["order"] for _ in range(3)]
        document = (await call.http.get(f"{house.gateway.listener.address}/openapi.json")).json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=str(house.gateway.listener.address))
        for misdeed in misdeeds:
            panel.program.switches.add(misdeed)
        ask = partial(_ask, found=found, yardstick=Yardstick(folder, asyncio.get_running_loop()))
        await anyio.to_thread.run_sync(partial(_explore, schema, call, orders, send=ask, count=requests_count))
        accepted = found.answered["order"] + len(orders)
        assert len(panel.links()) <= accepted, "the panel has orders that nobody was told of"
    found.problems = await broken_invariants(f"sqlite:///{folder}/gateway.db")
    return found


def _explore(schema: Any, call: Caller, orders: list[str], *, send: Callable[..., None], count: int) -> None:
    made = [
        operation.ok().as_strategy(generation_mode=mode) for operation in schema.get_all_operations() for mode in MODES
    ]
    own = {"order": orders[0], "orders": f"{','.join(orders)},7"}
    mends = st.none() | st.sampled_from([{"action": action, **own} for action in ACTIONS if action != "add"])
    mends |= st.sampled_from([{"action": "add", **order} for order in ORDERS])
    with requests.Session() as session:
        session.trust_env = False
        for strategy in made:

            @hypothesis.settings(
                max_examples=max(count // len(made), 1),
                phases=(hypothesis.Phase.generate,),
                deadline=None,  # ANSWER_SECONDS is judged instead, see _ask.
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=strategy, mend=mends, known=st.booleans())
            def ask(case: Any, mend: dict[str, str] | None, *, known: bool) -> None:
                for fields in (case.body, case.query):
                    if isinstance(fields, dict) and fields:
                        fields.update({"key": call.key} if known or mend else {})
                        fields.update(mend or {})
                send(case, session)

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ask()


def _ask(case: Any, session: requests.Session, found: Explored, *, yardstick: Yardstick) -> None:
    """Send a request and judge its answer; again and again while it takes too long and may be the machine's fault."""
    until = time.monotonic() + PATIENCE_SECONDS
    slow: list[float] = []
    quiet = 0.0  # how long the yardstick took before; the first time nobody knows
    while True:
        began = time.perf_counter()
        response = case.call(session=session, timeout=60)
        taken = time.perf_counter() - began
        found.seconds.append(taken)
        found.requests += 1
        case.validate_response(response, checks=CHECKS)
        _judge(response, found)
        again = quiet > 0
        if taken < ANSWER_SECONDS:
            found.held_up += again
            return
        before, quiet = quiet, yardstick.seconds()
        if again and max(before, quiet) < QUIET_SECONDS:
            slow.append(taken)
        if len(slow) == SLOW_TIMES:
            told = ", ".join(f"{seconds:.2f}" for seconds in slow)
            raise AssertionError(f"slow on a quiet machine: {told} s for {case.as_curl_command()}")
        if time.monotonic() > until:
            found.undecided += 1
            return


def _judge(response: Any, found: Explored) -> None:
    """Always JSON; `error` alone, or an answer."""
    if response.status_code == 304:
        return
    answer = msgspec.json.decode(response.content)
    if isinstance(answer, dict) and "error" in answer:
        assert list(answer) == ["error"], answer
        assert isinstance(answer["error"], str)
        found.answered["error"] += 1
    elif isinstance(answer, dict) and "order" in answer:
        assert list(answer) == ["order"], answer
        found.answered["order"] += 1
    else:
        found.answered["list" if isinstance(answer, list) else ",".join(sorted(answer))[:40]] += 1


def main() -> None:
    """Explore and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", type=int, nargs="?", default=20_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-explore-") as folder:
        found = asyncio.run(explore(Path(folder), chosen.requests))
    seconds = sorted(found.seconds)
    print(f"{found.requests} requests, answered with {dict(found.answered.most_common(12))}")  # noqa: T201 - its report
    print(f"the median took {seconds[len(seconds) // 2] * 1000:.1f} ms, the slowest {seconds[-1] * 1000:.0f} ms")  # noqa: T201 - its report
    held = f"{found.held_up} took over {ANSWER_SECONDS:g} s and not again"
    print(f"{held}; {found.undecided} could not be told from a busy machine")  # noqa: T201 - its report
    if found.problems:
        raise SystemExit("\n".join(found.problems))


if __name__ == "__main__":
    main()
