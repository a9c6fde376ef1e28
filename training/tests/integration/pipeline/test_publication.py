"""A trained model is compressed, evaluated in that form, and only then published."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from akin.storage.digest import file_digest
from training.compression import gpu
from training.errors import PublishError
from training.evaluation import read_report
from training.pipeline.run import finish
from training.pipeline.run_folder import RunFolder, create_run, revision
from training.pipeline.stages import load_stage, run_stages

pytestmark = [
    pytest.mark.integration,
    # Warnings of the libraries that the export calls.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
QUICK = ("trainer.steps=2", "evaluation.resamples=100")


def test_exactly_the_evaluated_files_are_published(
    environment: Path, prepared: Callable[..., RunFolder], capfd: pytest.CaptureFixture[str]
) -> None:
    versions = environment / "repository" / "text_encoder"
    run = prepared("first", *QUICK, "compress=int8_pruned", "compress.layers=1", "compress.token_count=1")
    run_stages(run, ("train", "compress", "evaluate"))
    assert not versions.exists()
    report = read_report(run.stage_folder("evaluate") / "report.json")
    searches = [f"{name} {mode}" for name in ("base", "fine-tuned", "compressed") for mode in ("dense", "hybrid")]
    assert list(report.systems) == ["bm25", "lexical", *searches]
    assert report.baseline == "base hybrid"
    assert report.sets["held_out_title"].aimed
    encoder = run.stage_folder("compress") / "encoder"
    compressed = {path.name: path.read_bytes() for path in encoder.iterdir() if path.name != "manifest.json"}
    finish(run)  # only the export remains

    published = {path.name: path.read_bytes() for path in (versions / "1").iterdir() if path.name != "manifest.json"}
    assert published == compressed
    made = json.loads((versions / "1" / "manifest.json").read_bytes())
    # The papers that the version is evaluated on have no part in its calibration.
    calibration = made["recipe"]["calibration"]
    assert (calibration["papers"], calibration["part"]) == ("train.jsonl", "train")
    assert made["version"] == 1
    assert made["recipe"]["pruned_to"]["layers"] == 1
    assert run.read_record()["version"] == {"number": 1, "digest": made["digest"], "promoted": True}
    beside = versions / "evaluations" / made["digest"]
    published_report = read_report(beside / "report.json")
    assert published_report.encoders == ["base", "fine-tuned", "version 1"]
    assert published_report.systems["version 1 hybrid"]["fp32"] == "fine-tuned"
    assert published_report.score("held_out_title", "version 1 hybrid", "MRR@10") is not None
    assert published_report.difference("held_out_title", "version 1 dense", "base dense", "nDCG@10") is not None
    assert "version 1 of Akin's encoder" in (beside / "model_card.md").read_text()

    # Manifest and model card describe the training, and the encoder for GPUs can be made, without the run's folder.
    training = made["training"]
    papers = Path(run.configuration.data.papers)
    base = Path(run.configuration.model.source or "")
    assert training["base"] == {"source": "folder model", "weights_sha256": file_digest(base / "model.safetensors")}
    assert training["corpus"] == {"file": papers.name, "sha256": file_digest(papers), "read": 200}
    assert training["revision"] == revision()
    assert (training["max_length"], training["served_max_length"]) == (32, 48)
    assert (training["loss"]["kind"], training["steps"], training["pairs"]["count"]) == ("mnrl", 2, 140)
    assert training["pairs"]["sha256"] == file_digest(run.stage_folder("mine") / "pairs.jsonl")
    assert str(papers.parent) not in json.dumps(made)
    card = (beside / "model_card.md").read_text()
    assert training["corpus"]["sha256"] in card
    assert f"- fine-tuned from: folder model, SHA-256 `{training['base']['weights_sha256']}`" in card
    assert "- loss: mnrl (scale " in card
    assert "trained on the first 32 tokens of a text, although 48 are read" in card
    assert "evaluate: done before" in capfd.readouterr().err

    # The same model is not published twice.
    shutil.rmtree(run.stage_folder("export"))
    finish(run)
    assert not (versions / "2").exists()
    assert run.read_record()["version"]["number"] == 1
    metrics = json.loads((run.stage_folder("evaluate") / "metrics.json").read_bytes())
    assert metrics["held_out_title"]["compressed hybrid"]["MRR@10"] == pytest.approx(
        published_report.score("held_out_title", "version 1 hybrid", "MRR@10").mean, abs=1e-4
    )

    # With another compression alone, nothing is trained again, and the version that serves is the baseline.
    again = create_run(run.folder, prepared("second", *QUICK, "compress=fp16").configuration)
    finish(again)
    assert "train: done before" in capfd.readouterr().err
    half = json.loads((versions / "2" / "manifest.json").read_bytes())
    assert half["recipe"]["precision"] == "FP16"
    assert half["parity"]["mean_cosine"] > 0.9999
    published_report = read_report(versions / "evaluations" / half["digest"] / "report.json")
    assert published_report.encoders == ["base", "fine-tuned", "version 1", "version 2"]
    assert published_report.baseline == "version 1 hybrid"
    assert (versions / "PROMOTED").read_text() == "1\n"
    shutil.rmtree(run.folder)
    fields = run.configuration.data.mapping
    gpu_made = gpu.export_fp16(environment / "repository", 2, wanted=None, texts=papers, mapping=fields)
    assert gpu_made["digest"] == half["digest"]
    assert gpu_made["parity"]["mean_cosine"] > 0.999


def test_a_full_disk_during_the_export_leaves_no_version(
    environment: Path, prepared: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepared("full", *QUICK)
    run_stages(run, ("train", "compress", "evaluate"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "manifest.json")

    monkeypatch.setattr("training.registry.manifest.write", full)
    with pytest.raises(PublishError, match=r"manifest\.json: No space left"):
        load_stage("export")(run)
    assert list((environment / "repository" / "text_encoder").iterdir()) == []
    assert not run.is_done("export")
