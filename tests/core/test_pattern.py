"""Patterns: variants of a sentence are one, and sentences that say different things stay two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.pattern import CUT, PATTERN_MAX, pattern_of, telling


@pytest.mark.parametrize(
    ("texts", "pattern"),
    [
        (("Order 1 costs 2.50", "order 99 costs 1,200.00", "ORDER EXT-200  costs $3"), "order # costs #"),
        (("Bad: https://a.example/p/1?x=2", "bad: www.b.example/q", "Bad: social.example/p/1"), "bad: <link>"),
        (("@anna is blocked", "b.c@mail.example is blocked"), "<name> is blocked"),
        (("id 5f0c2d7a-9f8e-4a61-b1a6-d3c1de0a77f1", "id abcdefghijklmnopqrstuvwx"), "id #"),
        (("Limit\r\n 5 - 10", "limit 1 2 3"), "limit #"),
        (("a\u200bb\x00c \udcff", "ABC"), "abc"),
    ],
)
def test_variants_are_one_pattern(texts: tuple[str, ...], pattern: str) -> None:
    """Numbers, ids, sums, links, names, case, blanks and what cannot be seen make no difference."""
    assert {pattern_of(text) for text in texts} == {pattern}


def test_a_million_variants_are_one_row() -> None:
    """Whatever number a panel puts in."""
    assert len({pattern_of(f"Service {n} closed for link https://x.example/{n} ({n:x}a1)") for n in range(5000)}) == 1


def test_words_are_kept() -> None:
    """Two sentences are two patterns, and letters of every alphabet are words."""
    assert pattern_of("Link is private") != pattern_of("Link is fine")
    assert pattern_of("Недостаточно средств: 5 ₽") == "недостаточно средств: # ₽"


def test_long_text_is_cut_where_it_can_be_seen() -> None:
    """Nobody knows how it goes on."""
    pattern = pattern_of("word and " * 50)
    assert len(pattern) == PATTERN_MAX
    assert pattern.endswith(CUT)
    assert pattern_of("https://x.example/" + "y" * 1_000_000 + " is private") == f"<link>{CUT}"
    assert pattern_of("y" * 299) == "#"


@given(st.text(max_size=400))
def test_pattern_is_bounded_visible_and_keeps_its_own_pattern(text: str) -> None:
    """Whatever a panel sends."""
    pattern = pattern_of(text)
    assert len(pattern) <= PATTERN_MAX
    assert pattern.isprintable()
    assert pattern.encode() is not None


@pytest.mark.parametrize("pattern", ["error #", "#", "", "failed: <link>", "unknown error", "err <name> # code"])
def test_pattern_of_every_error_tells_nothing(pattern: str) -> None:
    """It says that something is wrong, not what."""
    assert not telling(pattern)


@pytest.mark.parametrize("pattern", ["error: private account", "链接无效", "no funds"])
def test_pattern_that_says_what_is_wrong_tells(pattern: str) -> None:
    """In any language."""
    assert telling(pattern)
