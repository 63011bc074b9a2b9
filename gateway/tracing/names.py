"""What facts are called outside: OpenTelemetry's names where it has one, `gateway.` and our word otherwise."""

from typing import Final

# As the semantic conventions have them, of HTTP, databases, errors and users; all of them are stable.
NAMES: Final = {
    "database": "db.system.name",
    "error_type": "error.type",
    "host": "server.address",
    "method": "http.request.method",
    "port": "server.port",
    "query": "db.query.summary",
    "route": "http.route",
    "statements": "db.operation.batch.size",
    "status": "http.response.status_code",
    "user": "user.id",
}

# Error types that make a span one that failed: a panel's doing or our own. What is the caller's, or a rule of ours, is
# how things should go, as a 4xx is to a server in the conventions.
OURS_TO_MEND: Final = ("panel_", "gateway_", "_unclassified")


def plain_name(word: str) -> str:
    """The name of a fact's attribute."""
    return NAMES.get(word) or f"gateway.{word}"
