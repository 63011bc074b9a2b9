"""Links as panels compare them."""

from gateway.core.links import link_mark


def test_q83_same_link_has_the_same_mark() -> None:
    """Whatever else is ordered for it; white space and a slash at the end do not count, letters do."""
    mark = link_mark([("link", "https://social.example/p/1"), ("quantity", "10")])
    assert mark is not None
    assert len(mark) == 16
    assert link_mark([("quantity", "20"), ("link", " https://social.example/p/1/ ")]) == mark
    assert link_mark([("link", "https://social.example/P/1")]) != mark


def test_q83_order_for_an_account_has_the_accounts_mark_and_one_for_nothing_none() -> None:
    """A subscription has a user name in a link's place."""
    assert link_mark([("username", "someone"), ("posts", "2")]) == link_mark([("link", "someone")])
    assert link_mark([("link", ""), ("quantity", "1")]) is None
    assert link_mark([]) is None
