"""Moments as people type them on the command line: a day, a time, or how long ago."""

import re
from datetime import UTC, datetime
from typing import Final

import rich_click as click

from gateway.cli.session import now

_AGO: Final = re.compile(r"([0-9]{1,6})([mhd])", re.ASCII)
_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Moment(click.ParamType[int]):
    """A time in milliseconds since the epoch, UTC where no zone is named."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The moment of a text such as 2026-01-31, 2026-01-31T12:30 or 24h."""
        if isinstance(value, int):
            return value
        text = str(value)
        ago = _AGO.fullmatch(text)
        if ago is not None:
            return now() - int(ago[1]) * _MS[ago[2]]
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is no moment: write 2026-01-31, 2026-01-31T12:30 or 24h (also m and d)", param, ctx)
        return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)


def shown(ms: int | None) -> str:
    """A moment for a reader's eyes, UTC; a dash for none."""
    return "–" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
