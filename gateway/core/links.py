"""Links as panels compare them: two orders with the same link are not taken at once by many panels (Q83)."""

import hashlib
from collections.abc import Iterable

from gateway.core.service_fields import LINK, USERNAME


def link_mark(fields: Iterable[tuple[str, str]]) -> str | None:
    """A short mark of what an order is for, the same for the same link; None for an order that is for none.

    White space and slashes at the end do not count. Of a subscription it is the account.
    """
    given = dict(fields)
    link = given.get(LINK.name) or given.get(USERNAME.name)
    if link is None:
        return None
    return hashlib.blake2b(link.strip().rstrip("/").encode(), digest_size=8).hexdigest()
