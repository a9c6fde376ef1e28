"""From a trained model to a version: compressed, evaluated as it is, and only then published."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from training.compression import gpu
from training.errors import PublishError
from training.evaluation import read_report
from training.pipeline.run import finish
from training.pipeline.run_folder import RunFolder, create_run, revision
from training.pipeline.stages import load_stage
from training.registry.source import file_sha256

pytestmark = [
    pytest.mark.integration,
    # Of libraries that the export calls, about themselves.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
QUICK = ("trainer.steps=2", "evaluation.resamples=100")


def test_what_was_evaluated_is_what_is_published(
    environment: Path, prepared: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str]
) -> None:
    versions = environment / "repository" / "text_encoder"
    run = prepared("first", *QUICK, "compress=int8_pruned", "compress.layers=1", "compress.token_count=1")
    for one in ("train", "compress", "evaluate"):
        load_stage(one)(run)
    assert not versions.exists()
    report = read_report(run.stage_folder("evaluate") / "report.json")
    assert list(report.systems) == ["bm25", "base", "fine-tuned", "compressed"]
    assert report.baseline == "base"
    encoder = run.stage_folder("compress") / "encoder"
    compressed = {path.name: path.read_bytes() for path in encoder.iterdir() if path.name != "manifest.json"}
    finish(run)  # what is left: the export

    published = {path.name: path.read_bytes() for path in (versions / "1").iterdir() if path.name != "manifest.json"}
    assert published == compressed
    made = json.loads((versions / "1" / "manifest.json").read_bytes())
    assert made["version"] == 1
    assert made["recipe"]["pruned_to"]["layers"] == 1
    assert run.read_record()["version"] == {"number": 1, "digest": made["digest"], "promoted": True}
    beside = versions / "evaluations" / made["digest"]
    told = read_report(beside / "report.json")
    assert list(told.systems) == ["bm25", "base", "fine-tuned", "version 1"]
    assert told.score("held_out_title", "version 1", "MRR@10") is not None
    assert told.difference("held_out_title", "version 1", "base", "nDCG@10") is not None
    assert "version 1 of Akin's encoder" in (beside / "model_card.md").read_text()

    # Without the run's folder it is still told what the version was made from, and what a GPU serves can be made of it.
    told_of = made["training"]
    papers = Path(run.configuration.data.papers)
    base = Path(run.configuration.model.source or "")
    assert told_of["base"] == {"source": "folder model", "weights_sha256": file_sha256(base / "model.safetensors")}
    assert told_of["corpus"] == {"file": papers.name, "sha256": file_sha256(papers), "read": 200}
    assert told_of["revision"] == revision()
    assert (told_of["loss"]["kind"], told_of["steps"], told_of["pairs"]["count"]) == ("mnrl", 2, 140)
    assert told_of["pairs"]["sha256"] == file_sha256(run.stage_folder("mine") / "pairs.jsonl")
    assert str(papers.parent) not in json.dumps(made)
    card = (beside / "model_card.md").read_text()
    assert told_of["corpus"]["sha256"] in card
    assert f"- fine-tuned from: folder model, SHA-256 `{told_of['base']['weights_sha256']}`" in card
    assert "- loss: mnrl (scale " in card
    assert "evaluate: done before" in capfd.readouterr().err

    # A change of the compression alone trains nothing again, and the version that serves is what it is held against.
    again = create_run(run.folder, prepared("second", *QUICK, "compress=fp16").configuration)
    finish(again)
    assert "train: done before" in capfd.readouterr().err
    half = json.loads((versions / "2" / "manifest.json").read_bytes())
    assert half["recipe"]["precision"] == "FP16"
    assert half["parity"]["mean_cosine"] > 0.9999
    told = read_report(versions / "evaluations" / half["digest"] / "report.json")
    assert list(told.systems) == ["bm25", "base", "fine-tuned", "version 1", "version 2"]
    assert told.baseline == "version 1"
    assert (versions / "PROMOTED").read_text() == "1\n"
    shutil.rmtree(run.folder)
    fields = run.configuration.data.mapping
    gpu_made = gpu.export_fp16(environment / "repository", 2, wanted=None, texts=papers, mapping=fields)
    assert gpu_made["digest"] == half["digest"]
    assert gpu_made["parity"]["mean_cosine"] > 0.999


def test_a_disk_that_is_full_at_the_export_leaves_no_version(
    environment: Path, prepared: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepared("full", *QUICK)
    for one in ("train", "compress", "evaluate"):
        load_stage(one)(run)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "manifest.json")

    monkeypatch.setattr("training.registry.manifest.write", full)
    with pytest.raises(PublishError, match=r"manifest\.json: No space left"):
        load_stage("export")(run)
    assert list((environment / "repository" / "text_encoder").iterdir()) == []
    assert not run.is_done("export")
