"""Cut the power at each step of every publish of files: a reader finds the old or the new state.

For each publish, the same cuts are made once more for each of its syncs as if that one were missing: the promise must
then break. So no sync of a publish can be taken out unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from akin.collection.store import CollectedSearch, CollectionStore
from akin.indexing.corpus_map.folder import MapDraft, new_map
from akin.indexing.embedding_store import EmbeddingStore, StoredEmbeddings, text_digest
from akin.keys.key_file import KeyFile
from akin.papers import Paper
from akin.registry import packaged, promotion, versions
from akin.relevance.loaders.inside import write_distractors
from akin.relevance.writing import write_folder
from akin.storage.durable import publish_file, replace_file, replace_folder
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import EncoderRecord, check_digest, file_records, read_manifest
from retrieval_service.corpus.map_files import MAPS, MapManifest, open_map
from tests.chaos.power_cut import Disk, PowerCuts
from tests.unit.published import published_manifest

Do = Callable[[Path], Any]


@dataclass
class Publish:
    """A publish below a folder.

    Attributes:
        act: Publishes.
        read: Returns what a reader finds, as a value; raises an error if that is no state of this kind.
        prepare: Makes the state before.
        unread: Beginning of the names that no reader opens.
        between: Further states that a reader may find, which the next run completes.
        spare: Syncs that this case does not need and another one does.
    """

    act: Do
    read: Do
    prepare: Do = lambda root: None
    unread: str = "\0"
    between: tuple[object, ...] = ()
    spare: tuple[str, ...] = ()


def a_file(root: Path) -> tuple[str, int] | None:
    path = root / "CURRENT"
    return (path.read_text(), path.stat().st_mode & 0o777) if path.exists() else None


def a_folder(name: str) -> Do:
    def read(root: Path) -> list[str] | None:
        path = root / name
        return [(path / each).read_text() for each in ("a", "in/b")] if path.exists() else None

    return read


def fill(folder: Path, text: str) -> None:
    (folder / "in").mkdir(parents=True, exist_ok=True)
    (folder / "a").write_text(text)
    (folder / "in/b").write_text(text)


def put_file(root: Path) -> None:
    (root / "aside").write_text("new")
    publish_file(root / "aside", root / "CURRENT")


def put_folder(root: Path) -> None:
    fill(root / ".making", "2")
    replace_folder(root / ".making", root / "map")


# --- keys, versions, promotions ---


def keys(root: Path) -> list[tuple[str, str]]:
    path = root / "keys.json"
    assert not path.exists() or path.stat().st_mode & 0o777 == 0o600
    return [(each.name, each.digest) for each in KeyFile(path).read()] if path.exists() else []


def key_file(root: Path) -> KeyFile:
    return KeyFile(root / "keys.json")


def add_version(root: Path, number: int = 1, **more: Any) -> None:
    folder = root / versions.MODEL / str(number)
    folder.mkdir(parents=True)
    about = {"digest": f"{number}" * 64, "version": number, "name": "tiny", "dim": 8, "max_length": 16, **more}
    (folder / "manifest.json").write_text(json.dumps(about))


def history(root: Path) -> tuple[int | None, list[int]]:
    return versions.promoted_number(root), [each.version for each in promotion.history(root, versions.MODEL)]


def whole_version(root: Path) -> list[tuple[int, str]]:
    model = root / versions.MODEL
    found = []
    for number in sorted(versions.folder_numbers(model)):
        about = packaged.check_files(model / str(number))
        assert (model / "config.pbtxt").read_text()
        found.append((number, about["digest"]))
    return found


def with_pointer(root: Path) -> tuple[list[tuple[int, str]], int | None]:
    """Return the versions and the one that serves, which must be there."""
    found, pointer = whole_version(root), versions.promoted_number(root)
    assert pointer is None or pointer in dict(found)
    return found, pointer


# --- collected queries, embeddings, maps ---

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)


def collection(root: Path) -> CollectionStore:
    return CollectionStore(root / "kept", days=30, most_bytes=1_000_000, now=lambda: NOW + timedelta(hours=1))


def a_search(query: str) -> CollectedSearch:
    times = (1.0, 1.0, 1.0, 1.0)
    return CollectedSearch(NOW, query, "hybrid", 3, 0.5, ["p1"], [0.75], "cs.LG", *times, "s1", "e1", None)


DIM = 8


def some_vectors(first: int, count: int) -> tuple[list[bytes], Any]:
    numbers = np.arange(first, first + count)
    return [text_digest(str(number)) for number in numbers], np.outer(numbers + 1, np.ones(DIM)).astype(np.float32)


def store_first(root: Path) -> None:
    with EmbeddingStore(root / "embeddings/e1", DIM) as store:
        store.append(*some_vectors(0, 4))
        store.sync()


def store_four(root: Path) -> None:
    with EmbeddingStore(root / "embeddings/e1", DIM) as store:
        store.append(*some_vectors(4, 3))
        store.append(*some_vectors(7, 1))
        store.sync()


def found_vectors(root: Path) -> list[int]:
    """Return which of the first eight vectors are found; each must be right, for readers and the next writer."""
    digests, vectors = some_vectors(0, 8)
    found: list[list[int]] = []
    for kind in (StoredEmbeddings, EmbeddingStore, StoredEmbeddings):
        with kind(root / "embeddings/e1", DIM) as store:
            at = store.positions(digests)
            stored = np.flatnonzero(at >= 0)
            np.testing.assert_array_equal(store.vectors(at[stored]), vectors[stored])
            found.append(stored.tolist())
    return found[-1]


def first_embeddings(root: Path) -> str:
    return "all" if found_vectors(root) == list(range(4)) else "some"


def embeddings(root: Path) -> str:
    found = found_vectors(root)
    assert set(range(4)) <= set(found), "vectors that were synced before are lost"
    return "all" if found == list(range(8)) else "some"


def snapshot(root: Path, name: str) -> Path:
    published_manifest(root, name, EncoderRecord(1, "e" * 64, DIM))
    return root / "snapshots" / name


def lay_out(root: Path, shift: int) -> None:
    about = MapManifest(
        snapshot="s1", digest="", created=NOW, papers=3, placed=3, sampled=3, seed=1, method="none",
        grouped_by="archive", groups=(), first_year=2000, last_year=2000, labels=(), tiles=(), files={},
    )  # fmt: skip
    places = np.asarray([[1, 2], [3, 4], [5, 6]], np.uint16) + np.uint16(shift)
    nothing = np.zeros(3, np.uint8)
    with new_map(root, root / "snapshots/s1") as folder:
        folder.finish(MapDraft(places, nothing, nothing, ()), about)


def a_map(root: Path) -> list[list[int]] | None:
    if not (root / MAPS / "s1").exists():
        return None
    found = open_map(root, root / "snapshots/s1", 3)
    assert file_records(root / MAPS / "s1").items() >= found.manifest.files.items()
    return np.asarray(found.coordinates).tolist()


# --- snapshots by their manifests only; whole ones are cut in tests/integration/indexing/test_power_cut.py ---


def two_snapshots(root: Path) -> None:
    for name in ("s1", "s2"):
        snapshot(root, name)
    SnapshotDirectory(root).use("s1")


def live(root: Path) -> tuple[str | None, list[str]]:
    """Return the live snapshot, which must be there, and all published ones, which must be whole."""
    snapshots = SnapshotDirectory(root)
    for name in snapshots.ids():
        manifest = read_manifest(snapshots.path(name))
        for file in manifest.files:
            check_digest(snapshots.path(name), file, manifest)
    current = snapshots.current()
    assert current is None or current in snapshots.ids()
    return current, snapshots.ids()


def a_set(root: Path) -> list[str] | None:
    path = root / "sets/one"
    return [(path / name).read_text() for name in ("corpus.jsonl", "queries.jsonl")] if path.exists() else None


def write_a_set(text: str) -> Do:
    def write(folder: Path) -> None:
        for name in ("corpus.jsonl", "queries.jsonl"):
            (folder / name).write_text(text)

    return lambda root: write_folder(root / "sets/one", write)


def distractors(root: Path) -> list[str] | None:
    path = root / "sets/all.jsonl"
    return [json.loads(line)["_id"] for line in path.read_text().splitlines()] if path.exists() else None


PUBLISHES = {
    "a new file": Publish(lambda root: replace_file(root / "CURRENT", b"new"), a_file),
    "a file": Publish(
        lambda root: replace_file(root / "CURRENT", b"new"), a_file, lambda root: replace_file(root / "CURRENT", b"old")
    ),
    "a file written aside": Publish(put_file, lambda root: (root / "CURRENT").read_text(),
                                    lambda root: (root / "CURRENT").write_text("old")),
    "a new folder": Publish(put_folder, a_folder("map")),
    "a folder": Publish(put_folder, a_folder("map"), lambda root: fill(root / "map", "1")),
    "the first key": Publish(lambda root: key_file(root).create("one", ["search"]), keys),
    "another key": Publish(
        lambda root: key_file(root).rotate("one", timedelta(days=1)), keys,
        lambda root: key_file(root).create("one", ["search"]),
    ),
    "a revoked key": Publish(
        lambda root: key_file(root).revoke("one"), keys, lambda root: key_file(root).create("one", ["search"])
    ),
    "a promotion": Publish(
        lambda root: promotion.promote(root, 2, override="a test"),
        history,
        lambda root: [add_version(root, 1), add_version(root, 2), versions.set_promoted_version(root, 1)],
        between=((2, []),),
    ),
    "collected queries": Publish(
        lambda root: collection(root).write([a_search("two")]),
        lambda root: sorted(each.query for each in collection(root).read()),
        lambda root: collection(root).write([a_search("one")]),
    ),
    "the first collected queries": Publish(
        lambda root: collection(root).write([a_search("two")]),
        lambda root: sorted(each.query for each in collection(root).read()),
    ),
    "deleted queries": Publish(
        lambda root: collection(root).delete(query="one"),
        lambda root: sorted(each.query for each in collection(root).read()),
        lambda root: collection(root).write([a_search("one"), a_search("two")]),
        between=(["one", "two", "two"],),
    ),
    "embeddings": Publish(
        store_four, embeddings, store_first, spare=("fsync embeddings/e1",)
    ),
    "the first embeddings": Publish(store_first, first_embeddings),
    "a map": Publish(
        lambda root: lay_out(root, 10), a_map, lambda root: [snapshot(root, "s1"), lay_out(root, 0)], ".building-"
    ),
    "the first map": Publish(lambda root: lay_out(root, 10), a_map, lambda root: snapshot(root, "s1"), ".building-"),
    "a switch of snapshots": Publish(lambda root: SnapshotDirectory(root).use("s2"), live, two_snapshots),
    "a test collection": Publish(write_a_set("2"), a_set, write_a_set("1")),
    "distractors": Publish(
        lambda root: write_distractors([Paper("p1", "One", "")], root / "sets/all.jsonl", count=9, seed=1),
        distractors,
        lambda root: (root / "sets").mkdir(),
    ),
}  # fmt: skip


def cut(publish: Publish, tmp_path: Path) -> tuple[PowerCuts, object, object, Disk]:
    root = tmp_path / "data"
    root.mkdir(parents=True)
    publish.prepare(root)
    old = publish.read(Path(shutil.copytree(root, tmp_path / "before")))
    disk = Disk(root)
    with disk.record():
        publish.act(root)
    new = publish.read(Path(shutil.copytree(root, tmp_path / "after")))
    cuts = PowerCuts(disk, tmp_path / "cut", publish.read, unread=publish.unread)
    return cuts, old, new, disk


@pytest.mark.parametrize("name", PUBLISHES)
def test_a_power_cut_leaves_the_old_or_the_new_state_and_no_sync_is_needless(tmp_path: Path, name: str) -> None:
    publish = PUBLISHES[name]
    cuts, old, new, disk = cut(publish, tmp_path)
    assert old != new
    assert cuts.broken(old, new, *publish.between) is None
    assert disk.syncs
    assert sorted(set(cuts.needless(old, new, *publish.between)) - {*publish.spare}) == []


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package with an encoder of two bytes."""
    folder = tmp_path / "site/akin_encoder/text_encoder/1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"\x08\x01")
    files = {"model.onnx": {"sha256": hashlib.sha256(b"\x08\x01").hexdigest(), "bytes": 2}}
    (folder / "manifest.json").write_text(json.dumps({"version": 7, "digest": "d" * 64, "files": files}))
    (folder.parent / "config.pbtxt").write_text('backend: "python"')
    (tmp_path / "site/akin_encoder/__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.mark.usefixtures("package")
def test_a_power_cut_leaves_a_version_whole_or_absent(tmp_path: Path) -> None:
    cuts, old, new, _ = cut(Publish(packaged.publish_packaged, with_pointer, unread=".packaged-"), tmp_path)
    assert (old, new) == (([], None), ([(1, "d" * 64)], 1))
    between = ([(1, "d" * 64)], None)
    assert cuts.broken(old, new, between) is None
    assert cuts.needless(old, new, between) == []
    # The next setup completes what is missing.
    for each in cuts.copies():
        packaged.publish_packaged(each)
        found = with_pointer(each)
        assert found[0]
        assert found[1] == found[0][0][0]
