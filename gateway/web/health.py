"""What a machine asks about the process, on a port of its own: `/metrics`, `/live`, `/startup`, `/ready`.

Three questions, three answers. `/live`: does the event loop turn; it asks nothing else, so that no database that is
away has a process killed that would be needed when it is back. `/startup`: are books, lists and listener there yet.
`/ready`: should users be sent here now. What users lose only in part, such as Redis, is told there and changes nothing.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from prometheus_client import generate_latest
from prometheus_client.exposition import choose_encoder

from gateway import tracing
from gateway.metrics import Metrics

# The text format that every Prometheus reads; Litestar says the charset itself.
METRICS_TYPE: Final = "text/plain; version=0.0.4"
# The one that can name traces; spoken while there are some, to whoever asks for it.
_OPENMETRICS: Final = "application/openmetrics-text"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a process stands, in words for whoever reads a probe's answer."""

    starting: str = ""  # what its start is at; empty once it has started
    obstacles: tuple[str, ...] = ()  # why no user should be sent here
    degraded: tuple[str, ...] = ()  # what users miss although they are served


def health_routes(metrics: Metrics, standing: Callable[[], Standing]) -> list[HTTPRouteHandler]:
    """The handlers; `standing` is asked at each probe and has to answer at once."""

    @get("/metrics", sync_to_thread=False)
    def show_metrics(request: Request[object, object, State]) -> Response[bytes]:
        if tracing.on():
            encode, kind = choose_encoder(request.headers.get("accept", ""))
            if kind.startswith(_OPENMETRICS):
                return Response(encode(metrics.registry), media_type=kind)
        return Response(generate_latest(metrics.registry), media_type=METRICS_TYPE)

    @get("/live", media_type=MediaType.TEXT, sync_to_thread=False)
    def live() -> str:
        return "alive\n"

    @get("/startup", media_type=MediaType.TEXT, sync_to_thread=False)
    def startup() -> Response[str]:
        at = standing().starting
        return _told(f"starting: {at}\n" if at else "started\n", good=not at)

    @get("/ready", media_type=MediaType.TEXT, sync_to_thread=False)
    def ready() -> Response[str]:
        now = standing()
        against = ([f"starting: {now.starting}"] if now.starting else []) + list(now.obstacles)
        lines = [f"not ready: {each}" for each in against] or ["ready"]
        lines += [f"degraded: {each}" for each in now.degraded]
        return _told("".join(f"{line}\n" for line in lines), good=not against)

    return [show_metrics, live, startup, ready]


def _told(text: str, *, good: bool) -> Response[str]:
    return Response(text, status_code=200 if good else 503, media_type=MediaType.TEXT)
