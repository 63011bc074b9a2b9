"""Likeness: a service under another badge is the same one, one for other goods is not."""

import pytest

from gateway.core.likeness import another


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("Instagram Followers [Max 10K]", "Instagram Followers [Max 10K]"),
        ("Instagram Followers [Max 10K] 🔥", "Instagram Followers | Real | 30 Days Refill ♻️"),
        ("IG Followers", "Instagram Followers"),
        ("TikTok Views [Slow]", "⚡ TIKTOK VIEWS - Instant"),
        ("Service 101", "Service 102"),
        ("Takipçi [Türk]", "Takipçi [Türk] Hızlı"),
    ],
)
def test_q80_new_badge_is_no_new_service(name: str, now: str) -> None:
    """What is delivered and where is as it was, and enough of the old words are left."""
    assert not another(name, "Default", now_name=now, now_kind="Default")


@pytest.mark.parametrize(
    ("name", "now"),
    [
        ("Instagram Followers", "Instagram Likes"),
        ("YouTube Views [Real]", "TikTok Views [Real]"),
        ("Takipçi", "Beğeni"),
        ("Followers HQ fast cheap", "Website Traffic from Google"),
        ("🔥🔥", "♻️"),
        ("101", "102"),
    ],
)
def test_q80_other_goods_are_another_service(name: str, now: str) -> None:
    """Another word of what panels deliver, another network, or nothing left of the old name."""
    assert another(name, "Default", now_name=now, now_kind="Default")


def test_q80_other_type_is_another_service() -> None:
    """Whatever it is called: other fields are asked for."""
    assert another("Comments", "Default", now_name="Comments", now_kind="Custom Comments")
