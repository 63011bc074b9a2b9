"""Markup: whatever is not markup is escaped, and what is shown can be read back."""

import html
import re

from gateway.web.apipage.markup import block, element, json_block, json_lines, prose, table

NASTY = """<b>"&'`</b>"""


def test_text_is_escaped_everywhere() -> None:
    """As a child, as an attribute, in code and in a table; markup inside markup stays."""
    assert element("p", NASTY, title=NASTY) == (
        '<p title="&lt;b&gt;&quot;&amp;&#x27;`&lt;/b&gt;">&lt;b&gt;&quot;&amp;&#x27;`&lt;/b&gt;</p>'
    )
    assert element("div", element("b", "x"), None) == "<div><b>x</b></div>"
    for made in (block(NASTY, label=NASTY), table(("A",), [(NASTY,)]), prose(NASTY.replace("`", ""))):
        assert "<b>" not in made
        assert "&lt;b&gt;" in made


def test_texts_of_a_program_are_told_apart() -> None:
    """And the program is the same without its colours."""
    program = """x = f('a<b', "it's") # don't\ny = '&'"""
    made = block(program)
    assert '<span class="t">&#x27;a&lt;b&#x27;</span>' in made
    assert html.unescape(re.sub(r"<[^>]*>", "", made)) == program


def test_attributes_are_written_as_html_has_them() -> None:
    """Python's own words with an underscore behind, a dash for one within, an empty one alone; void without an end."""
    assert element("input", class_="a", data_head="b", checked="") == '<input class="a" data-head="b" checked>'


def test_backticks_make_code_in_a_sentence() -> None:
    """And nothing else does."""
    assert prose("Send `key` now") == "Send <code>key</code> now"


def test_painted_json_is_the_json() -> None:
    """Without its colours it is what was given, whatever stands in its texts."""
    body = b'{"a\\"b":[1,-2.5e3,true,null,"x: 1, <i>\\\\"],"c":"true"}'
    for made in (json_lines([body, body]), json_lines([body])):
        text = html.unescape(re.sub(r"<[^>]*>", "", made))
        assert set(text.splitlines()) == {body.decode()}
    assert '<span class="k">&quot;c&quot;</span>:' in json_lines([body])
    assert '<span class="w">-2.5e3</span>' in json_lines([body])
    assert '<span class="t">&quot;true&quot;</span>' in json_block(body)
