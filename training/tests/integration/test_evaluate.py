"""Evaluate published versions as the command line does."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from akin.papers import read_papers
from training.evaluation import evaluate, read_report, write_known_items
from training.registry import export

pytestmark = [
    pytest.mark.integration,
    # Warnings of libraries about their own code.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
FIELDS = "id=id,title=title,abstract=abstract"


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def test_a_version_is_compared_with_bm25_its_base_and_the_serving_one(
    tiny_model: Callable[[str], Path], papers: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source, repository = tiny_model("bert"), tmp_path / "repository"
    export.export(str(source), calibration_papers=papers, repository=repository, mapping=FIELDS)
    versions = repository / "text_encoder"
    # The same graph with another digest: evaluation identifies a version by its manifest.
    shutil.copytree(versions / "1", versions / "2")
    manifest = json.loads((versions / "1" / "manifest.json").read_text())
    digest = "f" * 64
    (versions / "2" / "manifest.json").write_text(json.dumps({**manifest, "version": 2, "digest": digest}))
    with read_papers(papers, FIELDS) as found:
        write_known_items(found, tmp_path / "known", kind="title", most=40)
    before = [contents(versions / number) for number in ("1", "2")]

    arguments = ["--repository", str(repository), "--version", "2", "--base", str(source), "--resamples", "200"]
    capfd.readouterr()
    arguments += ["--set", str(tmp_path / "known"), "--cache", str(tmp_path / "kept")]
    assert evaluate.main([*arguments, "--served", str(tmp_path / "served"), "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)

    folder = versions / "evaluations" / digest
    assert answer["folder"] == str(folder)
    assert {path.name for path in folder.iterdir()} == {
        "report.json", "report.md", "model_card.md", "scores.png", "differences.png",
    }  # fmt: skip
    report = read_report(folder / "report.json")
    assert list(report.systems) == [
        "bm25", "lexical", "base dense", "base hybrid", "version 1 dense", "version 1 hybrid", "version 2 dense",
        "version 2 hybrid",
    ]  # fmt: skip
    assert report.systems["version 2 hybrid"]["digest"] == digest
    # Both versions were made from the base.
    assert report.systems["version 2 hybrid"]["fp32"] == "base"
    assert "papers: " in report.systems["version 2 dense"]["calibration"]
    assert report.baseline == "version 1 hybrid"
    for mode in ("dense", "hybrid"):
        same = report.difference("known", f"version 2 {mode}", f"version 1 {mode}", "nDCG@10")
        assert same is not None
        assert (same.difference, same.low, same.high) == (0, 0, 0)
        to_base = report.difference("known", f"version 2 {mode}", f"base {mode}", "nDCG@10")
        assert to_base is not None
        assert abs(to_base.difference) < 0.1
    card = (folder / "model_card.md").read_text()
    assert digest in card
    assert "| known | MRR@10 |" in card
    assert [contents(versions / number) for number in ("1", "2")] == before


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_model_gives_the_vectors_that_it_gives_as_it_is(tiny_model: Callable[[str], Path]) -> None:
    from torch._dynamo.utils import counters

    source = str(tiny_model("bert"))
    texts = ["baran", "cesel ditin fovox", "gulyr hazum jesel kitin lovox muran baran"]
    plain = evaluate.torch_system(source, compile=False).encode_passages(texts)
    counters.clear()
    compiled = evaluate.torch_system(source, compile=True)
    np.testing.assert_allclose(compiled.encode_passages(texts), plain, atol=1e-5)
    assert counters["frames"]["ok"] > 0
    assert compiled.description["compiled"]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--version", "9", "--base", "none"], "9 cannot be run as a version of the encoder"),
        (["--version", "9", "--base", "none", "--model", "mine"], "--model mine must be NAME=FOLDER"),
    ],
)
def test_an_evaluation_error_is_printed_as_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], complaint: str
) -> None:
    (tmp_path / "text_encoder").mkdir()
    assert evaluate.main(["--repository", str(tmp_path), *more]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert complaint in shown.err.splitlines()[-1]
