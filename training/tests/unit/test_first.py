from __future__ import annotations

from pathlib import Path

import pytest

from akin.papers import SampleUnavailable
from training.registry import export, first


def run(tmp_path: Path, *more: str) -> int:
    return first.main(["--repository", str(tmp_path / "models"), "--corpora", str(tmp_path / "corpora"), *more])


def test_if_a_version_is_promoted_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "models" / "text_encoder"
    model.mkdir(parents=True)
    (model / "PROMOTED").write_text("3\n")
    assert run(tmp_path) == 0
    assert capsys.readouterr().err == "export: version 3 of text_encoder serves already\n"
    assert not (tmp_path / "corpora").exists()


def test_without_a_promoted_version_one_is_exported_with_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(first, "fetch_sample", lambda folder: folder / "sample.json")
    monkeypatch.setattr(export, "main", lambda arguments: asked.append(arguments) or 1)
    assert run(tmp_path, "--source", "some/model") == 1
    models, sample = tmp_path / "models", tmp_path / "corpora" / "sample.json"
    assert asked == [["--repository", str(models), "--calibration", str(sample), "--source", "some/model"]]


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (SampleUnavailable("no network"), "export: no network\n"),
        (PermissionError(13, "Permission denied", "/data/corpora"), "cannot use /data/corpora: Permission denied.\n"),
    ],
)
def test_an_error_is_printed_as_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], trouble: Exception, words: str
) -> None:
    def fetch(folder: Path) -> Path:
        raise trouble

    monkeypatch.setattr(first, "fetch_sample", fetch)
    assert run(tmp_path) == 1
    assert capsys.readouterr().err.endswith(words)
