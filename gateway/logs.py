"""Logs: one line an event, as JSON or for a reader's eyes, on standard error, with every key struck out.

What other libraries log goes the same way. Two nets catch a key: whatever has the form of one of ours, and the secrets
the operator configured, in the forms in which URLs and JSON would repeat them. They are drawn over the finished line,
so that neither a field's name nor an exception's text can carry one past.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable
from typing import Final, Literal, TextIO
from urllib.parse import quote, quote_plus

import structlog

from gateway.core.keys import KEY_CHARACTERS, PREFIX

STRUCK_OUT: Final = "[key]"
# The form of our own keys, whole or with its end cut off: 16 letters after the prefix are nobody's honest word.
_OWN_KEY: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{16,{KEY_CHARACTERS}}}")
_SECRET_MIN: Final = 6  # a shorter secret would strike out ordinary words
# Libraries that log whole URLs or every connection at INFO.
_CHATTY: Final = ("httpx", "httpcore", "granian", "_granian", "asyncio", "watchfiles")

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]


_in_use: list["_Strike"] = []  # what strikes keys out of the logs, once they are configured


def strike_also(secrets: Iterable[str]) -> None:
    """Keep these secrets out of the logs as well: keys that were changed while the process runs."""
    for strike in _in_use:
        strike.also(secrets)


def configure_logs(level: Level, shape: Format, *, secrets: Iterable[str] = (), stream: TextIO = sys.stderr) -> None:
    """Send every log of the process to `stream`; to be called once, before anything logs."""
    strike = _Strike(secrets)
    _in_use[:] = [strike]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    if shape == "json":
        # One line an event whatever is in it: a line end inside a value comes out as `\n`.
        rendering: list[structlog.types.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    else:
        rendering = [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering, strike],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True


class _Strike:
    """The last processor: a finished line without any key in it."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = set(secrets)
        self._forms = forms_of(self._secrets)

    def also(self, secrets: Iterable[str]) -> None:
        """These too from now on."""
        self._secrets.update(secrets)
        self._forms = forms_of(self._secrets)

    def __call__(self, logger: object, method_name: str, event_dict: structlog.types.EventDict | str) -> str:  # noqa: ARG002 - a processor's signature
        """A line as it may be written."""
        return strike_out(str(event_dict), self._forms)


def forms_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """Every spelling of these secrets that a URL or JSON would have, longest first."""
    forms: set[str] = set()
    for secret in secrets:
        if len(secret) >= _SECRET_MIN:
            forms |= {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    return tuple(sorted(forms, key=len, reverse=True))


def strike_out(line: str, forms: Iterable[str]) -> str:
    """A text without keys of ours and without the given secrets."""
    for form in forms:
        line = line.replace(form, STRUCK_OUT)
    return _OWN_KEY.sub(STRUCK_OUT, line)
