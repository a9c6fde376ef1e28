import json
import os
import stat
from pathlib import Path

import pytest

from training.errors import PublishError
from training.registry import publish

CODE = publish.CODE[publish.TEXT_ENCODER]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Create the tracked model folder of a project."""
    folder = tmp_path / "project" / "text_encoder"
    folder.mkdir(parents=True)
    for name in ("config.pbtxt", *CODE):
        (folder / name).write_text(f"# {name}")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere"


def make(repository: Path, project: Path, content: str = "graph") -> publish.PublishedVersion:
    with publish.staging_folder(repository) as staged:
        publish.copy_code(staged, project)
        (staged / "model.onnx").write_text(content)
        return publish.publish(staged, repository, publish.next_version(repository), project)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_only_the_first_is_promoted(repository: Path, project: Path) -> None:
    first, second = make(repository, project), make(repository, project)
    assert (first.version, first.promoted) == (1, True)
    assert (second.version, second.promoted) == (2, False)
    assert (repository / "text_encoder" / "PROMOTED").read_text() == "1\n"


def test_a_repository_elsewhere_gets_configuration_and_code(repository: Path, project: Path) -> None:
    make(repository, project)
    assert names(repository / "text_encoder") == {"1", "PROMOTED", "config.pbtxt"}
    assert names(repository / "text_encoder" / "1") == {"model.onnx", *CODE}
    assert (repository / "text_encoder" / "1" / "runtime.py").read_text() == "# runtime.py"


def test_the_projects_own_repository_keeps_its_configuration(project: Path) -> None:
    before = (project / "config.pbtxt").stat().st_ino
    make(project.parent, project)
    assert (project / "config.pbtxt").stat().st_ino == before


def test_every_user_can_read_a_version(repository: Path, project: Path) -> None:
    folder = make(repository, project).folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}


def test_nothing_is_left_of_an_export_that_fails(repository: Path, project: Path) -> None:
    def fail_half_way() -> None:
        with publish.staging_folder(repository) as staged:
            (staged / "model.onnx").write_text("half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    assert names(repository / "text_encoder") == set()


def test_folders_of_a_killed_export_are_removed_after_a_day(repository: Path, project: Path) -> None:
    model = repository / "text_encoder"
    for name, age in ((".staging-old", 2 * 86400), (".staging-running", 60)):
        (model / name).mkdir(parents=True)
        then = (model / name).stat().st_mtime - age
        os.utime(model / name, (then, then))
    with publish.staging_folder(repository) as staged:
        assert names(model) == {".staging-running", staged.name}


def test_a_version_is_never_overwritten(repository: Path, project: Path) -> None:
    make(repository, project, "first")
    with publish.staging_folder(repository) as staged:
        (staged / "model.onnx").write_text("second")
        with pytest.raises(PublishError, match="version 1 cannot be published"):
            publish.publish(staged, repository, 1, project)
    assert (repository / "text_encoder" / "1" / "model.onnx").read_text() == "first"


def test_a_number_is_not_used_again_while_the_pointer_names_it(repository: Path, project: Path) -> None:
    model = repository / "text_encoder"
    model.mkdir(parents=True)
    (model / "PROMOTED").write_text("7\n")
    assert make(repository, project).version == 8
    assert (model / "PROMOTED").read_text() == "7\n"


def test_a_version_appears_before_the_pointer_names_it(
    repository: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, there = os.replace, []

    def watched(source: str, target: Path) -> None:
        if target.name == "PROMOTED":
            there.append((repository / "text_encoder" / "1" / "model.onnx").exists())
        rename(source, target)

    monkeypatch.setattr(os, "replace", watched)
    make(repository, project)
    assert there == [True]


def test_a_repository_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(PublishError, match=r"cannot write into .*file.*AKIN_MODEL_REPOSITORY"),
        publish.staging_folder(tmp_path / "file"),
    ):
        pytest.fail("a file became a repository")


def test_check_writable_refuses_a_file_and_creates_nothing(tmp_path: Path) -> None:
    publish.check_writable(tmp_path / "new" / "repository")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match=r"file is not a writable folder.*AKIN_MODEL_REPOSITORY"):
        publish.check_writable(tmp_path / "file")


def test_a_reranker_has_the_code_of_both_models(repository: Path, project: Path) -> None:
    reranker = project.with_name("reranker")
    reranker.mkdir()
    for name in ("config.pbtxt", "model.py", "pairs.py"):
        (reranker / name).write_text(f"# reranker's {name}")
    with publish.staging_folder(repository, "reranker") as staged:
        publish.copy_code(staged, reranker)
        made = publish.publish(staged, repository, publish.next_version(repository, "reranker"), reranker)
    assert made.folder == repository / "reranker" / "1"
    assert names(made.folder) == {"model.py", "pairs.py", "packing.py", "runtime.py"}
    assert (made.folder / "model.py").read_text() == "# reranker's model.py"
    assert (made.folder / "runtime.py").read_text() == "# runtime.py"
    assert not (repository / "text_encoder").exists()


def test_a_model_that_is_a_version_is_found_by_its_digest(repository: Path) -> None:
    assert publish.find_version(repository, "a") is None
    for number, digest in enumerate("aba", 1):
        folder = repository / "text_encoder" / str(number)
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"digest": digest, "version": number}))
    found = publish.find_version(repository, "a")
    assert found is not None
    assert (found["version"], found["promoted"], found["folder"]) == (3, False, str(repository / "text_encoder/3"))
    assert publish.find_version(repository, "c") is None
    (repository / "text_encoder/2/manifest.json").write_text("{")
    with pytest.raises(PublishError, match=r"2/manifest\.json cannot be read"):
        publish.find_version(repository, "c")
