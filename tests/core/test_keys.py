"""Keys: random, checkable without a query, stored only as a keyed hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.keys import KEY_CHARACTERS, RANDOM_BYTES, hash_key, make_key, shown_part, well_formed

SECRET = b"s" * 32


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_made_key_is_well_formed(random: bytes) -> None:
    """Every key we make passes its own check and has one length."""
    key = make_key(random)
    assert well_formed(key)
    assert len(key) == KEY_CHARACTERS


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES), st.integers(0, KEY_CHARACTERS - 1))
def test_mistyped_key_is_told_without_a_query(random: bytes, place: int) -> None:
    """One wrong character anywhere breaks the checksum or the form."""
    key = make_key(random)
    other = "a" if key[place] != "a" else "b"
    assert not well_formed(key[:place] + other + key[place + 1 :])


@pytest.mark.parametrize("key", ["", "gw_", "x" * KEY_CHARACTERS, "gw_" + "é" * (KEY_CHARACTERS - 3), "gw_" + "0" * 99])
def test_foreign_text_is_no_key(key: str) -> None:
    """Wrong length, prefix or alphabet."""
    assert not well_formed(key)


def test_hash_depends_on_the_secret() -> None:
    """A stolen copy of the books cannot even be used to test a guess."""
    key = make_key(bytes(RANDOM_BYTES))
    assert hash_key(key, SECRET) != hash_key(key, b"t" * 32)
    assert len(hash_key(key, SECRET)) == 64
    with pytest.raises(AssertionError):
        hash_key(key, b"short")


def test_shown_part_hides_the_rest() -> None:
    """Enough to tell keys apart, nothing to log in with."""
    key = make_key(bytes(RANDOM_BYTES))
    assert key.startswith(shown_part(key))
    assert len(shown_part(key)) == 9


def test_random_bytes_of_another_length_are_our_own_mistake() -> None:
    """Less chance than promised is never made into a key."""
    with pytest.raises(AssertionError):
        make_key(b"short")
