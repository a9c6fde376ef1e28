"""Check that the map in docs/architecture.md and the glossary point to code that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
POINTER = re.compile(r"^\| (?P<term>[^|]+) \|(?:.*\|)? `(?P<path>[^`|]+)`(?:: `(?P<name>[^`|]+)`)? \|$", re.MULTILINE)
"""A table row that ends in a file, or in a file and a name: `path/file.py`: `name`."""


def pointers(page: str, heading: str) -> list[tuple[str, str, str | None]]:
    """Return term, file and name of each row of the table under a heading."""
    text = (ROOT / page).read_text("utf-8").split(heading, 1)[1].split("\n## ", 1)[0]
    return [(match["term"].strip(), match["path"], match["name"]) for match in POINTER.finditer(text)]


MAP = pointers("docs/architecture.md", "## Map\n")
GLOSSARY = pointers("docs/glossary.md", "# Glossary\n")


def defined_names(path: Path) -> set[str]:
    """Return the names of classes, functions, methods, constants and attributes that a Python file defines."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            found.add(ast.unparse(node.target))
        elif isinstance(node, ast.Assign):
            found |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def test_the_map_answers_twenty_questions() -> None:
    assert len(MAP) >= 20
    assert len({question for question, _, _ in MAP}) == len(MAP)


def test_a_term_has_one_line() -> None:
    terms = [term.casefold() for term, _, _ in GLOSSARY]
    assert len(terms) >= 40
    assert sorted(terms) == sorted(set(terms))
    assert terms == sorted(terms)


@pytest.mark.parametrize(("term", "path", "name"), MAP + GLOSSARY)
def test_what_is_named_is_there(term: str, path: str, name: str | None) -> None:
    file = ROOT / path
    assert file.exists(), f"{term}: {path} does not exist"
    if name is not None and file.suffix == ".py":
        assert name in defined_names(file), f"{term}: {path} does not define {name}"
    elif name is not None:
        assert name in file.read_text("utf-8"), f"{term}: {path} does not contain {name}"
