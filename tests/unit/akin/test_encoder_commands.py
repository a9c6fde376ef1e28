"""Commands of `akin encoder` that call the training environment, which is replaced here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from akin import training_environment
from akin.cli import app
from akin.cli.encoder import PRECISIONS

RECIPE = {
    "name": "tiny",
    "parameters": 22.7,
    "dim": 384,
    "tokens": 512,
    "licence": "MIT",
    "figures": {"scifact": 0.645, "scidocs": None, "nfcorpus": 0.3},
    "choose": "tests",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Record the commands of the training environment, and answer them."""
    calls: list[tuple[str, list[str]]] = []

    def run(settings: object, module: str, arguments: list[str], left: str) -> dict[str, Any]:
        calls.append((module, arguments))
        return {"recipes": [RECIPE], "version": 3, "recipe": {"precision": "FP16"}}

    monkeypatch.setattr(training_environment, "run_in_training", run)
    return calls


def test_recipes_are_a_table_or_json(asked: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["encoder", "recipes"])
    assert shown.exit_code == 0, shown.output
    heading, line = shown.stdout.splitlines()
    assert heading.split()[:2] == ["name", "million"]
    assert line.split() == ["tiny", "22.7", "384", "512", "MIT", "0.645", "0.300", "tests"]
    assert json.loads(CliRunner().invoke(app, ["encoder", "recipes", "--json"]).stdout) == [RECIPE]
    assert asked == [("registry.recipes", [])] * 2


@pytest.mark.parametrize("option", ["--model", "--source"])
def test_export_passes_its_options_on(
    option: str, asked: list[tuple[str, list[str]]], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers = tmp_path / "papers.jsonl"
    papers.write_text("")
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path))
    options = ["--dimensions", "256", "--query-prompt", "-q: ", "--max-length", "1024", "--precision", "fp16"]
    done = CliRunner().invoke(app, ["encoder", "export", option, "tiny", "--calibration", str(papers), *options])
    assert done.exit_code == 0, done.output
    assert "version 3 is exported in FP16" in done.stderr
    ((module, arguments),) = asked
    assert module == "registry.export"
    assert arguments[:4] == ["--repository", str(tmp_path), "--calibration", str(papers)]
    assert arguments[4:6] == ["--model", "tiny"]
    assert set(arguments[6:]) == {"--dimensions=256", "--query-prompt=-q: ", "--max-length=1024", "--precision=fp16"}


def test_an_unknown_precision_is_refused_before_anything_starts(asked: list[tuple[str, list[str]]]) -> None:
    done = CliRunner().invoke(app, ["encoder", "export", "--precision", "int4"])
    assert done.exit_code != 0
    assert f"there are: {', '.join(PRECISIONS)}" in str(done.exception or done.output)
    assert asked == []


def test_an_evaluation_takes_the_promoted_reranker_or_the_one_that_is_named(
    asked: list[tuple[str, list[str]]], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path))
    for model, count in (("text_encoder", 1), ("reranker", 2)):
        for number in range(1, count + 1):
            (tmp_path / model / str(number)).mkdir(parents=True)
            (tmp_path / model / str(number) / "manifest.json").write_text(json.dumps({"digest": f"{model} {number}"}))
    (tmp_path / "text_encoder/PROMOTED").write_text("1\n")

    def given(*options: str) -> list[str]:
        done = CliRunner().invoke(app, ["evaluate", "--set", "cisi", "--json", *options])
        assert done.exit_code == 0, done.output
        module, arguments = asked.pop()
        assert module == "evaluation.evaluate"
        return arguments[arguments.index("--version") + 2 : arguments.index("--set")]

    assert given() == [], "no reranker is promoted"
    assert given("--reranker", "1", "--rerank", "10") == ["--reranker", "1", "--rerank", "10"]
    (tmp_path / "reranker/PROMOTED").write_text("2\n")
    assert given() == ["--reranker", "2", "--rerank", "30"]
    assert given("--rerank", "0") == []
    refused = CliRunner().invoke(app, ["evaluate", "--set", "cisi", "--reranker", "7"])
    assert "reranker version 7 is not in" in str(refused.exception)
    assert asked == []
