"""Run the commands of quickstart and tutorials as a reader does, page by page, with a stack of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from akin.stack_settings import ROOT, Settings
from tests.conftest import akin, copy_corpora, environment_for
from tests.pages import PAGES, blocks

pytestmark = [pytest.mark.long, pytest.mark.timeout(4 * 3600)]

MOST_SECONDS = 3600
"""Longest time of one block: far more than it takes alone, as other work may share the machine."""

RUNNABLE = [page for page in PAGES if any(block.run for block in blocks(page))]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda path: path.stem)
def test_the_commands_of_a_page_work_in_their_order(page: Path, encoder_repository: Path, tmp_path: Path) -> None:
    data, models, work = tmp_path / "data", tmp_path / "models", tmp_path / "work"
    copy_corpora(data)
    models.mkdir()
    work.mkdir()
    marked = [block for block in blocks(page) if block.run]
    if not any("akin encoder export" in block.text for block in marked):
        shutil.copytree(encoder_repository, models, dirs_exist_ok=True)
    environment = environment_for(data, models)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT / "client")
    settings = Settings.read(environment)
    addresses = {"http://127.0.0.1:8080": settings.service_url, "127.0.0.1:8080": settings.service_url}
    try:
        for block in marked:
            text = block.text
            for usual, own in addresses.items():
                text = text.replace(usual, own)
            command = (
                [sys.executable, "-c", text] if block.language == "python" else ["bash", "-euo", "pipefail", "-c", text]
            )
            done = subprocess.run(
                command, cwd=work, env=environment, capture_output=True, text=True, timeout=MOST_SECONDS, check=False
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            assert done.stdout + done.stderr, f"no output of:\n{block.text}"
    finally:
        akin("down", environment=environment)


def test_quickstart_and_every_tutorial_but_the_gpu_are_run() -> None:
    run = {page.relative_to(ROOT).as_posix() for page in RUNNABLE}
    pages = {f"docs/tutorials/{path.name}" for path in (ROOT / "docs/tutorials").glob("*.md")} - {
        "docs/tutorials/gpu.md"
    }
    assert run >= {"docs/quickstart.md", *pages}
