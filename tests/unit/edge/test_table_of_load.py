"""Check that the section Load of docs/reliability.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECTION = re.compile(r"\n## Load\n(.*?)(?=\n## |\Z)", re.DOTALL)


def test_every_row_names_a_test_that_exists() -> None:
    found = SECTION.search((ROOT / "docs/reliability.md").read_text("utf-8"))
    assert found
    rows = [
        line for line in found[1].splitlines() if line.startswith("| ") and not line.startswith(("| what", "| ---"))
    ]
    files = {path.name: path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    code = "\n".join(files.values())
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"\b(test_\w+?)(\.py)?\b(?!/)", row)
        assert named, row
        for name, suffix in named:
            assert f"{name}.py" in files if suffix else f"def {name}(" in code, name
