"""The life of an order: the table, the money of each step, and late reports."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.children import Child, Family, Runs
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import (
    HELD,
    SHOWN,
    TERMINAL,
    TRANSITIONS,
    Booked,
    Cost,
    IllegalStep,
    Order,
    OrderEvent,
    OrderState,
    dearer,
    report,
    step,
    true_up,
    unreadable,
)

ORDER = Order(id=3, user_id=7, currency="USD", charge=1000, quantity=100)


def active(**changes: object) -> Order:
    """An order its panel has."""
    values: dict[str, object] = {
        "id": 3, "user_id": 7, "currency": "USD", "charge": 1000, "quantity": 100, "state": OrderState.ACTIVE,
        **changes,
    }  # fmt: skip
    return Order(**values)  # type: ignore[arg-type] # the fields by name


def said(word: StatusWord | None, remains: int | None = None, **more: object) -> StatusReply:
    """A panel's report."""
    return StatusReply(status=word, remains=remains, **more)  # type: ignore[arg-type] # the fields by name


def test_every_state_is_in_the_table_and_shown_by_a_word() -> None:
    """No state was forgotten; a failed order leads nowhere."""
    assert set(TRANSITIONS) == set(OrderState) == set(SHOWN)
    assert TRANSITIONS[OrderState.FAILED] == {}
    assert not TERMINAL & HELD


def test_accepted_order_is_captured_with_its_cost() -> None:
    """Held becomes ours, and what it costs us is booked in the provider's currency."""
    placing = step(ORDER, OrderEvent.ARMED).order
    made = step(placing, OrderEvent.ACCEPTED, cost=Cost(provider="panel-a", currency="EUR", amount=400))
    assert made.order.state is OrderState.ACTIVE
    assert [each.tx_key for each in made.transfers] == ["capture:3", "cost:3:0"]
    assert [each.tx_key for each in step(placing, OrderEvent.ACCEPTED).transfers] == ["capture:3"]


def test_doubted_order_moves_no_money_until_it_is_decided() -> None:
    """Unknown keeps the charge held; proof one way captures it, the other way gives it back."""
    doubted = step(step(ORDER, OrderEvent.ARMED).order, OrderEvent.DOUBTED)
    assert (doubted.order.state, doubted.order.shown, doubted.transfers) == (OrderState.UNKNOWN, StatusWord.PENDING, ())
    assert step(doubted.order, OrderEvent.ACCEPTED).transfers[0].tx_key == "capture:3"
    assert step(doubted.order, OrderEvent.DROPPED).transfers[0].tx_key == "void:3"
    assert step(doubted.order, OrderEvent.NEXT_ROUTE).order.state is OrderState.RESERVED


def test_order_given_up_is_captured_and_refunded_whole_and_never_moves_again() -> None:
    """From our own pocket; the books read as for any canceled order, and nothing can place it again."""
    doubted = step(step(ORDER, OrderEvent.ARMED).order, OrderEvent.DOUBTED).order
    made = step(doubted, OrderEvent.GIVEN_UP)
    assert (made.order.state, made.order.shown, made.order.remains) == (OrderState.CANCELED, StatusWord.CANCELED, 100)
    assert (made.order.refunded, made.order.review is not None) == (1000, True)
    assert [(each.tx_key, each.amount) for each in made.transfers] == [("capture:3", 1000), ("refund:3:1000", 1000)]
    for event in set(OrderEvent) - {
        OrderEvent.WORKING, OrderEvent.COMPLETED, OrderEvent.PARTIAL, OrderEvent.CANCELED,
    }:  # fmt: skip
        with pytest.raises(IllegalStep):
            step(made.order, event)
    with pytest.raises(IllegalStep):
        step(active(), OrderEvent.GIVEN_UP)


def test_dropped_order_gives_everything_back() -> None:
    """Failed is shown as Canceled with everything undelivered."""
    made = step(ORDER, OrderEvent.DROPPED)
    assert (made.order.state, made.order.shown, made.order.remains) == (OrderState.FAILED, StatusWord.CANCELED, 100)
    assert [(each.tx_key, each.amount) for each in made.transfers] == [("void:3", 1000)]


@pytest.mark.parametrize(
    ("state", "event"),
    [
        (OrderState.RESERVED, OrderEvent.ACCEPTED),
        (OrderState.UNKNOWN, OrderEvent.ARMED),
        (OrderState.ACTIVE, OrderEvent.DROPPED),
        (OrderState.FAILED, OrderEvent.ARMED),
        (OrderState.COMPLETED, OrderEvent.ARMED),
    ],
)
def test_step_the_table_forbids_is_refused(state: OrderState, event: OrderEvent) -> None:
    """Nothing else moves an order: an unknown one is not sent again, an active one not dropped."""
    with pytest.raises(IllegalStep, match=f"order 3: {event} may not follow {state}"):
        step(active(state=state), event)


def test_report_of_a_reserved_order_is_our_own_mistake() -> None:
    """A panel can only report what it has."""
    with pytest.raises(IllegalStep):
        report(ORDER, said(StatusWord.COMPLETED))


def test_work_under_way_shows_the_panels_word() -> None:
    """And never goes backwards, nor does a start count back to nought (Q84, Q85)."""
    first = report(active(), said(StatusWord.IN_PROGRESS, 60, start_count=500)).order
    assert (first.state, first.shown, first.remains, first.start_count) == (
        OrderState.ACTIVE, StatusWord.IN_PROGRESS, 60, 500,
    )  # fmt: skip
    second = report(first, said(StatusWord.PENDING, None, start_count=0)).order
    assert (second.shown, second.remains, second.start_count) == (StatusWord.IN_PROGRESS, 60, 500)
    third = report(second, said(StatusWord.IN_PROGRESS, 5000, start_count=600)).order
    assert (third.remains, third.start_count) == (100, 600)


def test_unknown_word_keeps_everything_but_a_start_count() -> None:
    """An order is not moved by a word nobody knows (Q47)."""
    made = report(active(), said(None, 5, start_count=9))
    assert (made.order.shown, made.order.remains, made.order.start_count) == (StatusWord.PENDING, None, 9)


def test_completed_order_keeps_its_charge() -> None:
    """What remains is what the panel says, over-delivery being none."""
    assert report(active(), said(StatusWord.COMPLETED)).order.remains == 0
    made = report(active(), said(StatusWord.COMPLETED, -5))
    assert (made.order.state, made.order.remains, made.transfers) == (OrderState.COMPLETED, 0, ())


def test_partial_order_releases_what_remains() -> None:
    """The share that was not delivered goes back, once, under a key of its own."""
    made = report(active(), said(StatusWord.PARTIAL, 40))
    assert (made.order.state, made.order.refunded, made.order.remains) == (OrderState.PARTIAL, 400, 40)
    assert [(each.tx_key, each.amount) for each in made.transfers] == [("refund:3:400", 400)]
    assert report(made.order, said(StatusWord.PARTIAL, 40)).transfers == ()


def test_canceled_order_with_a_part_delivered_is_partial() -> None:
    """Downstream panels refund by remains: Canceled means nothing was delivered."""
    made = report(active(), said(StatusWord.CANCELED, 40, charge="0.60"), cost=Decimal(1))
    assert (made.order.state, made.order.shown, made.order.refunded) == (OrderState.PARTIAL, StatusWord.PARTIAL, 400)
    whole = report(active(), said(StatusWord.CANCELED))
    assert (whole.order.state, whole.order.refunded, whole.order.remains) == (OrderState.CANCELED, 1000, 100)


def test_unreadable_remains_is_never_guessed() -> None:
    """A partial without a figure moves nothing and asks for a person."""
    made = report(active(), said(StatusWord.PARTIAL))
    assert (made.order.state, made.transfers) == (OrderState.ACTIVE, ())
    assert made.order.review is not None
    again = report(made.order, said(StatusWord.PARTIAL))
    assert again.order.review == made.order.review


def test_unreadable_remains_may_still_come() -> None:
    """While there is patience nobody is bothered by it; later a figure is taken as if it had come at once."""
    made = report(active(), said(StatusWord.PARTIAL), patient=True)
    assert (made.order.state, made.order.review, made.transfers) == (OrderState.ACTIVE, None, ())
    assert report(made.order, said(StatusWord.PARTIAL, 40)).order.refunded == 400
    assert unreadable(said(StatusWord.PARTIAL))
    assert not any(unreadable(said(word)) for word in (StatusWord.CANCELED, StatusWord.COMPLETED, None))
    assert not unreadable(said(StatusWord.PARTIAL, runs=2), runs=5)


def child(charge: str | None, status: StatusWord | None = StatusWord.COMPLETED) -> Child:
    """One order a panel made for a subscription."""
    return Child(upstream_order="1", status=status, charge=None if charge is None else Decimal(charge))


def family(*children: Child, named: bool = True) -> Family:
    """Of a subscription for five posts, each 0.20 at most."""
    return Family(posts=5, cost=Decimal(1), children=children, named=named)


SUBSCRIPTION = active(quantity=5)


def test_running_subscription_pays_nothing_back_and_counts_down() -> None:
    """Whatever its children came to; what is still to come is its remains."""
    made = report(SUBSCRIPTION, said(StatusWord.IN_PROGRESS), family=family(child("0.05"), child(None, None)))
    assert (made.order.state, made.order.shown, made.order.remains) == (OrderState.ACTIVE, StatusWord.IN_PROGRESS, 3)
    assert made.transfers == ()


def test_dripfeed_whose_runs_are_named_is_settled_by_them() -> None:
    """One of two runs ended in part, three of five were never made; before the end the panel's figures are shown."""
    runs = Runs(
        runs=5,
        quantity=100,
        cost=Decimal(1),
        children=(child("0.2"), Child(upstream_order="2", status=StatusWord.PARTIAL, remains=10)),
    )
    under_way = report(active(), said(StatusWord.IN_PROGRESS, 77), runs=5, family=runs)
    assert (under_way.order.remains, under_way.transfers) == (77, ())
    made = report(under_way.order, said(StatusWord.CANCELED, 5), runs=5, family=runs)
    assert (made.order.state, made.order.refunded, made.order.remains) == (OrderState.PARTIAL, 700, 70)
    assert not unreadable(said(StatusWord.CANCELED), runs=5, family=runs)


@pytest.mark.parametrize("word", [StatusWord.COMPLETED, StatusWord.CANCELED])
def test_subscription_that_ended_is_settled_by_its_children(word: StatusWord) -> None:
    """By the same refund as any order, under a key of what is owed in all."""
    some = report(SUBSCRIPTION, said(word), family=family(child("0.20"), child("0.10", StatusWord.PARTIAL)))
    assert (some.order.state, some.order.refunded, some.order.remains) == (OrderState.PARTIAL, 700, 3)
    assert [(each.tx_key, each.amount) for each in some.transfers] == [("refund:3:700", 700)]
    none = report(SUBSCRIPTION, said(word), family=family())
    assert (none.order.state, none.order.refunded, none.order.remains) == (OrderState.CANCELED, 1000, 5)
    whole = report(SUBSCRIPTION, said(word), family=family(*[child("0.15")] * 5))
    assert (whole.order.state, whole.order.refunded, whole.order.remains) == (OrderState.COMPLETED, 250, 0)


def test_subscription_whose_end_cannot_be_read_waits() -> None:
    """First patiently, then for a person; when its children are heard of it is settled as if they had been at once."""
    for made in (family(child("0.20"), child(None, None)), family(named=False)):
        ended = said(StatusWord.CANCELED)
        assert unreadable(ended, family=made)
        waits = report(SUBSCRIPTION, ended, family=made, patient=True)
        assert (waits.order.state, waits.order.review, waits.transfers) == (OrderState.ACTIVE, None, ())
        told = report(SUBSCRIPTION, ended, family=made)
        assert (told.order.state, told.transfers) == (OrderState.ACTIVE, ())
        assert told.order.review is not None
        assert report(told.order, ended, family=family(child("0.20"))).order.refunded == 800
    assert not unreadable(said(StatusWord.IN_PROGRESS), family=family(child(None, None)))
    assert not unreadable(said(StatusWord.CANCELED), family=family())


def test_late_word_of_a_child_raises_the_refund_and_never_takes_one_back() -> None:
    """A post that is canceled after the end is given back; one that costs more after all is for a person."""
    ended = said(StatusWord.COMPLETED)
    first = report(SUBSCRIPTION, ended, family=family(*[child("0.20")] * 5)).order
    later = report(first, ended, family=family(*[child("0.20")] * 4, child("0", StatusWord.CANCELED)))
    assert [(each.tx_key, each.amount) for each in later.transfers] == [("refund:3:200", 200)]
    assert (later.order.state, later.order.refunded, later.order.remains) == (OrderState.COMPLETED, 200, 1)
    assert later.order.review == "Partial after completed"
    back = report(later.order, ended, family=family(*[child("0.20")] * 5))
    assert (back.transfers, back.order.refunded) == ((), 200)


def test_dripfeed_is_refunded_by_runs() -> None:
    """Three of five runs were never done: three fifths of the charge."""
    made = report(active(), said(StatusWord.CANCELED, 5, runs=2), runs=5)
    assert (made.order.state, made.order.refunded, made.order.remains) == (OrderState.PARTIAL, 600, 60)


@pytest.mark.parametrize(
    ("charged", "booked", "moved"),
    [
        ("0.3", 50_000_000, ("cost:panel-a:EUR", 20_000_000)),
        ("0.6", 50_000_000, ("provider:panel-a:EUR", 10_000_000)),
        ("0.5", 50_000_000, None),
        ("0", 50_000_000, ("cost:panel-a:EUR", 50_000_000)),
        ("-0.1", 50_000_000, None),
        ("30", 50_000_000, None),
    ],
    ids=["less", "more", "as agreed", "nothing", "below nought", "in another unit"],
)
def test_cost_is_trued_up_by_what_the_panel_charged(
    charged: str, booked: int, moved: tuple[str, int] | None
) -> None:  # fmt: skip
    """The difference is booked under the next number; a figure that can be no price is not."""
    held = Booked(amount=booked, currency="EUR", transfers=3)
    made = true_up(active(), "panel-a", held, charged=Decimal(charged), agreed=Decimal("0.5"))
    assert [(each.tx_key, each.source, each.amount) for each in made] == (
        [] if moved is None else [("cost:3:3", *moved)]
    )
    nothing = Booked(amount=0, currency="EUR", transfers=0)
    assert true_up(active(), "panel-a", nothing, charged=Decimal(charged), agreed=Decimal("0.5")) == ()


@pytest.mark.parametrize(
    ("state", "refunded", "word", "remains", "paid", "reviewed"),
    [
        (OrderState.PARTIAL, 400, StatusWord.PARTIAL, 60, 200, False),
        (OrderState.PARTIAL, 400, StatusWord.PARTIAL, 20, 0, True),
        (OrderState.COMPLETED, 0, StatusWord.PARTIAL, 40, 400, True),
        (OrderState.COMPLETED, 0, StatusWord.CANCELED, None, 1000, True),
        (OrderState.CANCELED, 1000, StatusWord.COMPLETED, 0, 0, True),
        (OrderState.COMPLETED, 0, StatusWord.COMPLETED, 0, 0, False),
        (OrderState.PARTIAL, 400, StatusWord.IN_PROGRESS, 10, 0, False),
    ],
)
def test_late_report_raises_refunds_and_nothing_else(
    state: OrderState, refunded: int, word: StatusWord, remains: int | None, paid: int, reviewed: bool
) -> None:
    """The word stays, money only ever goes back to the user, and a contradiction is put before a person (Q84)."""
    before = active(state=state, shown=SHOWN[state], refunded=refunded, remains=40)
    made = report(before, said(word, remains))
    assert (made.order.state, made.order.shown) == (state, SHOWN[state])
    assert sum(each.amount for each in made.transfers) == paid
    assert made.order.refunded == refunded + paid
    assert (made.order.review is not None) is reviewed


WORDS = st.none() | st.sampled_from(list(StatusWord))
REPORTS = st.lists(st.builds(said, WORDS, st.none() | st.integers(-5, 200)), max_size=8)


@given(st.integers(0, 10**9), st.integers(1, 1000), REPORTS)
def test_any_reports_keep_the_books_straight(charge: int, quantity: int, reports: list[StatusReply]) -> None:
    """Refunds only rise, never pass the charge, and each has a key of its own."""
    order = active(charge=charge, quantity=quantity)
    keys: set[str] = set()
    for each in reports:
        made = report(order, each)
        assert order.refunded <= made.order.refunded <= charge
        assert made.order.refunded - order.refunded == sum(transfer.amount for transfer in made.transfers)
        assert not keys & {transfer.tx_key for transfer in made.transfers}
        keys |= {transfer.tx_key for transfer in made.transfers}
        assert order.state not in TERMINAL or made.order.state is order.state
        order = made.order


@pytest.mark.parametrize(
    ("charged", "agreed", "expected"),
    [
        ("0.90", "0.90", False),
        ("0.918", "0.90", False),
        ("0.919", "0.90", True),
        ("4.99", "0.90", True),
        ("0.001", "0.00095", False),
        ("0.0011", "0.00095", True),
        ("0.40", "0.90", False),
    ],
)
def test_panel_that_took_more_than_it_listed_is_noticed(charged: str, agreed: str, *, expected: bool) -> None:
    """Rounding is no price; anything beyond it is."""
    assert dearer(Decimal(charged), Decimal(agreed)) is expected
