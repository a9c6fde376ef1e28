"""A version and its evaluation, as release 0.1.0 wrote them, are read by today's code."""

import json
from pathlib import Path

from training.evaluation import markdown, plots, read_report
from training.registry import manifest, model_card, publish

BEFORE = Path(__file__).parents[3] / "tests" / "data" / "text_encoder_of_schema_1"


def test_the_manifest_names_the_encoder_by_the_same_digest() -> None:
    before = json.loads((BEFORE / "1" / manifest.MANIFEST_FILE).read_text())
    graph, tokenizer = (before["files"][name]["sha256"] for name in ("model.onnx", "tokenizer.json"))
    parts = graph, tokenizer, before["max_length"], before["passage_text_version"]
    assert manifest.encoder_digest(*parts) == before["digest"]
    assert manifest.encoder_digest(*parts, before.get("prompts")) == before["digest"]
    assert before["schema"] == manifest.MANIFEST_SCHEMA
    assert publish.promoted_version(BEFORE) == 1


def test_the_report_is_read_rendered_and_written_unchanged(tmp_path: Path) -> None:
    version = json.loads((BEFORE / "1" / "manifest.json").read_text())
    path = BEFORE / publish.EVALUATIONS / version["digest"] / "report.json"
    report = read_report(path)
    score = report.score("known", "version 1", "recall@10")
    assert score is not None
    assert (score.mean, score.low, score.high) == (0.75, 0.5, 1.0)
    assert report.write(tmp_path).read_bytes() == path.read_bytes()
    assert "| version 1 – bm25 | -0.0086 [-0.1876, +0.1912] |" in markdown.render(report)
    assert "| known | nDCG@10 | 0.3167 | 0.3253 | -0.0086 [-0.1876, +0.1912] |" in model_card.render(
        version, report, "version 1"
    )
    plots.draw(report, tmp_path)
