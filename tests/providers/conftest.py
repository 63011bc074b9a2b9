"""Every transport that may stand under the client: whatever is added here has to pass each misdeed."""

import pytest

from gateway.providers.wire import Opening, open_transport

OPENINGS: dict[str, Opening] = {"httpx": open_transport}


@pytest.fixture(params=list(OPENINGS.values()), ids=list(OPENINGS))
def opening(request: pytest.FixtureRequest) -> Opening:
    """How transports are opened in this run of the test."""
    chosen: Opening = request.param
    return chosen
