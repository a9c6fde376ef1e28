"""Test the wheels: what they hold and declare, the same bytes from the same files, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
import zipfile
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

from akin.installation import ROOT
from gradio_ui import katex_files

PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def dist() -> ModuleType:
    """Return the script that builds the wheels, as a module."""
    spec = importlib.util.spec_from_file_location("dist_build", ROOT / "deploy/dist/build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model repository with an encoder of a few bytes, exported and proved, as its manifest says."""
    repository = tmp_path_factory.mktemp("models")
    folder = repository / "text_encoder/1"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__/model.pyc").write_bytes(b"")
    files = {"model.onnx": b"\x08\x01", "model.py": b"# code", "tokenizer.json": b"{}"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "version": 1,
        "name": "akin-minilm-l6",
        "digest": "d" * 64,
        "base": {"source": "trained akin-minilm-l6"},
        "parity": {"mean_cosine": 0.998},
        "files": {name: {"sha256": sha256(content).hexdigest()} for name, content in files.items()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (repository / "text_encoder/config.pbtxt").write_text("")
    (repository / "text_encoder/PROMOTED").write_text("1\n")
    return repository


@pytest.fixture(scope="module")
def wheels(dist: ModuleType, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the wheels, with KaTeX replaced by files of a few bytes: no test needs the registry."""
    katex = tmp_path_factory.mktemp("katex")
    for name in ("LICENSE", "VERSION", "katex.min.css", "katex.min.js", "fonts/KaTeX_Main-Regular.woff2"):
        (katex / name).parent.mkdir(exist_ok=True)
        (katex / name).write_text(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(katex_files, "FOLDER", katex)
        patch.setattr(katex_files, "is_there", lambda: True)
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        made: list[Path] = dist.build_all(repository, tmp_path_factory.mktemp("dist"))
    return made


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def metadata(wheel: Path) -> str:
    (name,) = [name for name in names(wheel) if name.endswith("/METADATA")]
    return zipfile.ZipFile(wheel).read(name).decode()


def test_no_wheel_puts_a_common_name_beside_packages_of_others(wheels: list[Path]) -> None:
    allowed = [{"akin", "gradio_ui", "retrieval_service"}, {"akin_encoder"}, {"akin_client"}]
    for wheel, own in zip(wheels, allowed, strict=False):
        assert {name.split("/")[0] for name in names(wheel) if ".dist-info/" not in name} == own
        assert any(name.endswith("licenses/LICENSE") for name in names(wheel))


def test_the_wheel_holds_all_that_its_code_reads(wheels: list[Path]) -> None:
    found = names(wheels[0])
    assert {"akin/requirements/triton.lock", "akin/requirements/tritonserver.lock"} <= found
    assert {"gradio_ui/katex/katex.min.js", "gradio_ui/katex/fonts/KaTeX_Main-Regular.woff2"} <= found
    for room in ("akin", "gradio_ui", "retrieval_service"):
        tracked = {str(path.relative_to(ROOT)) for path in (ROOT / room).rglob("*") if path.is_file()}
        assert {name for name in tracked if "__pycache__" not in name and "/katex/" not in name} <= found
    assert not [name for name in found if "__pycache__" in name or "/tests/" in name]


def test_the_wheel_declares_what_serving_page_and_command_line_need(wheels: list[Path]) -> None:
    lines = metadata(wheels[0]).splitlines()
    required = [line[15:] for line in lines if line[:14] == "Requires-Dist:" and "extra ==" not in line]
    # A release with changes that break must not get in by itself: users of other Gradio pages lost theirs so.
    assert all(re.search(r"<\d", each) for each in required if not each.startswith("pip>="))
    declared = {re.split("[<>]", each)[0] for each in required}
    assert {"faiss-cpu", "gradio", "msgspec", "starlette", "tantivy", "tritonclient[grpc,http]", "typer"} <= declared
    assert not {"torch", "sentence-transformers", "matplotlib"} & declared
    assert "License-File: gradio_ui/katex/LICENSE" in lines
    # The project itself stays light, as training and the images build on it.
    assert tomllib.loads(PROJECT)["project"]["dependencies"] == ["msgspec>=0.19"]


def test_the_encoder_is_data_without_compiled_files(wheels: list[Path]) -> None:
    data = {name for name in names(wheels[1]) if ".dist-info/" not in name}
    folder = "akin_encoder/text_encoder"
    files = {"manifest.json", "model.onnx", "model.py", "tokenizer.json"}
    assert data == {"akin_encoder/__init__.py", f"{folder}/config.pbtxt", *(f"{folder}/1/{name}" for name in files)}
    assert "Requires-Dist" not in metadata(wheels[1])


def test_the_same_files_give_the_same_bytes(
    dist: ModuleType, repository: Path, wheels: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    staged = dist.stage_encoder(repository, tmp_path / "encoder")
    for path in staged.rglob("*"):
        path.touch()
        path.chmod(0o700)
    assert dist.build_wheel(staged, tmp_path / "again").read_bytes() == wheels[1].read_bytes()


@pytest.mark.parametrize(
    "change", [{"parity": {}}, {"base": {"source": "folder /home/me/model"}}], ids=["not proved", "another model"]
)
def test_only_the_proved_default_encoder_is_packed(
    dist: ModuleType, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    manifest = json.loads((repository / "text_encoder/1/manifest.json").read_text())
    monkeypatch.setattr(dist, "check_files", lambda _: {**manifest, **change})
    with pytest.raises(dist.DistError, match="not the default encoder"):
        dist.stage_encoder(repository, tmp_path)


def test_a_project_of_another_form_is_refused(dist: ModuleType) -> None:
    with pytest.raises(tomllib.TOMLDecodeError):
        dist.wheel_project(PROJECT.replace('["msgspec', '[\n"msgspec'))
    with pytest.raises(dist.DistError, match="no line `license"):
        dist.wheel_project(PROJECT.replace("license = ", '"license" = '))


@pytest.mark.parametrize(
    ("requirement", "locked", "expected"),
    [
        ("gradio>=6.0", "gradio==6.4.1", "gradio>=6.0,<7"),
        ("tantivy>=0.25", "tantivy==0.26.0", "tantivy>=0.25,<0.27"),
        ("tritonclient[grpc,http]>=2.60", "tritonclient==2.61.0", "tritonclient[grpc,http]>=2.60,<3"),
        ("faiss>=1; sys_platform == 'linux'", "faiss==1.13.2", "faiss>=1,<2; sys_platform == 'linux'"),
    ],
)
def test_a_requirement_ends_before_the_next_release_that_breaks(
    dist: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: str, locked: str, expected: str
) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/all.lock").write_text(f"other-gradio==1.0\n{locked} \\\n    --hash=sha256:0\n")
    monkeypatch.setattr(dist, "ROOT", tmp_path)
    assert dist.bounded(requirement) == expected
    with pytest.raises(dist.DistError, match="make lock"):
        dist.bounded("unknown>=1")


def test_the_locked_versions_are_written_beside_the_wheels(wheels: list[Path]) -> None:
    pins = wheels[0].with_name("constraints.txt").read_text().splitlines()
    assert any(re.fullmatch(r"gradio==[\d.]+", pin) for pin in pins)
    assert any(re.fullmatch(r"tantivy==[\d.]+", pin) for pin in pins)
    assert not [pin for pin in pins if "--hash" in pin or pin.endswith("\\")]


def test_a_wheel_with_a_name_of_others_is_refused(dist: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "akin-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("akin/__init__.py", "")
        archive.writestr("papers/__init__.py", "")
    with pytest.raises(dist.DistError, match="names of others: papers"):
        dist.check_akin(wheel, tmp_path)


def test_nothing_is_built_without_an_encoder(
    dist: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dist").mkdir()
    assert dist.main(["--encoder", str(tmp_path), "--out", str(tmp_path / "dist")]) == 1
    assert "akin encoder export" in capsys.readouterr().err
    assert list((tmp_path / "dist").iterdir()) == []
