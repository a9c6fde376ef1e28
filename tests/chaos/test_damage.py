"""Damage every file of a snapshot, of the embedding store and of a version: each is refused by name, unparsed."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from akin.errors import EncoderError
from akin.indexing.embedding_store import EmbeddingStore, StoredEmbeddings, text_digest
from akin.indexing.references.importing import import_references
from akin.registry import versions
from akin.stack import local_http, triton
from retrieval_service.corpus import SnapshotDirectory, open_snapshot, snapshot, verify_snapshot
from retrieval_service.corpus.background_check import BackgroundCheck
from retrieval_service.corpus.live_corpus import LiveCorpus
from retrieval_service.corpus.manifest import MANIFEST, VECTORS, read_manifest, snapshot_files
from retrieval_service.errors import NoSnapshot, SnapshotInvalid
from tests.integration.generated import HashEncoder, OneEncoder, build, generated_papers
from tests.integration.snapshots import flip

ENDS = 1 << 16
"""So many bytes at each end of a file are compared with a digest when it is opened."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two snapshots with references; the newer one is live and has larger files than are compared when opened."""
    data = tmp_path_factory.mktemp("made") / "data"
    papers, encoder = generated_papers(2600), HashEncoder()
    (data.parent / "citations.tsv").write_text(f"{papers[0].id}\t{papers[1].id}\n")
    for count in (40, 2600):
        build(papers[:count], encoder, data, exact_below=1000)
        import_references([data.parent / "citations.tsv"], data)
    SnapshotDirectory(data).prune(1)
    build(papers[:40], encoder, data, use=False)
    return data


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


def live(data: Path) -> Path:
    directory = SnapshotDirectory(data)
    return directory.path(directory.current() or "")


def flipped(at: int) -> Callable[[Path], None]:
    return lambda path: flip(path, min(at, path.stat().st_size - 1) if at >= 0 else path.stat().st_size + at)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


DAMAGE: dict[str, Callable[[Path], None]] = {
    "first byte": flipped(0),
    "byte 100": flipped(100),
    "last byte": flipped(-1),
    "cut": cut,
    "longer": lengthened,
    "empty": lambda path: path.write_bytes(b""),
    "missing": Path.unlink,
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record which parts of a snapshot are given to a library."""
    names: list[str] = []
    for name in ("SqliteCatalogue", "TantivyIndex", "ReferenceArrays"):
        monkeypatch.setattr(snapshot, name, lambda *_, name=name, **__: names.append(name))
    monkeypatch.setattr(snapshot.FaissIndex, "open", lambda *_, **__: names.append("FaissIndex"))
    return names


def break_each_file(folder: Path, broken: Callable[[str, Path], None]) -> int:
    """Damage each file in each way, one at a time, call a function for each, and return their number."""
    count = 0
    for path in snapshot_files(folder).values():
        kept = path.read_bytes()
        for how, damage in DAMAGE.items():
            if kept or how in ("longer", "missing"):
                damage(path)
                broken(how, path)
                path.write_bytes(kept)
                count += 1
    return count


def test_every_damaged_file_is_named_before_any_library_reads_it(data: Path, parsed: list[str]) -> None:
    folder = live(data)

    def refused(how: str, path: Path) -> None:
        with pytest.raises(SnapshotInvalid) as caught:
            open_snapshot(folder)
        assert caught.value.path == path, how
        assert parsed == [], f"{path.name}, {how}"

    assert break_each_file(folder, refused) > 60


def test_a_bit_anywhere_in_the_vectors_is_found_before_faiss_reads_them(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(snapshot.FaissIndex, "open", lambda path, **_: read.append(path))
    path = live(data) / VECTORS
    size = path.stat().st_size
    assert size > 2 * ENDS + 1000
    for at in range(ENDS, size - ENDS, size // 9):
        flip(path, at)
        with pytest.raises(SnapshotInvalid, match=r"vectors\.faiss: is damaged"):
            open_snapshot(path.parent)
        flip(path, at)
    assert read == []


def test_a_bit_in_the_middle_of_any_other_file_is_found_while_it_is_served(data: Path) -> None:
    folder = live(data)
    manifest, checked = read_manifest(folder), 0
    for name, path in snapshot_files(folder).items():
        if name == VECTORS or path.stat().st_size <= 2 * ENDS:
            continue
        flip(path)
        check = BackgroundCheck(folder, manifest)
        check.run()
        assert check.damage is not None
        assert check.damage.path == path
        flip(path)
        checked += 1
    assert checked
    assert verify_snapshot(folder) == []


def test_a_disk_that_cannot_read_a_file_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, opened = live(data), Path.open

    for path in [*snapshot_files(folder).values(), folder / MANIFEST]:

        def fails(self: Path, *arguments: Any, path: Path = path, **options: Any) -> Any:
            if self == path:
                raise OSError(errno.EIO, "Input/output error", str(path))
            return opened(self, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", fails)
            with pytest.raises(SnapshotInvalid, match="Input/output error") as caught:
                open_snapshot(folder)
            assert caught.value.path == path


async def test_the_service_keeps_the_old_snapshot_and_says_why(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = SnapshotDirectory(data)
    old, new = sorted(directory.ids(), key=lambda name: read_manifest(directory.path(name)).papers)
    directory.use(old)
    corpus = LiveCorpus(directory, OneEncoder(HashEncoder()), Mock(), watch_seconds=0.0)
    await corpus.refresh()
    directory.use(new)
    refused: list[Path] = []
    for name, path in snapshot_files(directory.path(new)).items():
        kept = path.read_bytes()
        flip(path, 0) if kept else lengthened(path)
        await corpus.refresh()
        with corpus.hold() as held:
            assert held.manifest.id == old
            assert held.lexical.search is not None
        assert corpus.refusal is not None
        assert name in corpus.refusal.message
        path.write_bytes(kept)
        refused.append(path)
    assert len(refused) > 10
    await corpus.refresh()
    with corpus.hold() as held:
        assert held.manifest.id == new
    assert corpus.refusal is None
    await corpus.stop()


async def test_a_start_with_a_damaged_live_snapshot_serves_the_newest_whole_one(data: Path) -> None:
    directory = SnapshotDirectory(data)
    named = directory.current()
    flip(live(data) / VECTORS)
    corpus = LiveCorpus(directory, OneEncoder(HashEncoder()), Mock(), watch_seconds=0.0)
    for _ in range(2):
        await corpus.refresh()
        with corpus.hold() as held:
            assert held.manifest.id != named
        assert corpus.refusal is not None
        assert "vectors.faiss: is damaged" in corpus.refusal.message
    flip(live(data) / VECTORS)
    await corpus.refresh()
    with corpus.hold() as held:
        assert held.manifest.id == named
    assert corpus.refusal is None
    await corpus.stop()


async def test_without_a_whole_snapshot_the_answer_says_what_to_do(data: Path) -> None:
    directory = SnapshotDirectory(data)
    for name in directory.ids():
        flip(directory.path(name) / VECTORS)
    corpus = LiveCorpus(directory, OneEncoder(HashEncoder()), Mock(), watch_seconds=0.0)
    await corpus.refresh()
    said = r"vectors\.faiss: is damaged.*Build it again: akin index build"
    with pytest.raises(NoSnapshot, match=said), corpus.hold():
        pass
    await corpus.stop()


# --- embeddings ---

DIM = 8


def some_vectors(count: int) -> tuple[list[bytes], Any]:
    numbers = np.arange(count)
    return [text_digest(str(number)) for number in numbers], np.outer(numbers + 1, np.ones(DIM)).astype(np.float32)


@pytest.mark.parametrize("name", ["vectors.f16", "keys.bin"])
def test_no_flipped_bit_of_a_stored_embedding_gives_a_wrong_vector(tmp_path: Path, name: str) -> None:
    digests, vectors = some_vectors(12)
    with EmbeddingStore(tmp_path / "made", DIM) as store:
        store.append(digests, vectors)
    size = (tmp_path / "made" / name).stat().st_size
    for at in range(0, size, 3):
        folder = tmp_path / "store"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "made", folder)
        flip(folder / name, at)
        with EmbeddingStore(folder, DIM) as store:
            found = store.positions(digests)
            stored = np.flatnonzero(found >= 0)
            assert len(stored) >= len(digests) - 1
            np.testing.assert_array_equal(store.vectors(found[stored]), vectors[stored])
            # What was damaged is embedded again.
            missing = np.flatnonzero(found < 0)
            store.append([digests[each] for each in missing], vectors[missing])
        with StoredEmbeddings(folder, DIM) as reader:
            np.testing.assert_array_equal(reader.vectors(reader.positions(digests)), vectors)


def test_every_vector_is_checked_when_a_store_is_opened_for_writing(tmp_path: Path) -> None:
    digests, vectors = some_vectors(9000)
    with EmbeddingStore(tmp_path, DIM) as store:
        store.append(digests, vectors)
    flip(tmp_path / "vectors.f16", 5)
    with EmbeddingStore(tmp_path, DIM) as store:
        assert np.flatnonzero(store.positions(digests) < 0).tolist() == [0]


# --- versions ---


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / versions.MODEL / "1"
    folder.mkdir(parents=True)
    files = {name: f"content of {name}".encode() for name in ("model.onnx", "tokenizer.json", "model.py")}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    records = {name: {"sha256": sha256(each).hexdigest(), "bytes": len(each)} for name, each in files.items()}
    (folder / "manifest.json").write_text(json.dumps({"version": 1, "digest": "d" * 64, "files": records}))
    (folder.parent / "config.pbtxt").write_text('backend: "python"')
    return tmp_path


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_of_a_version_is_named_before_triton_loads_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(local_http, "post", lambda url, *_, **__: asked.append(url))
    folder = repository / versions.MODEL / "1"
    for name in ("model.onnx", "tokenizer.json", "model.py"):
        kept = (folder / name).read_bytes()
        DAMAGE[how](folder / name)
        with pytest.raises(EncoderError, match=rf"{name} (is damaged|cannot be read).*akin encoder"):
            triton.load("127.0.0.1:1", repository, [1], "triton.log", key="")
        (folder / name).write_bytes(kept)
    assert asked == []
    versions.check_files(repository, 1)
