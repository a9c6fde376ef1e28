"""Tables of the configuration for `docs/training.md`: `python -m training.pipeline.reference`.

The explanation of a key comes from its definition, that of a group's name from the first line of its file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import inspect

from training.errors import ConfigurationError
from training.pipeline.composition import CONFIGS, ROOT, groups
from training.pipeline.configuration import Configuration

DOCS = ROOT / "docs" / "training.md"
START = "<!-- made by: .venv-training/bin/python -m training.pipeline.reference -->"
END = "<!-- end of what is made -->"


def group_table() -> str:
    """Return the names of each group with their explanations."""
    lines = ["| group | name | explanation |", "| --- | --- | --- |"]
    for group, names in groups().items():
        for name in names:
            lines.append(f"| `{group}` | `{name}` | {_first_comment(CONFIGS / group / f'{name}.yaml')} |")
    return "\n".join(lines)


def key_table() -> str:
    """Return the keys of the configuration with their values and explanations."""
    lines = ["| key | only for | values | explanation |", "| --- | --- | --- | --- |"]
    rows: dict[tuple[str, str, str], list[str]] = {}
    for key, kind, values, explanation in _keys():
        rows.setdefault((key, values, explanation), []).extend([kind] if kind else [])
    for (key, values, explanation), kinds in rows.items():
        lines.append(f"| `{key}` | {', '.join(f'`{kind}`' for kind in kinds)} | {values} | {explanation} |")
    return "\n".join(lines)


def insert_tables(text: str) -> str:
    """Return the text of `docs/training.md` with the present tables between the two markers.

    Raises:
        ConfigurationError: A marker is missing.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ConfigurationError(f"{DOCS} lacks one of the lines that enclose the tables: {START} and {END}.")
    return f"{before}{START}\n\n{group_table()}\n\n{key_table()}\n\n{END}{after}"


def _keys() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, kind of the section if the group has several kinds, values and explanation of each key."""
    top = inspect.type_info(Configuration)
    assert isinstance(top, inspect.StructType)
    for field in top.fields:
        inner, explanation = _unwrap(field.type)
        sections = inner.types if isinstance(inner, inspect.UnionType) else (inner,)
        if not isinstance(sections[0], inspect.StructType):
            yield field.name, "", _values(inner), explanation
            continue
        for section in sections:
            assert isinstance(section, inspect.StructType)
            kind = str(section.tag or "")
            if section.tag_field:
                kinds = ", ".join(f"`{each.tag}`" for each in sections if isinstance(each, inspect.StructType))
                yield f"{field.name}.{section.tag_field}", "", kinds, "kind that the chosen name has"
            for key in section.fields:
                of, text = _unwrap(key.type)
                yield f"{field.name}.{key.name}", kind, _values(of), text


def _unwrap(node: inspect.Type) -> tuple[inspect.Type, str]:
    """Return a type without its metadata, and its explanation."""
    explanation = ""
    while isinstance(node, inspect.Metadata):
        explanation = explanation or (node.extra_json_schema or {}).get("description", "")
        node = node.type
    return node, explanation


def _values(node: inspect.Type) -> str:
    """Return in a few words which values a type accepts."""
    node, _ = _unwrap(node)
    match node:
        case inspect.UnionType():
            return " or ".join(_values(each) for each in node.types)
        case inspect.LiteralType():
            return ", ".join(f"`{value}`" for value in node.values)
        case inspect.NoneType():
            return "`null`"
        case inspect.BoolType():
            return "`true`, `false`"
        case inspect.IntType() | inspect.FloatType():
            return " ".join(["whole number" if isinstance(node, inspect.IntType) else "number", *_bounds(node)])
        case inspect.ListType():
            return f"list of: {_values(node.item_type)}"
        case inspect.DictType():
            return f"by {_values(node.key_type).replace('text', 'key')}: {_values(node.value_type)}"
        case inspect.StructType():
            return f"`{', '.join(field.name for field in node.fields)}`"
        case _:
            return "text"


def _bounds(node: Any) -> list[str]:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    bounds = [f"{word} {getattr(node, name):g}" for name, word in words.items() if getattr(node, name) is not None]
    return [" and ".join(bounds)] if bounds else []


def _first_comment(file: Path) -> str:
    """Return the explanation in the first line of a group's file that is a comment about it.

    Raises:
        ConfigurationError: There is none.
    """
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("# ") and not line.startswith("# @package"):
            return line.removeprefix("# ").rstrip(".")
    raise ConfigurationError(f"{file} must start with a comment of one line that explains it.")


if __name__ == "__main__":
    DOCS.write_text(insert_tables(DOCS.read_text("utf-8")), "utf-8")
