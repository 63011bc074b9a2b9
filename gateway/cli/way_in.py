"""What `gateway doctor --url` sees of the way users' requests come: one request through it, as a panel sends one."""

import json
import secrets
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Final
from urllib.parse import urlencode

WAIT_SECONDS: Final = 15.0
# Most of what the gateway takes, so that a proxy which takes less shows itself.
BODY_BYTES: Final = 200_000
# Headers by which a cache says that an answer may be, or was, somebody else's.
_CACHED: Final = ("Age", "X-Cache", "CF-Cache-Status", "X-Proxy-Cache")
_FRESH: Final = ("miss", "bypass", "dynamic", "none")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Go nowhere else: panels lose a POST's body on the way."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """No redirect is followed."""


def trouble_of(endpoint: str) -> tuple[str, str] | None:
    """What is wrong with how a large request with a key nobody has is answered there, and what to do; None: nothing.

    It is refused by the gateway itself, before anything is read from the books; what comes back in other words was
    said by something on the way.
    """
    wrong = f"doctor-{secrets.token_hex(8)}"
    body = urlencode({"key": wrong, "action": "balance", "comments": "x" * BODY_BYTES}).encode()
    request = urllib.request.Request(endpoint, body, {"User-Agent": "panel"})  # noqa: S310 - http or https, the caller saw to it
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=WAIT_SECONDS) as answer:
            status, headers, text = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        status, headers, text = error.code, error.headers, error.read()
    except (OSError, HTTPException) as error:
        return f"a POST of {BODY_BYTES // 1000} kB is not answered: {error}", "look at the proxy's limits and its log"
    if location := headers.get("Location"):
        return f"a POST is redirected to {location}", "tell users that address: their panels lose orders on the way"
    if status == 413:
        return f"a body of {BODY_BYTES // 1000} kB is refused", "let the proxy take 256 kB: long lists of comments are"
    if not _ours(text):
        what = f"HTTP {status} with {headers.get('Content-Type', 'no type')}, and not the gateway's words"
        return what, "callers are programs: no challenge, no page and no protection against bots for /api"
    for name in _CACHED:
        said = headers.get(name, "")
        if said and not any(word in said.lower() for word in _FRESH):
            return f"the answer went through a cache ({name}: {said})", "no cache for /api: answers are one caller's"
    return None


def _ours(text: bytes) -> bool:
    """Whether an answer is an error of the panel protocol, as the gateway writes it."""
    try:
        said = json.loads(text)
    except ValueError:
        return False
    return isinstance(said, dict) and set(said) == {"error"}
