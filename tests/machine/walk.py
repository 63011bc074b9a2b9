"""Walking: the machine with all its rules, so many times so many steps, on one of the databases."""

import asyncio
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.books import Books
from tests.machine.person import WatchedLife

STEPS: Final = 40


def walk(books: Books, walks: int) -> None:
    """Walk so often; hypothesis shows the shortest walk that ends badly."""
    with asyncio.Runner() as runner:
        try:
            machine = type("Walk", (WatchedLife,), {"runner": runner, "books": books})
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=walks,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(books.end())
