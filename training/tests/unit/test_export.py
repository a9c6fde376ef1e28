from pathlib import Path

import pytest

from training.registry import export


def test_a_missing_file_of_papers_ends_in_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "repository"
    arguments = ["--calibration", str(tmp_path / "none.jsonl"), "--repository", str(repository), "--json"]
    assert export.main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "none.jsonl: does not exist" in shown.err
    assert not repository.exists()


def test_a_missing_argument_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        export.main(["--json"])
    assert left.value.code == 2
    assert "--calibration" in capsys.readouterr().err
