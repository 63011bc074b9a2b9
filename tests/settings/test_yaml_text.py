"""YAML by one reading: what two versions of YAML read differently is refused, and everything has its place."""

import pytest

from gateway.settings.faults import Place
from gateway.settings.yaml_text import Broken, Listing, Mapping, Scalar, Text, read_yaml


def said(text: str) -> list[str]:
    """What is said about a text."""
    read = Text("p.yaml", text)
    read_yaml(read)
    return [fault.what for fault in read.faults]


def test_nodes_have_their_text_and_place() -> None:
    """Values stay the text they were written as; lines and columns count from 1."""
    text = Text("p.yaml", "a: 1.10\nb: ['x', ~]\n")
    found = read_yaml(text)
    assert found == Mapping(
        {
            "a": (Place(1, 1), Scalar("1.10", quoted=False, place=Place(1, 4))),
            "b": (
                Place(2, 1),
                Listing(
                    (Scalar("x", quoted=True, place=Place(2, 5)), Scalar(None, quoted=False, place=Place(2, 10))),
                    Place(2, 4),
                ),
            ),
        },
        Place(1, 1),
    )
    assert text.faults == []


@pytest.mark.parametrize(
    ("written", "way_out"),
    [
        ("no", 'write true or false, or quote it, "no"'),
        ("On", 'write true or false, or quote it, "On"'),
        ("y", 'write true or false, or quote it, "y"'),
        ("22:30", 'quote it, "22:30"'),
        ("010", 'write 10, or quote it, "010"'),
        ("00", 'write 0, or quote it, "00"'),
        ("1_000", 'write 1000, or quote it, "1_000"'),
        ("0x1F", 'quote it, "0x1F"'),
        (".inf", 'quote it, ".inf"'),
        ("2026-01-31", 'quote it, "2026-01-31"'),
    ],
)
def test_surprises_of_yaml_are_faults(written: str, way_out: str) -> None:
    """A bare word that YAML 1.1 takes for something else is refused with its way out, as value and as key."""
    assert said(f"a: {written}") == [f"YAML readers disagree about a bare {written}: {way_out}"]
    assert said(f"{written}: 1") == [f"YAML readers disagree about a bare {written}: {way_out}"]
    assert said(f'a: "{written}"') == []


@pytest.mark.parametrize("written", ["10", "0", "0.5", "-5", "true", "nobody", "panel-a/010", "1.1.1", "http://x:80/"])
def test_plain_words_are_no_surprise(written: str) -> None:
    """What both versions read alike passes without quotes."""
    assert said(f"a: {written}") == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("a: 1\na: 2\n", "a stands twice; the first is at line 1"),
        ("a: 1\n'a': 2\n", "a stands twice; the first is at line 1"),
        ("[1]: 2\n", "a key has to be a word"),
        ("~: 2\n", "a key has to be a word"),
        ("a: &x [*x]\n", "nested too deeply"),
        ("a: !!python/object:os.system x\n", "the tag !!python/object:os.system means nothing here"),
        ("a: !mine x\n", "the tag !mine means nothing here"),
        ("a: {<<: {b: 1}}\n", 'YAML readers disagree about a bare <<: quote it, "<<"'),
        ("a: [1\n", "this is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\nb: 2\n", "this is not YAML: but found another document"),
        ("a: *nobody\n", "this is not YAML: found undefined alias 'nobody'"),
        ("[" * 30 + "]" * 30, "nested too deeply"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
    ],
)
def test_what_is_not_plain_yaml_is_a_fault(text: str, what: str) -> None:
    """Duplicate keys, foreign tags, knots and broken text are each said once."""
    assert said(text) == [what]


def test_characters_that_no_yaml_has_are_a_fault() -> None:
    """A control character ends in a message, not in a traceback."""
    (what,) = said("a: \x01")
    assert what.startswith("this is not YAML: unacceptable character #x0001")


def test_aliases_of_aliases_are_bounded() -> None:
    """Ten lines that would unfold into a milliard values are refused at once, with one fault."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert said("\n".join(lines)) == ["aliases repeat too much"]


def test_alias_stands_for_what_it_names() -> None:
    """Honest use of an alias works."""
    found = read_yaml(Text("p.yaml", "a: &x 5\nb: *x\n"))
    assert isinstance(found, Mapping)
    assert found.items["b"][1] == Scalar("5", quoted=False, place=Place(1, 4))


def test_broken_values_stay_in_their_place() -> None:
    """A faulty entry of a list does not move the ones behind it."""
    text = Text("p.yaml", "[no, b]")
    assert read_yaml(text) == Listing((Broken(Place(1, 2)), Scalar("b", quoted=False, place=Place(1, 6))), Place(1, 1))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("    keyy: sk-live-123", "    keyy: ***"),
        ("{url: x, key: sk-live-123}", "{url: x, key: ***"),
        ("api_key: ${ENV:X:-sk-live-123}", "api_key: ***"),
        ("key: ${ENV:PANEL_A_KEY}", "key: ${ENV:PANEL_A_KEY}"),
        ("Authorization: Bearer abc", "Authorization: ***"),
        ("currency: USD", "currency: USD"),
    ],
)
def test_key_in_a_faulty_line_is_struck_out(line: str, shown: str) -> None:
    """The line is shown with its fault, but never a secret that somebody wrote into it."""
    text = Text("p.yaml", line)
    text.fault(Place(1, 1), "wrong")
    assert text.faults[0].source == shown
