"""Logs: one line an event, as JSON or for a reader's eyes, on standard error, with every key struck out.

What other libraries log, what they warn of and what ends the process goes the same way. Nets catch what must not be
told, one by type and three by value. By type: only plain values are written, of anything else its type's name, so that
a struct with a user's wish in it, or a Secret, tells nothing by accident. By value, over the finished line, so that
neither a field's name nor an exception's text can carry one past: the form of our own keys; the secrets the operator
configured, in the forms in which URLs, JSON and Python would repeat them; and whatever stands in a URL or header where
panels and users put their keys.

docs/logs.md lists every event with its level, its fields and what it means, and a test keeps that in step.
"""

import json
import logging
import math
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import TracebackType
from typing import Final, Literal, TextIO
from urllib.parse import quote, quote_plus, unquote, urlsplit

import structlog

from gateway.core.keys import KEY_CHARACTERS, PREFIX

STRUCK_OUT: Final = "[key]"
# The form of our own keys, whole or with its end cut off: 16 letters after the prefix are nobody's honest word.
_OWN_KEY: Final = re.compile(rf"{PREFIX}[0-9A-Za-z]{{16,{KEY_CHARACTERS}}}")
# Where a key stands in a query string or a form, and in a header.
_IN_QUERY: Final = re.compile(r"(?i)(?<![a-z0-9_])((?:api_?)?key|token|password|passwd|secret)=[^\s&\"'\\;,)\]}]+")
_IN_HEADER: Final = re.compile(r"(?i)\b(bearer|basic) [a-z0-9._~+/=-]{8,}")
_IN_ADDRESS: Final = re.compile(r"://[^\s/@\"']+@")
_SECRET_MIN: Final = 6  # a shorter secret would strike out ordinary words
# Libraries that log whole URLs or every connection at INFO.
_CHATTY: Final = ("httpx", "httpcore", "granian", "_granian", "asyncio", "watchfiles", "urllib3", "opentelemetry")
# What stands first in a line; its other fields follow in the order in which they were named.
_FIRST: Final = ("timestamp", "level", "event", "logger", "request_id", "trace_id", "order_id")
# A terminal obeys these; a panel's words must not make it. A line's end may stand in a traceback.
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(10), *range(11, 32), *range(127, 160))}

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]

log = structlog.get_logger(__name__)


_in_use: list["_Strike"] = []  # what strikes keys out of the logs, once they are configured


def strike_also(secrets: Iterable[str]) -> None:
    """Keep these secrets out of the logs as well: keys that were changed while the process runs."""
    for strike in _in_use:
        strike.also(secrets)


def struck(text: str) -> str:
    """Any text as it may leave the process: with what the logs strike out struck out."""
    return _in_use[0].text(text) if _in_use else strike_out(text, ())


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
        # ASCII: one line an event whatever is in it, for a reader too who takes U+2028 for the end of one.
        rendering: list[structlog.types.Processor] = [structlog.processors.JSONRenderer()]
    else:
        # Without the values of local variables, which rich would print, broken over lines where no net finds them.
        plain = structlog.dev.plain_traceback
        colors = stream.isatty()
        rendering = [for_the_eye, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            in_plain_values,
            *rendering,
            strike,
        ],
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


def log_the_rest() -> None:
    """Make log lines of what would go to standard error past us: warnings, and errors that end a thread or us."""
    logging.captureWarnings(capture=True)

    def ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        log.critical("ended_by_a_fault", exc_info=(kind, error, trace))

    def thread_ended(told: threading.ExceptHookArgs) -> None:
        name = None if told.thread is None else told.thread.name
        if told.exc_value is not None:
            trace = (told.exc_type, told.exc_value, told.exc_traceback)
            log.critical("thread_ended_by_a_fault", thread=name, exc_info=trace)

    sys.excepthook = ended
    threading.excepthook = thread_ended


def in_plain_values(logger: object, method_name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:  # noqa: ARG001 - a processor's signature
    """The line's fields in their order, each as a plain value; a field that has none is left out."""
    ordered = {**{name: event[name] for name in _FIRST if name in event}, **event}
    return {name: plain_value(value) for name, value in ordered.items() if value is not None}


def plain_value(value: object) -> object:
    """A value as it may be written: of what is no plain value only the type's name, for who knows what is in it."""
    match value:
        case Enum():
            return plain_value(value.value)
        case None | str() | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal() | PurePath():
            return str(value)
        case BaseException():
            return f"{type(value).__name__}: {value}"
        case Mapping():
            return {str(name): plain_value(each) for name, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain_value(each) for each in value]
        case _:
            return f"<{type(value).__name__}>"


def for_the_eye(logger: object, method_name: str, event: structlog.types.EventDict) -> structlog.types.EventDict:  # noqa: ARG001 - a processor's signature
    """The line without anything that a terminal would obey."""
    return {name: value.translate(_CONTROLS) if isinstance(value, str) else value for name, value in event.items()}


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
        return self.text(str(event_dict))

    def text(self, text: str) -> str:
        """The same of any text."""
        return strike_out(text, self._forms)


def forms_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """Every spelling of these secrets that a URL, JSON or Python would have, longest first."""
    forms: set[str] = set()
    for secret in (part for whole in secrets for part in (whole, *_parts(whole))):
        if len(secret) >= _SECRET_MIN:
            forms |= {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    return tuple(sorted(forms, key=len, reverse=True))


def _parts(secret: str) -> Iterable[str]:
    """What is secret in a URL by itself: a driver's error repeats the password and not the whole."""
    try:
        url = urlsplit(secret)
    except ValueError:
        return
    if url.scheme and url.password:
        yield url.password
        yield unquote(url.password)


def strike_out(line: str, forms: Iterable[str]) -> str:
    """A text without keys of ours, without the given secrets, and without what stands where keys stand."""
    for form in forms:
        line = line.replace(form, STRUCK_OUT)
    line = _OWN_KEY.sub(STRUCK_OUT, line)
    line = _IN_ADDRESS.sub(f"://{STRUCK_OUT}@", line)
    line = _IN_HEADER.sub(rf"\1 {STRUCK_OUT}", line)
    return _IN_QUERY.sub(rf"\1={STRUCK_OUT}", line)
