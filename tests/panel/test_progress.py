"""How a simulated order goes on: forwards, to its end, the same whoever asks."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.messages import StatusWord
from gateway.panel.progress import Course, standing
from gateway.panel.services import PanelService

SERVICES = st.builds(
    PanelService,
    id=st.just(1),
    name=st.just("S"),
    rate=st.just(Decimal(1)),
    seconds=st.floats(0, 100),
    ends=st.sampled_from(["completed", "partial", "canceled"]),
    delivered=st.floats(0, 1),
)
COURSES = st.builds(
    Course,
    service=SERVICES,
    quantity=st.integers(1, 10_000),
    start_count=st.integers(0, 100),
    canceled_after=st.none() | st.floats(0, 100),
    pace=st.floats(0.01, 10),
)


@given(COURSES, st.floats(0, 10_000), st.floats(0, 10_000))
def test_nothing_goes_backwards(course: Course, one: float, other: float) -> None:
    """Later, less remains, unless it ends otherwise; what has ended stays ended."""
    early, late = (standing(course, age) for age in sorted((one, other)))
    if early.ended:
        assert late == early
    elif not late.ended:
        assert late.remains <= early.remains
    assert 0 <= late.remains <= course.quantity


@given(COURSES)
def test_every_order_ends(course: Course) -> None:
    """Completed with nothing left, partial with at least one, canceled with all, or as it was canceled."""
    end = standing(course, 1e9)
    assert end.ended
    assert (end.status is StatusWord.COMPLETED) <= (end.remains == 0)
    assert (end.status is StatusWord.PARTIAL) <= (end.remains >= 1)
    assert (end.status is StatusWord.CANCELED) <= (end.remains == course.quantity)
