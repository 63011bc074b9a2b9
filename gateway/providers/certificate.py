"""How long a provider's certificate is good for: asked before it ends, because on that day every order there fails."""

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

HANDSHAKE_SECONDS: Final = 5.0


async def certificate_ends(url: str) -> float | None:
    """When the certificate at an https:// address ends, in seconds since the epoch.

    None where there is none, or none that can be trusted: the provider's own calls say why.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            context = ssl.create_default_context()
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
            ends = (writer.get_extra_info("peercert") or {}).get("notAfter")
            writer.close()
    except (OSError, TimeoutError):  # ssl's errors are OSErrors.
        return None
    return None if ends is None else float(ssl.cert_time_to_seconds(ends))
