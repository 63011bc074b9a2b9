"""Faults are printed with their place, line and caret, in the order of the file."""

from gateway.settings.faults import Fault, Place, SettingsError, suggestion


def test_fault_shows_its_line_with_a_caret() -> None:
    """`file:line:column: what`, the line itself, and a caret under the place."""
    fault = Fault(file="p.yaml", place=Place(3, 5), what="this is wrong", source="    urll: x")
    assert str(fault) == "p.yaml:3:5: this is wrong\n        urll: x\n        ^"


def test_fault_without_a_line_is_one_line() -> None:
    """At the end of a file there is nothing to show; in the environment there is no place either."""
    assert str(Fault(file="p.yaml", place=Place(1, 1), what="the file is empty")) == "p.yaml:1:1: the file is empty"
    assert str(Fault(file="environment", place=None, what="no")) == "environment: no"


def test_faults_are_in_the_order_of_the_file() -> None:
    """Whoever mends a file goes from its top to its end."""
    late = Fault(file="p.yaml", place=Place(10, 1), what="b")
    early = Fault(file="p.yaml", place=Place(2, 1), what="a")
    assert SettingsError([late, early]).faults == (early, late)
    assert str(SettingsError([late, early])) == "p.yaml:2:1: a\np.yaml:10:1: b"


def test_only_near_words_are_suggested() -> None:
    """A slip is put right; a word like no other is not guessed at."""
    assert suggestion("curency", ["currency", "key"]) == "; did you mean currency?"
    assert suggestion("zzz", ["currency", "key"]) == ""
