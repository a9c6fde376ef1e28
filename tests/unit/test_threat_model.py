"""Every attack in SECURITY.md names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (.+) \| (.+) \| (`tests/.+`) \|$", (ROOT / "SECURITY.md").read_text("utf-8"), re.MULTILINE)


def names_in(path: Path) -> set[str]:
    """Return the names of tests that pytest collects from a file."""
    tree = ast.parse(path.read_bytes())
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assigned = {
        name.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for name in node.targets
        if isinstance(name, ast.Name)
    }
    return {name for name in functions if name.startswith("test_")} | {
        name for name in assigned if name.startswith("Test")
    }


def test_every_attack_names_tests_that_exist() -> None:
    assert len(ROWS) > 25
    for attack, stopped_by, tests in ROWS:
        assert stopped_by.strip()
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", tests)
        assert tests == ", ".join(f"`{path}::{name}`" for path, name in named), attack
        for path, name in named:
            assert name in names_in(ROOT / path), f"{path}::{name}"
