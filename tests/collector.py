"""A collector of spans: takes OTLP over HTTP, decodes it as the standard has it, and keeps every byte that came."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


class Kept(msgspec.Struct, frozen=True):
    """One span as it came."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    facts: dict[str, Any]
    happenings: tuple[tuple[str, int], ...]  # name and ns
    links: tuple[tuple[str, str], ...]  # trace and span
    failed: bool
    began: int
    ended: int
    resource: dict[str, Any]

    @property
    def ms(self) -> float:
        """How long it took."""
        return (self.ended - self.began) / 1e6


class Collector:
    """What came; `answer` is what a request is answered with, and may take its time."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []  # as they were sent, unpacked
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.spans: list[Kept] = []
        self.answer: Callable[[], int] = lambda: 200
        self.url = ""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """A request came."""
        status = self.answer()
        if status != 200:
            return status
        plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.bodies.append(plain)
        self.paths.append(path)
        self.headers.append(headers)
        self.spans.extend(_read(plain))
        return status

    def named(self, name: str) -> list[Kept]:
        """The spans of a name, as they began."""
        return sorted((each for each in self.spans if each.name == name), key=lambda each: each.began)

    def one(self, name: str) -> Kept:
        """The only span of a name."""
        (only,) = self.named(name)
        return only

    def of(self, trace: str) -> list[Kept]:
        """All of one trace."""
        return sorted((each for each in self.spans if each.trace == trace), key=lambda each: each.began)

    def drawn(self, trace: str) -> str:
        """A trace for a person's eyes."""
        spans, lines = self.of(trace), list[str]()

        def draw(span: Kept, depth: int) -> None:
            told = " ".join(f"{name}={value}" for name, value in span.facts.items())
            seen = " ".join(f"@{(at - span.began) / 1e6:.1f}:{name}" for name, at in span.happenings)
            lines.append(f"{'  ' * depth}{span.name} {span.ms:.1f} ms {told} {seen} links={len(span.links)}")
            for child in spans:
                if child.parent == span.id:
                    draw(child, depth + 1)

        for span in spans:
            if span.parent not in {each.id for each in spans}:
                draw(span, 0)
        return "\n".join(lines)

    def until(self, good: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for something to come; for threads and processes, never on the event loop of a gateway."""
        end = time.monotonic() + seconds
        while not good():
            assert time.monotonic() < end, [each.name for each in self.spans]
            time.sleep(0.02)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector at a free port of this machine."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = collector.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _read(body: bytes) -> Iterator[Kept]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = _facts(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Kept(
                    name=span.name,
                    kind=span.kind,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    facts=_facts(span.attributes),
                    happenings=tuple((each.name, each.time_unix_nano) for each in span.events),
                    links=tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
                    failed=span.status.code == 2,
                    began=span.start_time_unix_nano,
                    ended=span.end_time_unix_nano,
                    resource=about,
                )


def _facts(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pair: KeyValue
    for pair in pairs:
        found[pair.key] = _value(pair.value)
    return found


def _value(value: AnyValue) -> Any:
    if value.HasField("array_value"):
        return [_value(each) for each in value.array_value.values]
    return getattr(value, value.WhichOneof("value") or "string_value")
