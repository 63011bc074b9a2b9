"""What is owed back: a pure function of the last report, RELIABILITY.md section 1.9 row by row."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.refund import Bill, owed

BILL = Bill(charge=1000, quantity=100, cost=Decimal("0.50"))
PARTIAL, CANCELED, COMPLETED = StatusWord.PARTIAL, StatusWord.CANCELED, StatusWord.COMPLETED


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ((PARTIAL, 40, None), (400, 40, PARTIAL, False)),
        ((PARTIAL, 0, None), (0, 0, COMPLETED, False)),
        ((PARTIAL, -5, None), (0, 0, COMPLETED, False)),
        ((PARTIAL, 150, None), (1000, 100, PARTIAL, True)),
        ((PARTIAL, None, None), (0, None, PARTIAL, True)),
        ((CANCELED, None, None), (1000, 100, CANCELED, False)),
        ((CANCELED, 0, None), (1000, 100, CANCELED, False)),
        ((CANCELED, 100, None), (1000, 100, CANCELED, False)),
        ((CANCELED, 40, "0.30"), (400, 40, PARTIAL, False)),
        ((CANCELED, 40, "0.305"), (400, 40, PARTIAL, False)),
        ((CANCELED, 40, "0.50"), (1000, 100, CANCELED, True)),
        ((CANCELED, 40, None), (1000, 100, CANCELED, True)),
    ],
)
def test_report_owes_what_the_table_says(
    report: tuple[StatusWord, int | None, str | None], expected: tuple[int, int | None, StatusWord, bool]
) -> None:
    """Partial by what remains; canceled whole, unless the panel's own charge proves a part was delivered."""
    word, remains, charge = report
    found = owed(BILL, StatusReply(status=word, remains=remains, charge=charge))
    assert found is not None
    assert (found.due, found.undelivered, found.word, found.review is not None) == expected


@pytest.mark.parametrize(
    ("word", "done", "remains", "expected"),
    [
        (CANCELED, 1, 9, (800, 80, PARTIAL)),
        (PARTIAL, 2, 0, (600, 60, PARTIAL)),
        (CANCELED, 0, None, (1000, 100, CANCELED)),
        (CANCELED, 5, None, (0, 0, COMPLETED)),
        (CANCELED, 9, None, (1000, 100, CANCELED)),
        (CANCELED, None, 20, (1000, 100, CANCELED)),
        (PARTIAL, None, 20, (200, 20, PARTIAL)),
    ],
    ids=["one of five", "two of five", "none", "all", "more than there are", "not said", "not said, partial"],
)
def test_dripfeed_owes_the_runs_that_were_not_done(
    word: StatusWord, done: int | None, remains: int | None, expected: tuple[int, int, StatusWord]
) -> None:
    """Where the panel says how many runs are done they count, not a remains that may be of one run."""
    bill = Bill(charge=1000, quantity=100, cost=Decimal("0.50"), runs=5)
    found = owed(bill, StatusReply(status=word, remains=remains, runs=done))
    assert found is not None
    assert (found.due, found.undelivered, found.word) == expected
    assert owed(bill, StatusReply(status=COMPLETED, runs=1)) is None


@pytest.mark.parametrize("word", [StatusWord.PENDING, StatusWord.PROCESSING, StatusWord.IN_PROGRESS, COMPLETED, None])
def test_every_other_report_owes_nothing(word: StatusWord | None) -> None:
    """Only Partial and Canceled are about money."""
    assert owed(BILL, StatusReply(status=word, remains=40)) is None


@pytest.mark.parametrize("cost", [None, Decimal(0)])
def test_unknown_cost_proves_nothing(cost: Decimal | None) -> None:
    """Without our cost the panel's charge says nothing about a part."""
    found = owed(Bill(charge=10, quantity=10, cost=cost), StatusReply(status=CANCELED, remains=4, charge="0.3"))
    assert found is not None
    assert found.due == 10


@given(
    st.integers(0, 10**15),
    st.integers(1, 10**9),
    st.sampled_from([PARTIAL, CANCELED]),
    st.none() | st.integers(-100, 10**10),
)
def test_never_more_than_the_charge(charge: int, quantity: int, word: StatusWord, remains: int | None) -> None:
    """0 ≤ due ≤ charge, whatever the panel says."""
    found = owed(Bill(charge=charge, quantity=quantity), StatusReply(status=word, remains=remains))
    assert found is not None
    assert 0 <= found.due <= charge
