"""Versions are compared with the FP32 weights that they were made from."""

from pathlib import Path
from typing import Any

import pytest

from training.errors import SourceError
from training.evaluation import Bm25, evaluate


class Described:
    """System with a description alone."""

    def __init__(self, **description: Any) -> None:
        self.description = description


class Version(Described):
    def __init__(self, folder: Path, runtime: str) -> None:
        super().__init__(digest=folder.name)
        self.made_from = {
            "source": "folder",
            "weights_sha256": {"1": "a", "2": "b", "3": "gone", "4": "b"}[folder.name],
        }


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository whose version 1 serves; it was made from the base, 2 and 4 from one other model."""
    for weights in ("a", "b"):
        (tmp_path / "text_encoder" / "sources" / weights).mkdir(parents=True)
    (tmp_path / "text_encoder" / "PROMOTED").write_text("1\n")
    (tmp_path / "text_encoder" / "1").mkdir()
    loaded: list[str] = []

    def model(wanted: str | None, *, compile: bool = False) -> Described:
        if wanted is None:
            raise SourceError("its source cannot be loaded.")
        loaded.append(Path(wanted).name)
        return Described(weights=Path(wanted).name, digest=f"digest of {Path(wanted).name}")

    monkeypatch.setattr(evaluate, "torch_system", model)
    monkeypatch.setattr(evaluate, "VersionSystem", Version)
    return tmp_path


def load(repository: Path, *numbers: int, base: str = "models/a") -> tuple[dict[str, Any], str]:
    folders = {f"version {number}": repository / "text_encoder" / str(number) for number in numbers}
    return evaluate.load_systems(repository, folders, base=base)  # type: ignore[return-value]


def test_each_version_names_its_fp32_weights_which_are_loaded_once(repository: Path) -> None:
    systems, baseline = load(repository, 2, 4)
    assert list(systems) == ["bm25", "base", "version 2 FP32", "version 1", "version 2", "version 4"]
    assert baseline == "version 1"
    weights = {name: system.description.get("fp32") for name, system in systems.items() if isinstance(system, Version)}
    assert weights == {"version 1": "base", "version 2": "version 2 FP32", "version 4": "version 2 FP32"}
    pairs = evaluate.candidate_comparisons(systems, ["version 2"], baseline)
    assert ("version 2", "version 2 FP32") in pairs
    assert not any(one == baseline for one, _ in pairs), "every system is compared with the baseline already"
    assert ("version 2 FP32", "base") in pairs, "FP32 against FP32"


def test_the_serving_version_alone_is_compared_with_the_base(repository: Path) -> None:
    systems, baseline = load(repository, 1)
    assert (list(systems), baseline) == (["bm25", "base", "version 1"], "base")


def test_weights_that_are_gone_are_reported_and_not_compared(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    systems, _ = load(repository, 3)
    assert "fp32" not in systems["version 3"].description
    assert "version 3 cannot be compared with its FP32 weights: its source cannot be loaded." in capsys.readouterr().err


def test_without_a_base_no_model_is_loaded_in_fp32(repository: Path) -> None:
    systems, baseline = load(repository, 2, base="none")
    assert list(systems) == ["bm25", "version 1", "version 2"]
    assert isinstance(systems["bm25"], Bm25)
    assert baseline == "version 1"
    assert all("fp32" not in systems[name].description for name in ("version 1", "version 2"))
