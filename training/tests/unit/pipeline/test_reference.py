import subprocess
import sys

import pytest
import yaml

from training.errors import ConfigurationError
from training.pipeline.composition import CONFIGS
from training.pipeline.reference import DOCS, group_table, insert_tables, key_table


def test_the_documentation_equals_the_definition() -> None:
    text = DOCS.read_text("utf-8")
    assert insert_tables(text) == text, "run: .venv-training/bin/python -m training.pipeline.reference"


def test_every_key_and_every_name_has_an_explanation() -> None:
    for line in [*group_table().splitlines()[2:], *key_table().splitlines()[2:]]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[0].strip("`")
        assert len(cells[-1]) > 3, line
        assert cells[-2], line


def test_every_key_of_the_files_is_in_the_table() -> None:
    table = key_table()
    for file in CONFIGS.glob("*/*.yaml"):
        if file.parent.name != "experiment":
            for key in set(yaml.safe_load(file.read_text()) or {}) - {"defaults"}:
                assert f"| `{file.parent.name}.{key}` |" in table


def test_a_missing_marker_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"training\.md"):
        insert_tables("# Training\n")


def test_composing_loads_no_torch() -> None:
    code = "import sys, training.pipeline.preflight; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
