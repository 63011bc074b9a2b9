"""What a subscription came to by the orders its panel made for it."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.children import Child, Family, Runs, came_to, charged, spent, sum_of_runs, to_come
from gateway.core.messages import StatusReply, StatusWord

ENDED = StatusReply(status=StatusWord.COMPLETED)
STOPPED = StatusReply(status=StatusWord.CANCELED)


def child(charge: str | None, status: StatusWord | None = StatusWord.COMPLETED, number: str = "1") -> Child:
    """One order a panel made."""
    return Child(upstream_order=number, status=status, charge=None if charge is None else Decimal(charge))


def family(*children: Child, posts: int = 4, cost: str | None = "2.00", named: bool = True, strange: int = 0) -> Family:
    """Four posts for 2.00 at the panel, half a unit of its money each at most."""
    return Family(
        posts=posts, cost=None if cost is None else Decimal(cost), children=children, named=named, strange=strange
    )


@pytest.mark.parametrize("word", [StatusWord.PENDING, StatusWord.PROCESSING, StatusWord.IN_PROGRESS, None])
def test_nothing_is_owed_while_it_runs(word: StatusWord | None) -> None:
    """Active or paused, whatever its children came to."""
    assert came_to(1000, family(child("0.10")), StatusReply(status=word)) is None


@pytest.mark.parametrize(
    ("children", "due", "missing", "word"),
    [
        ((), 1000, 4, StatusWord.CANCELED),
        ((child("0.50"),) * 4, 0, 0, StatusWord.COMPLETED),
        ((child("0.50"),) * 2, 500, 2, StatusWord.PARTIAL),
        # Fewer than `max` each: all posts came, and the rest of each is given back.
        ((child("0.40"),) * 4, 200, 0, StatusWord.COMPLETED),
        # One ended in part and one not at all, by the panel's own refund.
        (
            (child("0.50"), child("0.20", StatusWord.PARTIAL), child("0", StatusWord.CANCELED)),
            650,
            2,
            StatusWord.PARTIAL,
        ),
        ((child("0", StatusWord.CANCELED),) * 4, 1000, 4, StatusWord.CANCELED),
        # Not known, not believed, or in no money of ours: a whole post.
        ((child(None), child("0"), child("-3"), child("0", StatusWord.IN_PROGRESS)), 0, 0, StatusWord.COMPLETED),
        # More than was agreed for a post is no more than a post; more posts than ordered are no more than the charge.
        ((child("7"), child("0.25")), 625, 2, StatusWord.PARTIAL),
        ((child("0.50"),) * 9, 0, 0, StatusWord.COMPLETED),
        # A third of a unit stays with us, never with the user twice.
        ((child("0.0003"),), 999, 3, StatusWord.PARTIAL),
    ],
)
def test_what_its_posts_did_not_come_to_is_owed(
    children: tuple[Child, ...], due: int, missing: int, word: StatusWord
) -> None:
    """The same for every way it ends: completed, expired or canceled."""
    for said in (ENDED, STOPPED, StatusReply(status=StatusWord.PARTIAL)):
        owed = came_to(1000, family(*children), said)
        assert owed is not None
        assert (owed.due, owed.undelivered, owed.word, owed.review) == (due, missing, word, None)


def test_without_a_known_cost_each_child_is_a_whole_post() -> None:
    """There is nothing to measure its charge by."""
    for cost in (None, "0"):
        owed = came_to(1000, family(child("0.10"), cost=cost), ENDED)
        assert owed is not None
        assert owed.due == 750


def test_end_that_cannot_be_read_owes_nothing_and_is_told() -> None:
    """A child nobody has heard of, or no word on which there are."""
    for made, told in (
        (family(child("0.50"), child(None, None)), "1 of its orders cannot be read"),
        (family(child("0.50"), named=False), "its panel does not say which orders it made"),
    ):
        owed = came_to(1000, made, STOPPED)
        assert owed is not None
        assert (owed.due, owed.undelivered) == (0, None)
        assert owed.review == f"the subscription has ended, and {told}"


def test_orders_of_others_count_as_posts_and_are_told() -> None:
    """What was not taken may have been delivered: it is never paid back, and a person looks."""
    owed = came_to(1000, family(child("0.50"), strange=1), STOPPED)
    assert owed is not None
    assert (owed.due, owed.undelivered) == (500, 2)
    assert owed.review == "its panel names 1 orders that are not its own"


def test_cost_is_that_of_all_children_or_not_known() -> None:
    """A sum with a hole in it is no sum."""
    assert spent(family()) == 0
    assert spent(family(child("0.50"), child("0.20", StatusWord.PARTIAL), child("0", StatusWord.CANCELED))) == Decimal(
        "0.70"
    )
    assert spent(family(child("0.50"), child(None))) is None
    assert spent(family(child("0.50"), strange=1)) is None
    assert charged(child("0", StatusWord.PARTIAL)) is None


def test_posts_to_come_are_counted_down() -> None:
    """And never below none."""
    assert [to_come(family(*[child("1")] * made)) for made in (0, 3, 4, 9)] == [4, 1, 0, 0]
    assert to_come(family(child("1"), strange=1)) == 2


CHARGES = st.none() | st.decimals(0, 1, places=4)
CHILDREN = st.lists(
    st.builds(Child, upstream_order=st.just("1"), status=st.sampled_from(StatusWord), charge=CHARGES), max_size=12
)


@given(st.integers(0, 10**12), st.integers(1, 10), st.decimals("0.0001", 3, places=4), CHILDREN)
def test_what_is_kept_is_the_prices_rounded_up(charge: int, posts: int, cost: Decimal, children: list[Child]) -> None:
    """Never more is owed than was charged, and never less is kept than was delivered at the listed rate."""
    made = Family(posts=posts, cost=cost, children=tuple(children), named=True)
    owed = came_to(charge, made, ENDED)
    assert owed is not None
    assert owed.undelivered is not None
    assert 0 <= owed.due <= charge
    assert 0 <= owed.undelivered <= posts
    delivered = sum(
        (min(Fraction(known) / Fraction(cost), Fraction(1, posts)) for each in children if (known := charged(each))),
        Fraction(),
    )
    whole = sum(charged(each) is None for each in children)
    kept = min(charge * (delivered + Fraction(whole, posts)), Fraction(charge))
    assert 0 <= charge - owed.due - kept < 1


@given(st.integers(1, 10**9), st.integers(1, 9), CHILDREN, st.decimals(0, 1, places=4))
def test_more_that_was_delivered_is_never_paid_back(
    charge: int, posts: int, children: list[Child], more: Decimal
) -> None:
    """One child more, or one that cost more, owes no more than before."""

    def owes(each: list[Child]) -> int:
        owed = came_to(charge, Family(posts=posts, cost=Decimal(2), children=tuple(each), named=True), STOPPED)
        assert owed is not None
        return owed.due

    dearer = Child(upstream_order="2", status=StatusWord.CANCELED, charge=more)
    assert owes([*children, dearer]) <= owes(children)


def run(status: StatusWord | None, remains: int | None = None, charge: str | None = None) -> Child:
    """The order a panel made for one run."""
    return Child(upstream_order="1", status=status, remains=remains, charge=None if charge is None else Decimal(charge))


def runs(*children: Child, strange: int = 0, cost: str | None = "5.00") -> Runs:
    """Five runs of 20 pieces each, for 5.00 at the panel."""
    whole = None if cost is None else Decimal(cost)
    return Runs(runs=5, quantity=100, cost=whole, children=children, strange=strange)


DONE, PART, GONE = StatusWord.COMPLETED, StatusWord.PARTIAL, StatusWord.CANCELED


@pytest.mark.parametrize(
    ("word", "made", "done", "due", "missing", "shown"),
    [
        # All runs delivered; one in part, though the whole is called completed; one canceled.
        (DONE, runs(*[run(DONE)] * 5), None, 0, 0, DONE),
        (DONE, runs(*[run(DONE)] * 4, run(PART, 5)), None, 50, 5, PART),
        (DONE, runs(*[run(DONE)] * 4, run(GONE)), None, 200, 20, PART),
        # Completed does not wait for runs nobody has heard of, and owes none that is not named.
        (DONE, runs(run(DONE), run(None)), None, 0, 0, DONE),
        (DONE, runs(run(PART, 5), run(None)), None, 50, 5, PART),
        # Ended early: what was never made is owed whole, what is under way is delivered.
        (GONE, runs(run(DONE), run(PART, 8)), None, 680, 68, PART),
        (PART, runs(run(DONE), run(StatusWord.IN_PROGRESS, 20)), None, 600, 60, PART),
        (GONE, runs(run(DONE)), 3, 400, 40, PART),
        (GONE, runs(), 0, 1000, 100, GONE),
        (GONE, runs(*[run(GONE)] * 5), None, 1000, 100, GONE),
        (GONE, runs(*[run(GONE)] * 9), None, 1000, 100, GONE),
        # A canceled run with a part delivered, as its charge says; without a cost to measure by, all of it.
        (GONE, runs(*[run(DONE)] * 4, run(GONE, 5, "0.75")), None, 50, 5, PART),
    ],
)
def test_dripfeed_owes_the_sum_of_its_runs(
    word: StatusWord, made: Runs, done: int | None, due: int, missing: int, shown: StatusWord
) -> None:
    """Each run by the rules of any order."""
    owed = sum_of_runs(1000, made, StatusReply(status=word, runs=done))
    assert owed is not None
    assert (owed.due, owed.undelivered, owed.word, owed.review) == (due, missing, shown, None)


def test_dripfeed_under_way_owes_nothing() -> None:
    """Whatever its runs came to."""
    assert sum_of_runs(1000, runs(run(GONE)), StatusReply(status=StatusWord.IN_PROGRESS)) is None


def test_dripfeed_with_a_run_that_cannot_be_read_waits() -> None:
    """Nobody has heard of it, or it ended in part without saying how much."""
    for made, why in (
        (runs(run(DONE), run(None)), "one of its runs cannot be read"),
        (runs(run(PART)), "one of its runs: partial without a readable remains"),
    ):
        owed = sum_of_runs(1000, made, STOPPED)
        assert owed is not None
        assert (owed.due, owed.undelivered, owed.review) == (0, None, why)
    assert runs(run(DONE)).heard
    assert not runs(run(None)).heard


def test_run_that_contradicts_itself_is_for_a_person() -> None:
    """It is owed as any such order, and so is one among others' orders, which counts as delivered."""
    torn = sum_of_runs(1000, runs(*[run(DONE)] * 4, run(GONE, 5, "1.00")), STOPPED)
    assert torn is not None
    assert (torn.due, torn.review) == (
        200, "canceled with a remains, but the panel's charge does not say that a part was delivered",
    )  # fmt: skip
    unpriced = sum_of_runs(1000, runs(*[run(DONE)] * 4, run(GONE, 5, "0.75"), cost=None), STOPPED)
    assert unpriced is not None
    assert unpriced.due == 200
    strange = sum_of_runs(1000, runs(run(DONE), strange=1), STOPPED)
    assert strange is not None
    assert (strange.due, strange.review) == (600, "its panel names 1 orders that are not its own")


RUNS = st.lists(
    st.builds(Child, upstream_order=st.just("1"), status=st.sampled_from(StatusWord), remains=st.integers(-5, 30)),
    max_size=12,
)


@given(st.integers(0, 10**12), RUNS, st.sampled_from([DONE, PART, GONE]), st.none() | st.integers(-1, 9))
def test_dripfeed_never_owes_more_than_was_charged(
    charge: int, children: list[Child], word: StatusWord, done: int | None
) -> None:
    """Between nothing and all, in proportion to what is missing."""
    owed = sum_of_runs(charge, runs(*children), StatusReply(status=word, runs=done))
    assert owed is not None
    assert owed.undelivered is not None
    assert 0 <= owed.undelivered <= 100
    assert owed.due == charge * owed.undelivered // 100
