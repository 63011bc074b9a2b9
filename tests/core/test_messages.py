"""Every request belongs to one of the seven actions."""

from typing import get_args

from gateway.core.messages import (
    Action,
    AddRequest,
    BalanceRequest,
    CancelRequest,
    MultiCancelRequest,
    MultiRefillRequest,
    MultiRefillStatusRequest,
    MultiStatusRequest,
    OrderRefillStatusRequest,
    RefillRequest,
    RefillStatusRequest,
    Request,
    ServicesRequest,
    StatusRequest,
    action_of,
)


def test_every_request_has_its_action() -> None:
    """No message was forgotten in the table, and every action has one."""
    samples = (
        *(ServicesRequest(), BalanceRequest(), AddRequest(service="1", fields=())),
        *(StatusRequest("1"), MultiStatusRequest(("1",)), RefillRequest("1"), MultiRefillRequest(("1",))),
        *(RefillStatusRequest("1"), OrderRefillStatusRequest("1"), MultiRefillStatusRequest(("1",))),
        *(CancelRequest("1"), MultiCancelRequest(("1",))),
    )
    assert {type(each) for each in samples} == set(get_args(Request))
    assert {action_of(each) for each in samples} == set(Action)
    assert action_of(BalanceRequest()) == "balance"
    assert action_of(OrderRefillStatusRequest("1")) == "refill_status"
