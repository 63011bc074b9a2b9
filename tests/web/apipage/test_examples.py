"""Examples: every form of every request has one, and their figures belong together."""

from decimal import Decimal
from typing import get_args

from gateway.core.messages import AddRequest, MultiStatusReply, Request, ServicesReply, StatusReply
from gateway.core.service import TYPES
from gateway.web.apipage.examples import add_fields, exchanges


def test_every_request_of_the_protocol_has_an_example() -> None:
    """A new message owes one."""
    assert {type(each.request) for each in exchanges("USD")} == set(get_args(Request))


def test_figures_belong_together() -> None:
    """The charge is the listed rate × the quantity, and after a partial end what was delivered."""
    for currency in ("USD", "VND"):
        by_request = {type(each.request): each for each in exchanges(currency)}
        listed = next(each.reply for each in exchanges(currency) if isinstance(each.reply, ServicesReply))
        add = by_request[AddRequest].request
        assert isinstance(add, AddRequest)
        quantity = int(dict(add.fields)["quantity"])
        rate = next(Decimal(row.rate) for row in listed.services if row.service == add.service)
        many = next(each.reply for each in exchanges(currency) if isinstance(each.reply, MultiStatusReply))
        whole, partial = (reply for _, reply in many.orders if isinstance(reply, StatusReply))
        assert Decimal(whole.charge or "") == rate * quantity / 1000
        assert Decimal(partial.charge or "") == rate * (quantity - (partial.remains or 0)) / 1000
        assert whole.currency == partial.currency == currency


def test_every_type_has_an_order_that_would_be_taken() -> None:
    """Read against its type, so that only fields are shown that this order needs."""
    for kind in TYPES:
        names = [name for name, _ in add_fields(kind)]
        assert names == [field.name for field in kind.fields if field.name in names]
        assert {field.name for field in kind.fields if field.needs is None} <= set(names)
