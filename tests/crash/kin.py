"""Judgement of what panels made by themselves, posts of subscriptions and runs of drip-feeds, and of their money."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any, Final

Rows = list[dict[str, Any]]
Truth = dict[str, Rows]

CHILDREN: Final = "SELECT order_id, provider, upstream_order, status FROM children"
_ENDED: Final = frozenset({"completed", "partial", "canceled"})
_ENDS: Final = frozenset({"Completed", "Partial", "Canceled"})


def made_by_panels(truth: Truth) -> dict[tuple[str, str], Rows]:
    """What each panel made for which of its orders."""
    made: dict[tuple[str, str], Rows] = defaultdict(list)
    for panel, has in truth.items():
        for each in has:
            if each["made_for"] is not None:
                made[panel, str(each["made_for"])].append(each)
    return made


def judge_kin(orders: Rows, attempts: Rows, children: Rows, truth: Truth) -> list[str]:
    """Each of them once in the books, under the order it was made for, none lost; paid for is what was delivered."""
    made = made_by_panels(truth)
    mine = {each["order_id"]: (each["provider"], each["upstream_order"]) for each in attempts if each["upstream_order"]}
    named: dict[int, set[tuple[str, str]]] = defaultdict(set)
    faults = []
    for child, count in Counter((each["provider"], each["upstream_order"]) for each in children).items():
        if count > 1:
            faults.append(f"children: {child} is in the books {count} times")
    for each in children:
        named[each["order_id"]].add((each["provider"], each["upstream_order"]))
    both = {own for own in mine.values() if own in set().union(*named.values())} if named else set()
    faults += [f"children: {own} is an order of ours and one its panel made" for own in both]
    for order in orders:
        own = mine.get(order["id"])
        if own is None:
            if order["id"] in named:
                faults.append(f"children: order {order['id']} has {named[order['id']]}, and is at no panel")
            continue
        there = {(own[0], str(each["order"])) for each in made.get(own, ())}
        if named.get(order["id"], set()) - there:
            faults.append(f"children: order {order['id']} as {own} has {named[order['id']] - there} of others")
        if order["state"] in _ENDED and there - named.get(order["id"], set()):
            faults.append(f"children: {there - named.get(order['id'], set())} of order {order['id']} as {own} are lost")
    return faults + _money(orders, mine, truth, made)


def unheard(children: Rows) -> str | None:
    """What of the children has not ended yet, as the books know; None when all have."""
    left = sum(each["status"] not in _ENDS for each in children)
    return f"{left} children have not ended" if left else None


def _money(
    orders: Rows, mine: dict[int, tuple[str, str]], truth: Truth, made: dict[tuple[str, str], Rows]
) -> list[str]:
    """What an order costs in the end is the listed rate × the pieces that came, rounded up to the unit."""
    standing = {(panel, str(each["order"])): each for panel, has in truth.items() for each in has}
    faults = []
    for order in orders:
        own = mine.get(order["id"])
        said = None if own is None else standing.get(own)
        if own is None or said is None or order["state"] not in _ENDED or order["given_up"]:
            continue
        fields = said["fields"]
        if "posts" in fields:
            whole = int(fields["max"]) * order["quantity"]
        elif int(fields.get("runs", "1")) > 1:
            whole = order["quantity"]
        else:
            continue
        came = sum(_delivered(each) for each in made.get(own, ()))
        kept = ceil(order["charge"] * Fraction(came, whole))
        if order["charge"] - order["refunded"] != kept:
            faults.append(
                f"order {order['id']}: {order['charge'] - order['refunded']} of {order['charge']} kept for {came} of "
                f"{whole} pieces, which is {kept}; {own} made {_short(made.get(own, ()))}"
            )
    return faults


def _delivered(child: dict[str, Any]) -> int:
    quantity: int = child["quantity"]
    left: int = {"Canceled": quantity, "Partial": child["remains"]}.get(child["status"], 0)
    return quantity - left


def _short(made: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(each["order"], each["quantity"], each["status"], each["remains"]) for each in made]
