"""Hold docstrings to the project's style: what a reader meets first is a verb or a name, never a riddle."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = (
    "akin",
    "benchmarks",
    "charts",
    "client",
    "edge",
    "gradio_ui",
    "indexing",
    "loadtests",
    "model_repository",
    "papers",
    "relevance",
    "retrieval_service",
    "settings",
    "storage",
    "training/src",
)
QUESTION_WORDS = set("How That Those What Whatever When Where Whether Which Who Whoever Why".split())
"""A docstring that starts with one of these names neither a thing nor an effect."""
ARTICLES = {"A", "An", "The", "One", "Every"}
THIRD_PERSON = re.compile(r"^(?!Process|Less|Pass|Compress|Express|Access|Address|Discuss|Guess)[A-Z][a-z]*[^su]s$")
"""`Reads`, `Returns`: the imperative is `Read`, `Return`."""


def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if name.endswith(".py")]


def first_words(path: Path) -> list[tuple[int, str, bool]]:
    """Return line, first word, and whether it is a function's, for every docstring of a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if docstring:
                is_property = is_function and any("property" in ast.unparse(each) for each in node.decorator_list)
                word = docstring.split()[0].rstrip(".,:;")
                found.append((getattr(node, "lineno", 1), word, is_function and not is_property))
    return found


@pytest.mark.parametrize("name", files())
def test_docstrings_begin_with_a_verb_or_a_name(name: str) -> None:
    wrong = [
        f"{name}:{line} {word}"
        for line, word, is_function in first_words(ROOT / name)
        if word in QUESTION_WORDS or (is_function and (THIRD_PERSON.match(word) or word in ARTICLES))
    ]
    assert not wrong
