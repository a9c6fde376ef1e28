import json
import os
from pathlib import Path

import pytest

from training.errors import ConfigurationError, RunError
from training.pipeline import run_folder
from training.pipeline.composition import compose
from training.pipeline.run import start_run
from training.pipeline.run_folder import NEEDS, create_run, open_run


def test_a_stage_is_done_only_for_its_own_configuration(tmp_path: Path) -> None:
    run = create_run(tmp_path, compose(["experiment=smoke"]))
    for name in NEEDS:
        with run.write_stage(name) as folder:
            (folder / "output").write_text("made")
    again = create_run(tmp_path, compose(["experiment=smoke", "trainer.learning_rate=0.1"]))
    assert [name for name in NEEDS if again.is_done(name)] == ["prepare", "pairs", "mine"]
    with pytest.raises(RunError, match="run train first"):
        again.require_stage("train")


def test_a_failed_stage_leaves_no_files(tmp_path: Path) -> None:
    run = create_run(tmp_path, compose())

    def fill_the_disk() -> None:
        with run.write_stage("prepare") as folder:
            (folder / "half").write_text("made")
            raise OSError(28, "No space left on device", str(folder))

    with pytest.raises(RunError, match="No space left"):
        fill_the_disk()
    assert not run.is_done("prepare")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config", "run.json"]


def test_a_run_records_code_environment_and_configuration(tmp_path: Path) -> None:
    run = create_run(tmp_path, compose(["experiment=smoke"]))
    record = run.read_record()
    assert record["name"] == "smoke"
    assert set(record["environment"]["packages"]) >= {"torch", "sentence-transformers"}
    assert "commit" in record["revision"]
    assert open_run(tmp_path).configuration == run.configuration


def test_the_file_of_a_stage_changes_only_with_its_configuration(tmp_path: Path) -> None:
    create_run(tmp_path, compose())
    before = {name: (tmp_path / "config" / f"{name}.json").stat().st_mtime_ns for name in NEEDS}
    create_run(tmp_path, compose(["loss.scale=50"]))
    after = {name: (tmp_path / "config" / f"{name}.json").stat().st_mtime_ns for name in NEEDS}
    assert [name for name in NEEDS if before[name] != after[name]] == ["train"]


def test_resume_last_never_takes_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AKIN_DATA", str(tmp_path))
    runs = tmp_path / "training"
    for number, name in enumerate(("smoke-1", "sweep-marked", "sweep-of-an-earlier-version")):
        create_run(runs / name, compose(), kind="sweep" if name == "sweep-marked" else "run")
        os.utime(runs / name, (number, number))
    (runs / "sweep-of-an-earlier-version" / "study.journal").touch()
    assert start_run([], "last").folder.name == "smoke-1"
    for name in ("sweep-marked", "sweep-of-an-earlier-version"):
        with pytest.raises(RunError, match=f"{name} is a sweep.*akin train sweep"):
            start_run([], name)


def test_a_folder_that_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run's folder"):
        open_run(tmp_path)
    create_run(tmp_path, compose())
    path = tmp_path / run_folder.CONFIG / "config.json"
    content = json.loads(path.read_text())
    content["trainer"]["momentum"] = 1
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="momentum"):
        open_run(tmp_path)


@pytest.mark.parametrize(("built_from", "commit"), [("abc123", "abc123"), ("unknown", None), (None, None)])
def test_in_an_image_the_revision_is_the_one_that_it_was_built_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, built_from: str | None, commit: str | None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    monkeypatch.delenv("AKIN_REVISION", raising=False)
    if built_from is not None:
        monkeypatch.setenv("AKIN_REVISION", built_from)
    assert run_folder.revision() == {"commit": commit, "changed": None}
