"""The action ``services``: bytes that were made before, or an error; never a part of the list."""

from gateway.actions.desk import Desk
from gateway.actions.snapshot import Rendered
from gateway.core.errors import TEXT_UNAVAILABLE
from gateway.core.messages import ErrorReply
from gateway.core.user import User


async def rendered_services(desk: Desk, user: User) -> Rendered | ErrorReply:
    """The list for a user's tier and dialect.

    An error while the list would be partial or empty: panels below us switch off every service that is missing.
    """
    snapshot = desk.snapshot
    if snapshot is None or not snapshot.complete or not snapshot.catalogue.services:
        return ErrorReply(TEXT_UNAVAILABLE)
    return await snapshot.rendered(user.tier, user.dialect.name, times=user.dialect.average_time)
