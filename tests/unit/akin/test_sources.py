"""Push models and snapshots and fetch them elsewhere: whole, or not at all, and never over other versions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from akin import sources
from akin.bundles import Place, push
from akin.cli import app
from akin.errors import BucketError, EncoderError
from akin.registry.versions import MODEL, promoted_version, set_promoted_version, versions
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord, FileRecord
from tests.unit.published import published_manifest

NAME = "20260101T000000Z-aaaaaa"


def publish(repository: Path, number: int, digest: str, model: str = MODEL) -> None:
    folder = repository / model / str(number)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"digest": digest, "version": number}))
    (folder / "model.onnx").write_bytes(digest.encode() * 100)
    (repository / model / "config.pbtxt").write_text(f'name: "{model}"\n')
    evaluation = repository / model / "evaluations" / digest
    evaluation.mkdir(parents=True)
    (evaluation / "report.md").write_text(f"of {digest}")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with three versions, of which the second serves, and leftovers of a killed export."""
    folder = tmp_path / "models"
    for number, digest in ((1, "aa"), (2, "bb"), (3, "cc")):
        publish(folder, number, digest)
    (folder / MODEL / ".exporting-4").mkdir()
    (folder / MODEL / ".exporting-4/model.onnx").write_text("half")
    (folder / MODEL / "2/__pycache__").mkdir()
    (folder / MODEL / "2/__pycache__/model.pyc").write_text("")
    set_promoted_version(folder, 2)
    (folder / MODEL / "PROMOTIONS.jsonl").write_text('{"version": 2}\n')
    return folder


@pytest.fixture
def address(tmp_path: Path) -> str:
    (tmp_path / "shelf").mkdir()
    return f"file://{tmp_path}/shelf"


def quiet(_: str) -> None:
    pass


def below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_promoted_version_arrives_with_its_evaluation(repository: Path, address: str, tmp_path: Path) -> None:
    bundle = sources.push_models(repository, address, (), quiet)
    assert sources.fetch_models(tmp_path / "there", address, quiet) == bundle
    assert promoted_version(tmp_path / "there").digest == "bb"
    assert below(tmp_path / "there") - {".fetch.lock"} == {
        "text_encoder/2/manifest.json",
        "text_encoder/2/model.onnx",
        "text_encoder/evaluations/bb/report.md",
        "text_encoder/config.pbtxt",
        "text_encoder/PROMOTED",
        "text_encoder/PROMOTIONS.jsonl",
    }


def test_a_further_version_and_the_reranker_come_along(repository: Path, address: str, tmp_path: Path) -> None:
    publish(repository, 1, "dd", "reranker")
    publish(repository, 2, "ee", "reranker")
    set_promoted_version(repository, 2, "reranker")
    publish(repository, 3, "ff", "encoder")
    sources.push_models(repository, address, (3,), quiet)
    sources.fetch_models(tmp_path / "there", address, quiet)
    assert [each.number for each in versions(tmp_path / "there")] == [2, 3]
    assert promoted_version(tmp_path / "there", "reranker").number == 2
    assert not (tmp_path / "there/reranker/1").exists()
    assert (tmp_path / "there/encoder/3/model.onnx").is_file()


def test_a_second_fetch_takes_what_is_new(
    repository: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    sources.push_models(repository, address, (), quiet)
    sources.fetch_models(there, address, quiet)
    set_promoted_version(repository, 3)
    with (repository / MODEL / "PROMOTIONS.jsonl").open("a") as file:
        file.write('{"version": 3}\n')
    sources.push_models(repository, address, (2,), quiet)
    read: list[str] = []
    stream = Place.stream
    monkeypatch.setattr(Place, "stream", lambda self, name: read.append(name) or stream(self, name))
    sources.fetch_models(there, address, quiet)
    assert promoted_version(there).number == 3
    content = sources.read_bundle(Place(address)).files["text_encoder/2/model.onnx"]
    assert f"files/{content.sha256}" not in read


def test_a_fetch_that_fails_leaves_what_served(repository: Path, address: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    sources.push_models(repository, address, (), quiet)
    sources.fetch_models(there, address, quiet)
    before = below(there)
    set_promoted_version(repository, 3)
    bundle = sources.push_models(repository, address, (), quiet)
    damaged = bundle.files["text_encoder/3/model.onnx"].sha256
    Place(address).write(f"files/{damaged}", b"x")
    with pytest.raises(BucketError, match=r"text_encoder/3/model\.onnx\) is damaged"):
        sources.fetch_models(there, address, quiet)
    assert below(there) == before
    assert promoted_version(there).number == 2


def test_another_version_of_the_same_number_is_not_replaced(repository: Path, address: str, tmp_path: Path) -> None:
    sources.push_models(repository, address, (), quiet)
    publish(tmp_path / "there", 2, "zz")
    with pytest.raises(BucketError, match=r"has another version 2 \(zz\) than .* \(bb\)"):
        sources.fetch_models(tmp_path / "there", address, quiet)
    assert (tmp_path / "there" / MODEL / "2/model.onnx").read_bytes() == b"zz" * 100


def test_a_history_of_promotions_is_not_lost(repository: Path, address: str, tmp_path: Path) -> None:
    sources.push_models(repository, address, (), quiet)
    publish(tmp_path / "there", 7, "yy")
    (tmp_path / "there" / MODEL / "PROMOTIONS.jsonl").write_text('{"version": 7}\n')
    with pytest.raises(BucketError, match="has promotions that"):
        sources.fetch_models(tmp_path / "there", address, quiet)


def test_nothing_promoted_is_nothing_to_push(address: str, tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="akin encoder export"):
        sources.push_models(tmp_path / "none", address, (), quiet)


def test_a_bundle_of_another_kind_is_refused(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    push(Place(address), "run", "one", {"a/b": tmp_path / "file"})
    for fetch in (sources.fetch_models, sources.fetch_snapshot):
        with pytest.raises(BucketError, match="of the kind 'run'"):
            fetch(tmp_path / "there", address, quiet)
    push(Place(address), "models", "one", {".hidden": tmp_path / "file"})
    with pytest.raises(BucketError, match="holds no models"):
        sources.fetch_models(tmp_path / "there", address, quiet)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder whose live snapshot has files and a map; they are no index, so opening is left out."""
    folder = tmp_path / "data"
    parts = {"lexical/part": b"words", "lexical/.managed.json": b"[]"}
    files = {name: FileRecord("0" * 64, len(content)) for name, content in parts.items()}
    published_manifest(folder, NAME, EncoderRecord(1, "b" * 64, 384), files=files)
    snapshot = folder / "snapshots" / NAME
    (snapshot / "lexical").mkdir()
    for name, content in parts.items():
        (snapshot / name).write_bytes(content)
    (folder / "maps" / NAME).mkdir(parents=True)
    (folder / "maps" / NAME / "map.json").write_text("{}")
    SnapshotDirectory(folder).use(NAME)
    monkeypatch.setattr("retrieval_service.corpus.snapshot.verify_snapshot", lambda _: [])
    return folder


def test_a_snapshot_arrives_with_its_map_and_goes_live(data: Path, address: str, tmp_path: Path) -> None:
    bundle = sources.push_snapshot(data, address, None, quiet)
    there = tmp_path / "there"
    assert sources.fetch_snapshot(there, f"{address}@{bundle.digest}", quiet).name == NAME
    assert SnapshotDirectory(there).current() == NAME
    for folder in ("snapshots", "maps"):
        assert below(there / folder / NAME) == below(data / folder / NAME) != set()
    assert {path.name for path in (there / "snapshots").iterdir()} == {NAME, "CURRENT", ".lock"}
    said: list[str] = []
    sources.fetch_snapshot(there, address, said.append)
    assert said == [f"snapshot {NAME} is here already", f"snapshot {NAME} is live"]


def test_a_snapshot_that_cannot_be_fetched_whole_is_not_there(data: Path, address: str, tmp_path: Path) -> None:
    bundle = sources.push_snapshot(data, address, None, quiet)
    Place(address).delete([f"files/{bundle.files['snapshot/lexical/part'].sha256}"])
    there = tmp_path / "there"
    with pytest.raises(BucketError, match="lacks the content of snapshot/lexical/part"):
        sources.fetch_snapshot(there, address, quiet)
    assert SnapshotDirectory(there).ids() == []
    assert SnapshotDirectory(there).current() is None
    assert below(there) == {"snapshots/.lock"}


def test_another_snapshot_of_the_same_id_is_not_taken_for_it(data: Path, address: str, tmp_path: Path) -> None:
    sources.push_snapshot(data, address, None, quiet)
    (data / "snapshots" / NAME / "lexical/part").write_bytes(b"other words")
    with pytest.raises(BucketError, match=r"another snapshot of the same id \(lexical/part\)"):
        sources.fetch_snapshot(data, address, quiet)


def test_a_manifest_of_the_same_size_is_told_apart_by_its_digest(data: Path, address: str) -> None:
    sources.push_snapshot(data, address, None, quiet)
    manifest = data / "snapshots" / NAME / "manifest.json"
    manifest.write_text(manifest.read_text().replace("papers.jsonl", "others.jsonl"))
    with pytest.raises(BucketError, match=r"another snapshot of the same id \(manifest\.json\)"):
        sources.fetch_snapshot(data, address, quiet)


def test_an_older_bundle_of_models_takes_no_history_away(repository: Path, address: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    older = sources.push_models(repository, address, (), quiet)
    set_promoted_version(repository, 3)
    with (repository / MODEL / "PROMOTIONS.jsonl").open("a") as history:
        history.write('{"version": 3}\n')
    sources.push_models(repository, address, (), quiet)
    sources.fetch_models(there, address, quiet)
    with pytest.raises(BucketError, match="has promotions that"):
        sources.fetch_models(there, f"{address}@{older.digest}", quiet)
    sources.fetch_models(there, f"{address}@{older.digest}", quiet, older=True)
    assert promoted_version(there).number == 2
    assert (there / MODEL / "PROMOTIONS.jsonl").read_text() == '{"version": 2}\n{"version": 3}\n'
    (there / MODEL / "PROMOTIONS.jsonl").write_text('{"version": 1}\n')
    with pytest.raises(BucketError, match="has promotions that"):
        sources.fetch_models(there, f"{address}@{older.digest}", quiet, older=True)


def test_without_a_snapshot_there_is_nothing_to_push(address: str, tmp_path: Path) -> None:
    with pytest.raises(BucketError, match="akin index build sample"):
        sources.push_snapshot(tmp_path, address, None, quiet)
    with pytest.raises(BucketError, match="no snapshot 'none'"):
        sources.push_snapshot(tmp_path, address, "none", quiet)


def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "akin.start", *arguments]
    return subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_server_starts_after_its_models_have_come(repository: Path, address: str, tmp_path: Path) -> None:
    sources.push_models(repository, address, (), quiet)
    there = {"AKIN_MODEL_REPOSITORY": str(tmp_path / "there"), "AKIN_DATA": str(tmp_path / "data")}
    shown = start("models", "cat", str(tmp_path / "there/text_encoder/PROMOTED"), AKIN_MODELS_SOURCE=address, **there)
    assert (shown.returncode, shown.stdout) == (0, "2\n")
    refused = start("models", "echo", "never", AKIN_MODELS_SOURCE=f"{address}/none", **there)
    assert (refused.returncode, refused.stdout) == (12, "")
    assert refused.stderr.startswith("start: nothing was pushed to file://")
    assert refused.stderr.count("\n") == 1


def test_a_server_without_a_source_starts_at_once() -> None:
    code = (
        "import os, sys; from akin.start import main; os.execv = lambda *_: print(sorted(sys.modules)); "
        "main(['models', 'true'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'akin.start'" in done.stdout
    for heavy in ("obstore", "pydantic", "akin.sources"):
        assert f"'{heavy}'" not in done.stdout
    assert start("models").returncode == 2
    assert start("papers", "true").returncode == 2
    assert start("models", "no-such-command-here").returncode == 127


def test_fetching_models_imports_only_what_a_container_of_triton_has() -> None:
    code = (
        "import json, sys, akin.sources, akin.stack_settings, akin.settings;"
        "print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"httpx", "msgspec", "psutil", "retrieval_service", "tritonclient", "typer"}.isdisjoint(
        json.loads(done.stdout)
    )


def test_the_command_prints_the_address_that_servers_take(
    repository: Path, address: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(repository))
    app(["push", "models", address, "--version", "3"], standalone_mode=False)
    printed = capsys.readouterr().out.strip()
    assert printed.startswith(f"{address}@")
    monkeypatch.setenv("AKIN_MODEL_REPOSITORY", str(tmp_path / "there"))
    monkeypatch.setenv("AKIN_MODELS_SOURCE", printed)
    app(["fetch", "models", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["source"] == printed
    assert [each.number for each in versions(tmp_path / "there")] == [2, 3]
    monkeypatch.setenv("AKIN_MODELS_SOURCE", "")
    with pytest.raises(Exception, match="AKIN_MODELS_SOURCE"):
        app(["fetch", "models"], standalone_mode=False)
