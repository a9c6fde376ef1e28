"""Check the tables of SECURITY.md and docs/reliability.md against what `make removals` takes out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.removals.run import ROOT, Removal, of_libraries, read

REMOVALS = read()
ROW = re.compile(r"^\| (?!attack |fault |what |---)([^|]+) \| (.*test_.*) \|$", re.MULTILINE)
NAME = re.compile(r"(?:(tests/[\w/]+\.py)::|`)(test_\w+|Test\w+)`|(\w+\.py)::(\w+)")


def rows() -> dict[str, str]:
    """Return the rows of both tables, by their first cell."""
    security = (ROOT / "SECURITY.md").read_text("utf-8").split("\n### Attacks\n")[1].split("\n## ")[0]
    texts = security, (ROOT / "docs/reliability.md").read_text("utf-8")
    return {cell: rest for text in texts for cell, rest in ROW.findall(text)}


def names_in(path: Path) -> set[str]:
    """Return the names of tests that pytest collects from a file."""
    names: set[str] = set()
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {name.id for name in node.targets if isinstance(name, ast.Name)}
    return {name for name in names if name.startswith(("test_", "Test"))}


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda each: f"{each.row[:40]}-{each.edits[0].file}")
def test_what_is_taken_out_is_in_its_file_once(removal: Removal, tmp_path: Path) -> None:
    for edit in removal.edits:
        copy = tmp_path / edit.file
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / edit.file).read_bytes())
        before = copy.read_bytes()
        edit.apply(tmp_path)
        assert copy.read_bytes() != before
        if copy.suffix == ".py":
            compile(copy.read_bytes(), edit.file, "exec")


def test_every_test_of_every_row_has_a_protection_that_is_taken_out() -> None:
    shown = of_libraries()
    for removal in REMOVALS:
        shown.setdefault(removal.row, []).extend(removal.tests)
    found = rows()
    assert len(found) > 80
    assert sorted(shown.keys() - found) == []
    for cell, rest in found.items():
        tests = shown.get(cell, [])
        for test in tests:
            path, _, name = test.partition("::")
            assert name.partition("[")[0] in names_in(ROOT / path), test
            assert name.partition("[")[0] in rest or Path(path).name in rest, f"{test} is not in the row: {cell}"
        for path, name, file, inner in NAME.findall(rest):
            wanted = f"{path or file}::{name or inner}" if path or file else f"::{name}"
            assert any(f"{test.partition('[')[0]}|".find(f"{wanted}|") >= 0 for test in tests), f"{cell}: {wanted}"
        for file in re.findall(r"`[\w./]*?(test_\w+\.py)`", rest):
            assert any(f"/{file}::" in test for test in tests), f"{cell}: {file}"
        assert tests, f"nothing is taken out for the row: {cell}"


def test_every_file_of_faults_is_in_the_table() -> None:
    text = (ROOT / "docs/reliability.md").read_text("utf-8")
    assert [path.name for path in (ROOT / "tests/chaos").glob("test_*.py") if path.name not in text] == []
