"""`akin train reranker` makes candidates once and trains on them; the same settings continue the same folder."""

import json
from pathlib import Path

import pytest

from training.reranker import candidates, train


def test_it_makes_groups_once_and_a_model(
    encoder: Path, groups: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[Path] = []

    def write_groups(papers: Path, output: Path, mining: candidates.Mining, **_: object) -> int:
        made.append(papers)
        assert mining.kinds == ("title",)
        assert mining.negatives == 3
        output.parent.mkdir(exist_ok=True)
        output.write_bytes(groups.read_bytes())
        return 320

    monkeypatch.setattr(candidates, "write_groups", write_groups)
    command = [f"--data={tmp_path}", "--papers=run", f"--model={encoder}", "--kinds=title", "--negatives=3"]
    command += ["--batch-size=64", "--max-length=48", "--device=cpu", "--json"]
    for _ in range(2):
        assert train.main(command) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == second
    assert made == [Path("run")]
    assert (Path(first["folder"]) / "model.safetensors").is_file()
    assert first["steps"] == 300 // 64
    # Another setting is another training.
    assert train.main([*command, "--learning-rate=0.001"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] != first["folder"]


def test_papers_that_cannot_be_read_are_named_once_and_leave_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    papers = tmp_path / "empty.jsonl"
    papers.touch()
    assert train.main([f"--data={tmp_path / 'data'}", f"--papers={papers}", "--json"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"train: {papers}: is empty"
    assert not (tmp_path / "data").exists()


def test_a_key_that_does_not_exist_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--data=data", "--papers=papers", "--foo=1"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("error: unrecognized arguments: --foo=1")
