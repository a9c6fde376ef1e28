"""Check that the table of faults names tests that exist, and that each of these files is named in it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs/reliability.md"
ROW = re.compile(r"^\| (?!fault \|)[^|]+ \| [^|]+ \| [^|]+ \| `([\w./]+\.py)`: ([^|]+) \| [^|]+ \|$", re.MULTILINE)


def test_every_row_names_a_test_that_exists() -> None:
    section = PAGE.read_text("utf-8").split("\n## Faults\n")[1].split("\n## ")[0]
    rows = ROW.findall(section)
    lines = [
        line for line in section.splitlines() if line.startswith("| ") and not line.startswith(("| fault", "| ---"))
    ]
    assert len(rows) == len(lines) > 20
    named: set[str] = set()
    for file, tests in rows:
        tree = ast.parse((FOLDER / file).read_bytes())
        there = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert {each.strip(" `") for each in tests.split(",")} <= there, file
        named.add(file)
    assert {path.name for path in FOLDER.glob("test_*.py")} - {Path(__file__).name} <= named
