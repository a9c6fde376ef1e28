"""Completion in the shell: commands, options and their values."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

AKIN = Path(sys.executable).parent / "akin"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("akin sea", {"search"}),
        ("akin search --mod", {"--mode"}),
        ("akin search --mode ", {"hybrid", "dense", "lexical"}),
        ("akin digest --format ", {"text", "markdown", "html"}),
    ],
)
def test_the_shell_is_offered_what_fits(words: str, offered: set[str]) -> None:
    place = str(len(words.split(" ")) - 1)
    shell = {"_AKIN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
    done = subprocess.run([AKIN], env={**os.environ, **shell}, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == offered


def test_installing_it_adds_a_line_to_the_shell_of_the_user(tmp_path: Path) -> None:
    own = {
        **os.environ,
        "HOME": str(tmp_path),
        "SHELL": "/bin/bash",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    done = subprocess.run([AKIN, "--install-completion", "bash"], env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "_AKIN_COMPLETE=complete_bash" in (tmp_path / ".bash_completions/akin.sh").read_text()
    assert "akin.sh" in (tmp_path / ".bashrc").read_text()
