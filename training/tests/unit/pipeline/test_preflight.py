from pathlib import Path

import pytest

from training.errors import TrainingError
from training.pipeline import preflight
from training.pipeline.composition import compose


@pytest.fixture(autouse=True)
def _paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path / "repository"))


def test_a_run_whose_inputs_exist_is_accepted_and_nothing_is_written(tmp_path: Path) -> None:
    preflight.check(compose(["experiment=smoke"]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("override", "named"),
    [
        (
            "evaluation.sets=[/nowhere/cranfield]",
            r"evaluation\.sets: there is no file /nowhere/cranfield/corpus\.jsonl",
        ),
        ("compress.calibration=/nowhere.json", r"compress\.calibration: there is no file /nowhere\.json"),
        ("pairs.citations=/nowhere.jsonl", r"pairs\.citations: there is no file"),
        ("data.papers=/nowhere.jsonl", r"data\.papers: there is no file"),
        ("data.papers=/tmp", r"data\.papers: /tmp is a folder\. Name a file in it"),
        ("model.source=/nowhere", r"model\.source: /nowhere is not a folder"),
        ("loss=contrastive", "labelled pairs"),
        ("paths.repository=/dev/null/repository", "AKIN_MODEL_REPOSITORY"),
    ],
)
def test_a_missing_input_is_refused_before_the_training(override: str, named: str) -> None:
    with pytest.raises(TrainingError, match=named):
        preflight.check(compose(["experiment=smoke", override]))


def test_pairs_that_hybrid_negatives_cannot_belong_to_are_refused_before_anything_is_mined() -> None:
    preflight.check(compose(["experiment=smoke", "pairs=kinds", "mine=hybrid"]))
    with pytest.raises(TrainingError, match=r"mine=hybrid .* pairs\.shares\.subject gives others"):
        preflight.check(compose(["experiment=smoke", "pairs=subject", "mine=hybrid"]))


@pytest.mark.parametrize(("loss", "key"), [("gist", "guide"), ("distillation", "teacher")])
def test_a_missing_guide_or_teacher_is_named_by_its_key(loss: str, key: str) -> None:
    with pytest.raises(TrainingError, match=rf"loss\.{key}: /nowhere is not a folder"):
        preflight.check(compose(["experiment=smoke", f"loss={loss}", f"loss.{key}=/nowhere"]))
