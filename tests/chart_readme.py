"""Writes the table of values in helm/README.md from the comments in helm/values.yaml: `make chart-readme`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

CHART: Final = Path(__file__).parent.parent / "helm"
BEGIN: Final = "<!-- values: written by `make chart-readme` -->\n"
END: Final = "<!-- end of values -->\n"
# A default longer than this is left to values.yaml.
SHOWN_MAX: Final = 60


def rows(values: str) -> Iterator[tuple[str, str, str]]:
    """Each value's path, default and meaning; the comment right above it is its meaning, and it has to have one."""
    top = yaml.compose(values, Loader=yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)
    yield from _rows(values.splitlines(), top, "")


def _rows(lines: list[str], node: yaml.MappingNode, at: str) -> Iterator[tuple[str, str, str]]:
    for key, value in node.value:
        path = f"{at}.{key.value}".lstrip(".")
        said = _comment_above(lines, key.start_mark.line)
        if not said and isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _rows(lines, value, path)
            continue
        assert said, f"values.yaml:{key.start_mark.line + 1}: {path} has no comment: say what it is for"
        yield path, _shown(value), said


def _comment_above(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line and lines[line - 1].strip().startswith("# "):
        line -= 1
        found.insert(0, lines[line].strip().removeprefix("# "))
    return " ".join(found)


def _shown(node: yaml.Node) -> str:
    written = json.dumps(yaml.safe_load(yaml.serialize(node)), ensure_ascii=False)
    if len(written) > SHOWN_MAX or "\\n" in written:
        return "see values.yaml"
    return f"`{written}`" if written not in ('""', "null", "[]", "{}") else ""


def readme() -> str:
    """README.md as it has to be."""
    text = (CHART / "README.md").read_text("utf-8")
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    table = ["| value | default | meaning |", "|---|---|---|"]
    for path, default, meaning in rows((CHART / "values.yaml").read_text("utf-8")):
        table.append(f"| `{path}` | {default.replace('|', chr(92) + '|')} | {meaning.replace('|', chr(92) + '|')} |")
    return head + BEGIN + "\n".join(table) + "\n" + END + tail


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme(), "utf-8")
