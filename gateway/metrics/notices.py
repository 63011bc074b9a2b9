"""Numbers about notices: what is open, what channels took, and whether one of them is dead."""

from collections.abc import Mapping
from typing import Final

from gateway.core.notice import Severity
from gateway.metrics.declare import Metric, counter, gauge
from gateway.metrics.instruments import Instruments

# The kinds of channels, as providers/courier.py has them; a test holds the two against each other.
CHANNELS: Final = ("webhook", "telegram", "slack", "email")
# What became of a message: taken, not taken and tried again later, or held back for the hour's cap.
MESSAGE_OUTCOMES: Final = ("taken", "failed", "held")

OPEN: Final = gauge("notices_open", "Troubles that are open, by how bad they are.", severity=tuple(Severity))
TOLD: Final = counter(
    "notices_told", "Messages to channels by what became of them.", channel=CHANNELS, outcome=MESSAGE_OUTCOMES
)
FAILING: Final = gauge("notice_channels_failing", "Channels that did not take their last message.")

DECLARED: Final[tuple[Metric, ...]] = (OPEN, TOLD, FAILING)


class NoticeFacts(Instruments):
    """What the notices tell."""

    def notices_stand(self, opened: Mapping[Severity, int], *, failing: int) -> None:
        """How many troubles are open, and how many channels fail."""
        for severity in Severity:
            self.set(OPEN, opened.get(severity, 0), severity)
        self.set(FAILING, failing)

    def notice_told(self, channel: str, outcome: str) -> None:
        """A message was taken by a channel of this kind, was not, or was held back."""
        self.count(TOLD, channel, outcome)
