"""Test that the training image holds what a run reads and imports; `make compose-test` trains in it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from akin.stack_settings import ROOT
from tests.unit.deploy.composition import dockerfile

OWN = ("akin", "gradio_ui", "model_repository", "retrieval_service")
SOURCE = "/opt/akin/src"


def copied() -> dict[str, str]:
    """Return the place in the image of each folder of the project."""
    lines = [line.split() for line in dockerfile("training.Dockerfile") if line.startswith("COPY ")]
    return {source: target for _, source, target in (line for line in lines if len(line) == 3)}


def imported(folder: Path) -> set[str]:
    """Return the top names that the modules below a folder import."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names


def test_every_folder_of_this_project_that_training_imports_is_in_the_image() -> None:
    wanted = imported(ROOT / "training/src") & set(OWN)
    assert {"akin", "retrieval_service"} <= wanted
    for name in wanted:
        assert copied()[name] == f"{SOURCE}/{name}"


def test_a_container_trains_by_the_command_that_a_user_types() -> None:
    text = (ROOT / "deploy/training.Dockerfile").read_text()
    assert "exec /opt/akin/bin/python -m akin" in text
    assert "> /opt/akin/bin/akin" in text
    lock = (ROOT / "training/requirements.lock").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for requirement in [*extras["cli"], *extras["cloud"]]:
        name = re.split(r"[><=\[; ]", requirement)[0]
        assert re.search(rf"^{name}==", lock, re.MULTILINE), name


def test_hydras_files_are_where_the_code_looks_for_them() -> None:
    source = ROOT / "training/src/training/pipeline/composition.py"
    assert 'parents[3] / "configs"' in source.read_text()
    assert copied()["training/src"] == f"{SOURCE}/training/src"
    assert copied()["training/configs"] == f"{SOURCE}/training/configs"
