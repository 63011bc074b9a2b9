"""The environment: every GATEWAY_ variable in one table, which is read, printed and documented from here."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from gateway.core.webhook import read_secret
from gateway.settings.faults import Fault, SettingsError, suggestion
from gateway.settings.secrets import Secret

PREFIX: Final = "GATEWAY_"
# Variables of the demo and of nobody else.
DEMO_PREFIX: Final = "GATEWAY_DEMO_"
_WHERE: Final = "environment"
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)


class Variable(msgspec.Struct, frozen=True):
    """One variable: what it is for, and what stands for it when it is not set."""

    name: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable("GATEWAY_CONFIG", "providers.yaml", "the file with providers, services and prices"),
    Variable("GATEWAY_WATCH_CONFIG", "yes", "no, where a changed file is taken up on SIGHUP alone"),
    Variable("GATEWAY_DATA_DIR", "data", "the folder of the SQLite file and of the key secret"),
    Variable(
        "GATEWAY_DATABASE_URL",
        "",
        "sqlite:///file.db or postgresql://user:password@host:port/name; empty: gateway.db in the data folder",
    ),
    Variable("GATEWAY_REDIS_URL", "", "redis://host:port/0, shared by all replicas; empty: this process's memory"),
    Variable("GATEWAY_HOST", "127.0.0.1", "where users are served"),
    Variable("GATEWAY_PORT", "8080", "the port for users; 0 takes a free one"),
    Variable("GATEWAY_METRICS_HOST", "127.0.0.1", "where /metrics, /live, /startup and /ready are served"),
    Variable("GATEWAY_METRICS_PORT", "9090", "the port for them; 0 takes a free one"),
    Variable(
        "GATEWAY_KEY_SECRET",
        "",
        "the secret under which users' keys are hashed, in hexadecimal; empty: key.secret in the data folder",
    ),
    Variable("GATEWAY_KEY_SECRET_FILE", "", "a file with that secret, in place of GATEWAY_KEY_SECRET"),
    Variable("GATEWAY_ANSWER_WITHIN", "8", "seconds after which `add` answers the order's id whatever the panel does"),
    Variable(
        "GATEWAY_QUEUE_SECONDS",
        "3600",
        "seconds an order waits for providers that cannot be reached, or for its link to come free",
    ),
    Variable(
        "GATEWAY_DRAIN_DELAY_SECONDS",
        "0",
        "seconds that are served on after a stop was asked for: what a load balancer needs to notice `/ready`",
    ),
    Variable("GATEWAY_DRAIN_SECONDS", "25", "seconds that work in progress gets at the end"),
    Variable("GATEWAY_EVENTS_URL", "", "where each event is POSTed, signed; empty: nowhere. The same for all replicas"),
    Variable("GATEWAY_EVENTS_SECRET", "", "the secret events are signed with: whsec_ and 24 to 64 bytes in base64"),
    Variable("GATEWAY_EVENTS_SECRET_FILE", "", "a file with that secret, in place of GATEWAY_EVENTS_SECRET"),
    Variable("GATEWAY_EVENTS_ALLOW_PRIVATE", "no", "yes, where the consumer of events has a private address"),
    Variable("GATEWAY_WRONG_KEYS_PER_MINUTE", "60", "wrong keys one address may come with; 0: as many as it likes"),
    Variable(
        "GATEWAY_TRUSTED_PROXIES",
        "",
        "networks of the proxies before us, such as 10.0.0.0/8,fd00::/8; only their X-Forwarded-For is believed",
    ),
    Variable("GATEWAY_TRACING_URL", "", "where spans are sent, OTLP over HTTP: http://collector:4318; empty: nowhere"),
    Variable("GATEWAY_TRACING_HEADERS", "", "headers for it: name=value,name=value, in values %2C for a comma"),
    Variable("GATEWAY_TRACING_HEADERS_FILE", "", "a file with those headers, in place of GATEWAY_TRACING_HEADERS"),
    Variable("GATEWAY_TRACING_RATIO", "0.1", "the share of traces that are kept, 0 to 1"),
    Variable(
        "GATEWAY_TRACING_TRACEPARENT",
        "ignore",
        "what is done with a caller's traceparent: ignore it, link to it, or take it for the parent",
    ),
    Variable("GATEWAY_LOG_LEVEL", "info", "debug, info, warning or error"),
    Variable("GATEWAY_LOG_FORMAT", "json", "json, or console for a reader's eyes"),
)


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The variables as values."""

    config: Path
    watch_config: bool
    data_dir: Path
    database_url: Secret  # it may hold a password
    redis_url: Secret | None
    host: str
    port: int
    metrics_host: str
    metrics_port: int
    key_secret: Secret | None
    answer_within: float  # seconds
    queue_seconds: float
    drain_delay_seconds: float
    drain_seconds: float
    events_url: Secret | None  # it may hold a token
    events_secret: Secret | None  # there is one where there is a URL
    events_allow_private: bool
    wrong_keys_per_minute: int
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    tracing_url: Secret | None  # it may hold a password
    tracing_headers: tuple[tuple[str, Secret], ...]
    tracing_ratio: float
    tracing_traceparent: Literal["ignore", "link", "parent"]
    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["json", "console"]


def read_environment(environ: Mapping[str, str]) -> Environment:
    """The environment as values; raises SettingsError with every fault in it."""
    reader = _Reader(environ)
    data_dir = Path(reader.text("GATEWAY_DATA_DIR"))
    reader.listeners_apart()
    reader.events_safe()
    made = Environment(
        config=Path(reader.text("GATEWAY_CONFIG")),
        watch_config=reader.word("GATEWAY_WATCH_CONFIG", ("yes", "no")) == "yes",
        data_dir=data_dir,
        database_url=Secret(
            reader.checked("GATEWAY_DATABASE_URL", _is_database, "sqlite:///file.db or postgresql://host/name")
            or f"sqlite:///{data_dir / 'gateway.db'}"
        ),
        redis_url=_secret(
            reader.checked("GATEWAY_REDIS_URL", _is_redis, "redis://host:port/0, or rediss:// or unix://")
        ),
        host=reader.text("GATEWAY_HOST"),
        port=int(reader.number("GATEWAY_PORT", 0, 65535)),
        metrics_host=reader.text("GATEWAY_METRICS_HOST"),
        metrics_port=int(reader.number("GATEWAY_METRICS_PORT", 0, 65535)),
        key_secret=_secret(reader.secret("GATEWAY_KEY_SECRET", _is_secret, "at least 32 hexadecimal digits")),
        answer_within=reader.number("GATEWAY_ANSWER_WITHIN", 0.1, 60),
        queue_seconds=reader.number("GATEWAY_QUEUE_SECONDS", 0, 86_400),
        drain_delay_seconds=reader.number("GATEWAY_DRAIN_DELAY_SECONDS", 0, 300),
        drain_seconds=reader.number("GATEWAY_DRAIN_SECONDS", 0, 600),
        events_url=_secret(reader.text("GATEWAY_EVENTS_URL")),
        events_secret=_secret(
            reader.secret("GATEWAY_EVENTS_SECRET", _is_signing_secret, "whsec_ and 24 to 64 bytes in base64")
        ),
        events_allow_private=reader.word("GATEWAY_EVENTS_ALLOW_PRIVATE", ("no", "yes")) == "yes",
        wrong_keys_per_minute=int(reader.number("GATEWAY_WRONG_KEYS_PER_MINUTE", 0, 1_000_000)),
        trusted_proxies=reader.networks("GATEWAY_TRUSTED_PROXIES"),
        tracing_url=_secret(reader.checked("GATEWAY_TRACING_URL", _is_web_address, "http://host:4318 or https://host")),
        tracing_headers=_headers(reader.secret("GATEWAY_TRACING_HEADERS", _are_headers, "name=value,name=value")),
        tracing_ratio=reader.number("GATEWAY_TRACING_RATIO", 0, 1),
        tracing_traceparent=reader.word("GATEWAY_TRACING_TRACEPARENT", ("ignore", "link", "parent")),  # type: ignore[arg-type] # checked to be one of them
        log_level=reader.word("GATEWAY_LOG_LEVEL", ("debug", "info", "warning", "error")),  # type: ignore[arg-type] # checked to be one of them
        log_format=reader.word("GATEWAY_LOG_FORMAT", ("json", "console")),  # type: ignore[arg-type] # checked to be one of them
    )
    reader.finish()
    return made


class _Reader:
    """Reads variable by variable and gathers what is wrong."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._defaults = {variable.name: variable.default for variable in VARIABLES}
        self._faults: list[Fault] = []

    def text(self, name: str) -> str:
        return self._environ.get(name, "").strip() or self._defaults[name]

    def checked(self, name: str, good: Callable[[str], bool], wanted: str) -> str:
        text = self.text(name)
        if text and not good(text):
            # A secret is not repeated in the message.
            self._fault(f"{name} has to be {wanted}")
            return ""
        return text

    def secret(self, name: str, good: Callable[[str], bool], wanted: str) -> str:
        """A secret from its variable or from the file that the variable beside it names."""
        path = self.text(f"{name}_FILE")
        if not path:
            return self.checked(name, good, wanted)
        if self.text(name):
            self._fault(f"{name} and {name}_FILE are both set; one of them is enough")
            return ""
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            self._fault(f"{name}_FILE: {path} cannot be read: {why}")
            return ""
        if not good(text):
            self._fault(f"{name}_FILE: {path} has to hold {wanted}")
            return ""
        return text

    def listeners_apart(self) -> None:
        """Note when users and metrics would be served at the same address."""
        user = self.text("GATEWAY_HOST"), self.text("GATEWAY_PORT")
        metrics = self.text("GATEWAY_METRICS_HOST"), self.text("GATEWAY_METRICS_PORT")
        if user == metrics and user[1] != "0":
            self._fault(f"GATEWAY_PORT and GATEWAY_METRICS_PORT are both {user[1]} at {user[0]}")

    def events_safe(self) -> None:
        """Note an address for events that is none, goes in the clear over the internet, or has no secret beside it."""
        url = self.text("GATEWAY_EVENTS_URL")
        if not url:
            return
        private = self.text("GATEWAY_EVENTS_ALLOW_PRIVATE").lower() == "yes"
        if not _is_web_address(url):  # It may hold a token, so it is not repeated in the message.
            self._fault("GATEWAY_EVENTS_URL has to be https://host/path")
        elif url.startswith("http://") and not private:
            self._fault("GATEWAY_EVENTS_URL has to be https://…; http:// only with GATEWAY_EVENTS_ALLOW_PRIVATE=yes")
        if not self.text("GATEWAY_EVENTS_SECRET") and not self.text("GATEWAY_EVENTS_SECRET_FILE"):
            self._fault("GATEWAY_EVENTS_URL needs GATEWAY_EVENTS_SECRET: events are signed")

    def number(self, name: str, least: float, most: float) -> float:
        text = self.text(name)
        number = float(text) if _NUMBER.fullmatch(text) else -1.0
        whole = not name.endswith("_PORT") or number.is_integer()
        if not least <= number <= most or not whole:
            what = f"{name} has to be a number from {least:g} to {most:g}, not {text!r}{_service_link(name, text)}"
            self._fault(what)
            return least
        return number

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        found: list[IPv4Network | IPv6Network] = []
        for text in filter(None, (each.strip() for each in self.text(name).split(","))):
            try:
                found.append(ip_network(text))
            except ValueError:
                self._fault(f"{name} has to be networks such as 10.0.0.0/8 or 192.0.2.7, not {text!r}")
        return tuple(found)

    def word(self, name: str, allowed: tuple[str, ...]) -> str:
        text = self.text(name).lower()
        if text not in allowed:
            what = f"{name} has to be {' or '.join(allowed)}, not {text!r}{suggestion(text, allowed)}"
            self._fault(what)
            return allowed[0]
        return text

    def finish(self) -> None:
        """Raise what was gathered, and every variable with our prefix that nobody knows."""
        for name in sorted(self._environ):
            if name.startswith(PREFIX) and not name.startswith(DEMO_PREFIX) and name not in self._defaults:
                told = _service_link(name, self._environ[name]) or suggestion(name, self._defaults)
                self._fault(f"there is no variable {name}{told}")
        if self._faults:
            raise SettingsError(self._faults)

    def _fault(self, what: str) -> None:
        self._faults.append(Fault(file=_WHERE, place=None, what=what))


def _secret(text: str) -> Secret | None:
    return Secret(text) if text else None


def _service_link(name: str, text: str) -> str:
    """A way out for what Kubernetes sets in every pod beside a Service that is called `gateway`."""
    if name.startswith(("GATEWAY_SERVICE_", "GATEWAY_PORT_")) or text.startswith(("tcp://", "udp://")):
        return "; Kubernetes sets it: give the pod `enableServiceLinks: false`"
    return ""


def _is_database(text: str) -> bool:
    return text.startswith(("sqlite:///", "postgresql://", "postgres://"))


def _is_redis(text: str) -> bool:
    return text.startswith(("redis://", "rediss://", "unix://"))


def _is_secret(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) >= 16
    except ValueError:
        return False


def _is_signing_secret(text: str) -> bool:
    return read_secret(text) is not None


def _headers(text: str) -> tuple[tuple[str, Secret], ...]:
    pairs = (each.partition("=") for each in text.split(",") if each.strip())
    return tuple((name.strip(), Secret(unquote(value.strip()))) for name, _, value in pairs)


def _are_headers(text: str) -> bool:
    found = [(name, value.reveal()) for name, value in _headers(text)]
    return all(_HEADER.fullmatch(name) and value and value.isprintable() and value.isascii() for name, value in found)


def _is_web_address(text: str) -> bool:
    try:
        found = urlsplit(text)
        return found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:
        return False
