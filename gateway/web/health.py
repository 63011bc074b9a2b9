"""What a machine asks about the process, on a port of its own: `/metrics`, `/live`, `/ready`."""

from collections.abc import Callable, Sequence
from typing import Final

from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import generate_latest

from gateway.metrics import Metrics

# The text format that every Prometheus reads.
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(metrics: Metrics, obstacles: Callable[[], Sequence[str]]) -> list[HTTPRouteHandler]:
    """The handlers; `obstacles` says in words what keeps the process from taking orders, nothing when it is ready."""

    @get("/metrics", media_type=METRICS_TYPE, sync_to_thread=False)
    def show_metrics() -> bytes:
        return generate_latest(metrics.registry)

    @get("/live", media_type=MediaType.TEXT, sync_to_thread=False)
    def live() -> str:
        return "alive\n"

    @get("/ready", media_type=MediaType.TEXT, sync_to_thread=False)
    def ready() -> Response[str]:
        found = obstacles()
        text = "ready\n" if not found else "".join(f"not ready: {each}\n" for each in found)
        return Response(text, status_code=503 if found else 200, media_type=MediaType.TEXT)

    return [show_metrics, live, ready]
