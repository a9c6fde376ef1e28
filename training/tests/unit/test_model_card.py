from training.evaluation.report import EvaluationReport
from training.registry import model_card

REPORT = EvaluationReport(
    baseline="base", systems={}, sets={}, scores=[], differences=[], settings={"confidence": 0.95, "resamples": 10},
    created="2026-01-01T00:00:00+00:00", machine={}, schema=1,
)  # fmt: skip
MANIFEST = {
    "name": "tiny",
    "dim": 8,
    "max_length": 64,
    "digest": "ab",
    "prompts": {"query": "ask: ", "passage": ""},
    "recipe": {
        "precision": "FP16",
        "dimensions": 8,
        "instead_of": {"INT8": "the mean cosine to the original is 0.98000, at least 0.995 is required"},
        "calibration": {"texts": 200, "papers": "train.jsonl", "drawn_from": 500, "part": "train"},
    },
}


def test_the_card_says_prompts_and_why_the_version_is_not_in_int8() -> None:
    card = model_card.render(MANIFEST, REPORT, "version 3")
    assert "- prompt of a query: `ask: `" in card
    assert "prompt of a passage" not in card
    assert "- precision: FP16" in card
    assert "- not INT8 because: the mean cosine to the original is 0.98000" in card
    assert "- dimensions kept of each vector: 8" in card
    assert "- calibrated with: 200 texts of train.jsonl, train part" in card
    plain = {key: value for key, value in MANIFEST.items() if key != "prompts"} | {"recipe": {"precision": "INT8"}}
    assert not {"prompt", "because"} & set(model_card.render(plain, REPORT, "version 3").split())
