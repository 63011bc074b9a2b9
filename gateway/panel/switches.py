"""Switches: what the simulated panel does wrong, for which action and how often; docs/panel.md has the table."""

from typing import Final

import msgspec

from gateway.panel.services import PanelError

# Every switch with what its value means. `processed` says whether the action is done before the misdeed.
KNOWN: Final[dict[str, str]] = {
    "latency": "answer so many milliseconds later",
    "late": "do what is asked only so many milliseconds after an answer that takes the place of the reply",
    "error": 'answer {"error": value}',
    "status": "answer with this HTTP status and a page of HTML, or with the text after it",
    "body": "answer this text in place of the reply",
    "html": "answer a page of HTML",
    "empty": "answer nothing, with HTTP 200",
    "silent": "never answer",
    "close": "close the connection without an answer",
    "reset": "reset the connection without an answer",
    "throttled": "answer HTTP 429 with Retry-After: value",
    "redirect": "answer HTTP 307 to value",
    "cut": "send only the first so many bytes of the answer, then close",
    "drip": "send the answer byte by byte, so many milliseconds apart",
    "framing": "value is chunked or close: how the end of the answer is told",
    "headers": "send so many extra headers",
    "bomb": "answer so many megabytes of noughts, compressed",
    "notices": "put a PHP notice before the JSON",
    "bom": "put a byte-order mark before the JSON",
    "order_as": "answer this JSON in place of the order's id",
    "order_field": "answer the order's id under this name",
    "same_id": "answer the id of the order before",
    "known_again": "answer an add that was made before with its id, and make no second order",
    "word": "answer this status word for every order",
    "remains": "answer this remains for every order",
    "as_list": "answer a multi status as a list of rows",
    "missing": "leave every second order out of a multi status",
    "no_multi": "know no multi status",
    "active_link": "refuse an add while an order with its link is under way",
}
# Switches that take the place of the answer, and so may come before the action is done.
INSTEAD: Final = frozenset(
    {"error", "status", "body", "html", "empty", "silent", "close", "reset", "throttled", "redirect", "bomb"}
)


class Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One misdeed that is switched on."""

    name: str
    value: str = ""
    action: str | None = None  # None: every action
    processed: bool = True  # whether the action is done although the answer is replaced
    times: int | None = None  # so often, then it is off; None: until it is switched off


class Switches:
    """The misdeeds that are on, in the order in which they were switched on."""

    def __init__(self) -> None:
        self._on: list[Switch] = []

    def add(self, switch: Switch) -> None:
        """Switch one on; raises PanelError for a name nobody knows."""
        if switch.name not in KNOWN:
            raise PanelError(f"there is no switch {switch.name}; there are {', '.join(sorted(KNOWN))}")
        self._on.append(switch)

    def clear(self) -> None:
        """Switch everything off."""
        self._on.clear()

    def listed(self) -> tuple[Switch, ...]:
        """What is on."""
        return tuple(self._on)

    def take(self, action: str) -> dict[str, Switch]:
        """What is on for this call, by name; one that counts its calls has one less from now on."""
        taken: dict[str, Switch] = {}
        left: list[Switch] = []
        for switch in self._on:
            if switch.action not in (None, action) or switch.name in taken:
                left.append(switch)
                continue
            taken[switch.name] = switch
            if switch.times is None:
                left.append(switch)
            elif switch.times > 1:
                left.append(msgspec.structs.replace(switch, times=switch.times - 1))
        self._on = left
        return taken


def parse_switch(text: str) -> Switch:
    """`[action:]name[=value]`, as the command line has it; raises PanelError."""
    name, _, value = text.partition("=")
    action, colon, rest = name.partition(":")
    switch = Switch(name=rest, value=value, action=action) if colon else Switch(name=name, value=value)
    if switch.name not in KNOWN:
        raise PanelError(f"there is no switch {switch.name}; there are {', '.join(sorted(KNOWN))}")
    return switch
