"""Damage in a snapshot or a store is detected, and the message names the file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from retrieval_service.corpus import open_snapshot, verify_snapshot
from retrieval_service.errors import SnapshotInvalid
from tests.integration.snapshots import flip


@pytest.fixture
def copy(corpus: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(corpus.data / "snapshots" / corpus.manifest.id, tmp_path / corpus.manifest.id))


@pytest.mark.parametrize("name", ["vectors.faiss", "catalogue.sqlite", "lexical/meta.json"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_flipped_bit_is_found(copy: Path, name: str, place: float) -> None:
    path = copy / name
    flip(path, int(path.stat().st_size * place))
    found = verify_snapshot(copy)
    assert [error.path for error in found] == [path]
    assert "digest" in str(found[0])


def test_every_file_of_the_lexical_index_counts(copy: Path) -> None:
    parts = list((copy / "lexical").glob("*.idx"))
    assert parts
    for path in parts:
        flip(path)
        assert path in [error.path for error in verify_snapshot(copy)]


def test_missing_and_foreign_files(copy: Path) -> None:
    (copy / "stranger").write_text("hello")
    (copy / "vectors.faiss").unlink()
    assert {error.path.name for error in verify_snapshot(copy)} == {"stranger", "vectors.faiss"}


def truncate(copy: Path) -> str:
    path = copy / "vectors.faiss"
    path.write_bytes(path.read_bytes()[:-100])
    return "vectors.faiss"


def no_manifest(copy: Path) -> str:
    (copy / "manifest.json").unlink()
    return "manifest.json: is missing"


def future(copy: Path) -> str:
    manifest = msgspec.json.decode((copy / "manifest.json").read_bytes())
    (copy / "manifest.json").write_bytes(msgspec.json.encode(manifest | {"schema": 2, "new": 1}))
    return "newer version"


def not_json(copy: Path) -> str:
    (copy / "manifest.json").write_bytes(b"\xff{")
    return "not a manifest"


def relabelled(copy: Path) -> str:
    return replaced_size(copy, "vectors.faiss", b"IxF2" + b"\0" * 60)


def no_database(copy: Path) -> str:
    return replaced_size(copy, "catalogue.sqlite", b"SQLite format 3\0" + b"\7" * 5000)


def no_lexical(copy: Path) -> str:
    return replaced_size(copy, "lexical/meta.json", b"{}")


def replaced_size(copy: Path, name: str, content: bytes) -> str:
    """Write a file of another kind, and its size and digest into the manifest, as a wrong build would."""
    (copy / name).write_bytes(content)
    manifest = msgspec.json.decode((copy / "manifest.json").read_bytes())
    manifest["files"][name] |= {"bytes": len(content), "ends": "", "sha256": sha256(content).hexdigest()}
    (copy / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return name.split("/")[0]


@pytest.mark.parametrize(
    "damage", [truncate, no_manifest, future, not_json, relabelled, no_database, no_lexical], ids=lambda f: f.__name__
)
def test_opening_names_the_file(copy: Path, damage: Callable[[Path], str]) -> None:
    words = damage(copy)
    with pytest.raises(SnapshotInvalid) as caught:
        open_snapshot(copy)
    assert words in str(caught.value)


def test_a_catalogue_of_another_snapshot(copy: Path, tmp_path: Path, kit: Any) -> None:
    other = kit.build(kit.papers(30), kit.Encoder(), tmp_path / "other")
    stranger = tmp_path / "other" / "snapshots" / other.id / "catalogue.sqlite"
    replaced_size(copy, "catalogue.sqlite", stranger.read_bytes())
    with pytest.raises(SnapshotInvalid, match=f"is of snapshot {other.id}"):
        open_snapshot(copy)


def test_vectors_of_another_snapshot(copy: Path, tmp_path: Path, kit: Any) -> None:
    other = kit.build(kit.papers(30), kit.Encoder(), tmp_path / "other")
    replaced_size(copy, "vectors.faiss", (tmp_path / "other" / "snapshots" / other.id / "vectors.faiss").read_bytes())
    with pytest.raises(SnapshotInvalid, match=r"vectors\.faiss: holds 30 papers, not 1500"):
        open_snapshot(copy)


@pytest.mark.parametrize("name", ["vectors.faiss", "digests.bin"])
def test_a_file_of_another_snapshot_of_as_many_papers(copy: Path, tmp_path: Path, kit: Any, name: str) -> None:
    other = kit.build(kit.papers(1500, seed=8), kit.Encoder(), tmp_path / "other")
    (copy / name).write_bytes((tmp_path / "other" / "snapshots" / other.id / name).read_bytes())
    with pytest.raises(SnapshotInvalid, match=rf"{name}: is damaged or of another snapshot"):
        open_snapshot(copy)


@pytest.mark.parametrize("place", [0, 1, 40, -1])
def test_a_flipped_bit_at_either_end_is_found_when_opening(copy: Path, place: int) -> None:
    path = copy / "vectors.faiss"
    flip(path, place)
    with pytest.raises(SnapshotInvalid, match=r"vectors\.faiss: is damaged"):
        open_snapshot(copy)
