"""Test that the page of capabilities has every row, filled, and names files that exist."""

from __future__ import annotations

import re

import pytest

from akin.stack_settings import ROOT

PAGE = (ROOT / "docs/capabilities.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| capability", "| ---"))
]
CAPABILITIES = """
dedicated environments, project structure, data download, model and training procedure, requirements, style
and types, documentation of essential parts, data versions, command lines, container images, configuration
files, profiling, logging, experiment tracking, hyperparameter sweep, seeded, unit tests of data, unit tests
of model, coverage, continuous integration, linting, pre-commit, a workflow when data changes, a workflow when
the model registry changes, data in a bucket, a trigger, training in the cloud, an API for inference, its
deployment, API tests, load tests, a specialised inference server, a front end, robustness against drift,
collection of inputs, a deployed drift detection API, system metrics, cloud monitoring, traces,
scheduled refresh, alerts, distributed data loading,
distributed training, quantisation, documentation published, architecture diagram, rate limits,
a vector index, embedding on several machines, a distributed vector and word index, a picture of the embeddings
"""
NAMES = [name.strip() for name in CAPABILITIES.replace("\n", " ").split(",") if name.strip()]
FILES = sorted(
    set(re.findall(r"`((?:[\w.-]+/)+[\w.*-]+(?:/[\w.*-]+)*|dvc\.yaml|cloudbuild\.yaml|docker-compose\.yml)`", PAGE))
)


@pytest.mark.parametrize("name", NAMES)
def test_a_capability_has_one_row_that_says_where_and_how(name: str) -> None:
    words = name.replace("documentation published", "documentation, published")
    (row,) = [row for row in ROWS if row[0].startswith(words)]
    assert len(row) == 4
    assert all(row[1:3])


def test_there_is_no_other_row() -> None:
    assert len(ROWS) == len(NAMES) == 51


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_named_exists(name: str) -> None:
    assert list(ROOT.glob(name)), name


def test_many_files_are_named_and_tests_among_them() -> None:
    assert len(FILES) > 60
    assert sum("tests/" in name for name in FILES) > 40


@pytest.mark.parametrize("word", sorted(set(re.findall(r"`make ([a-z-]+)`", PAGE))))
def test_a_target_that_is_named_exists(word: str) -> None:
    assert re.search(rf"^{word}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
