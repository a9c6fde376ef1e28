"""Compare the rows of a snapshot: vectors of other papers and rows of other texts are found."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np
import pytest

from akin.indexing import build as building
from akin.indexing import embedding_store as storing
from akin.indexing.embedding_store import EmbeddingStore
from akin.indexing.faiss_recipe import Recipe, parse_recipe
from akin.indexing.faiss_writer import build_index, change_rows, write_index
from akin.indexing.verify import _spread, check_rows, measure_recall
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import file_records, read_manifest, write_manifest
from retrieval_service.errors import SnapshotError
from retrieval_service.ports import EmbeddingBatch, InputType
from tests.integration.snapshots import stored_vectors

RECIPES = [
    "SQfp16",
    "Flat",
    "IVF8,Flat",
    "IVF8,SQ8",
    "IVF8,PQ24x4fs,Refine(SQ8)",
    "IVF8,RaBitQ,Refine(SQ8)",
    "IVF8,PQ12x4",
    "HNSW8,SQ8",
]


@pytest.fixture
def copied(tmp_path: Path, corpus: Any) -> Path:
    """Copy the shared data, and return the directory of its snapshot."""
    shutil.copytree(corpus.data, tmp_path, dirs_exist_ok=True)
    return SnapshotDirectory(tmp_path).path(corpus.manifest.id)


def published_again(directory: Path, change: Callable[[Path], None]) -> Path:
    """Change a snapshot and write its digests again, so that they do not show the change."""
    change(directory)
    write_manifest(directory, msgspec.structs.replace(read_manifest(directory), files=file_records(directory)))
    return directory


def test_rows_are_right_after_a_build_with_many_merges(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sort = np.argsort
    merged: list[int] = []

    def counted(keys: Any, **options: Any) -> Any:
        merged.append(len(keys))
        return sort(keys, **options)

    class Slow(kit.Encoder):  # type: ignore[misc,name-defined]  # the kit is made at run time
        async def embed_passages(self, texts: Sequence[str], input_type: InputType = "passage") -> EmbeddingBatch:
            await asyncio.sleep(0.01)
            return self._embed(texts, input_type)

    monkeypatch.setattr(storing.np, "argsort", counted)
    monkeypatch.setattr(building, "EmbeddingStore", partial(EmbeddingStore, merge_after=1500))
    manifest = kit.build(kit.papers(6500), Slow(), tmp_path)
    monkeypatch.undo()
    assert len([count for count in merged if count]) >= 4
    found = check_rows(SnapshotDirectory(tmp_path).path(manifest.id), tmp_path, rows=None)
    assert (found.papers, found.texts, found.vectors) == (6500, 6500, 6500)
    assert (found.damage, found.not_compared) == ([], [])


@pytest.mark.parametrize("factory", RECIPES)
def test_vectors_of_other_papers_are_found_in_every_kind_of_index(
    tmp_path: Path, corpus: Any, copied: Path, factory: str
) -> None:
    stored = stored_vectors(corpus.papers)
    swapped = stored.copy()
    swapped[[40, 1200]] = stored[[1200, 40]]
    swapped[7] = stored[-1]

    def written(vectors: Any) -> Callable[[Path], None]:
        index = build_index(parse_recipe(factory), 1500, 48, lambda rows: vectors[rows])
        return lambda directory: write_index(index, directory / "vectors.faiss")

    right = check_rows(published_again(copied, written(stored)), tmp_path, rows=None)
    assert (right.vectors, right.damage, right.not_compared) == (1500, [], [])
    wrong = check_rows(published_again(copied, written(swapped)), tmp_path, rows=None)
    assert wrong.vectors == 1500
    assert [problem.path.name for problem in wrong.damage] == ["vectors.faiss"]
    assert "each of 3 rows (7, 40, 1,200) holds another vector" in str(wrong.damage[0])


@pytest.mark.parametrize("factory", RECIPES)
def test_changed_rows_are_right(factory: str, tmp_path: Path, corpus: Any, copied: Path) -> None:
    """Encode single rows with a trained index, as an update does; their codes are as good as those of other rows."""
    stored = stored_vectors(corpus.papers)
    before = stored.copy()
    kept = 1500 if not factory.startswith("HNSW") else 1400
    before[[3, 800, 1399]] = stored[[4, 5, 6]] if kept == 1500 else before[[3, 800, 1399]]
    rows = np.asarray([3, 800, 1399, *range(1400, 1500)]) if kept == 1500 else np.arange(1400, 1500)
    index = build_index(parse_recipe(factory), 1400, 48, lambda some: before[some])
    change_rows(index, 1500, rows, lambda some: stored[some])
    published_again(copied, lambda at: write_index(index, at / "vectors.faiss"))
    found = check_rows(copied, tmp_path, rows=None)
    assert (found.vectors, found.damage) == (1500, [])


def test_rows_of_other_texts_are_found(tmp_path: Path, corpus: Any, copied: Path) -> None:

    def edited(directory: Path) -> None:
        db = sqlite3.connect(directory / "catalogue.sqlite")
        db.execute("UPDATE paper SET abstract = abstract || ' and more' WHERE row = 77")
        db.commit()
        db.close()

    published_again(copied, edited)
    found = check_rows(copied, tmp_path, rows=None)
    assert [str(problem) for problem in found.damage] == [
        f"{copied}/digests.bin: row 77 is of another text: build it again (nothing is embedded twice)"
    ]
    shutil.rmtree(tmp_path / "embeddings")
    found = check_rows(copied, tmp_path, rows=None)
    assert (found.texts, found.vectors, len(found.damage)) == (1500, 0, 1)
    assert "is missing" in found.not_compared[0]


def test_missing_embeddings_are_counted(tmp_path: Path, corpus: Any, copied: Path) -> None:
    store = tmp_path / "embeddings" / corpus.encoder.identity.digest
    with (store / "keys.bin").open("r+b") as keys:
        keys.truncate(1000 * 20)
    found = check_rows(copied, tmp_path, rows=None)
    assert (found.texts, found.vectors, found.damage) == (1500, 1000, [])
    assert "lacks the embeddings of 500" in found.not_compared[0]
    assert not found.unproven
    (store / "keys.bin").unlink()
    assert check_rows(copied, tmp_path, rows=None).unproven


@pytest.mark.parametrize("place", [5, 1499])
def test_damaged_embeddings_are_named_and_none_is_deleted(
    tmp_path: Path, corpus: Any, copied: Path, place: int
) -> None:
    folder = tmp_path / "embeddings" / corpus.encoder.identity.digest
    content = bytearray((folder / "vectors.f16").read_bytes())
    content[place * 96 + 2] ^= 0x55
    (folder / "vectors.f16").write_bytes(content)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    found = check_rows(copied, tmp_path, rows=None)
    measure_recall(copied, tmp_path, queries=10) if place == 5 else None
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert found.vectors == 1499
    assert [problem.path for problem in found.damage] == [folder / "vectors.f16"]


def test_rows_are_compared_while_a_build_appends(tmp_path: Path, corpus: Any, copied: Path) -> None:
    with EmbeddingStore(tmp_path / "embeddings" / corpus.encoder.identity.digest, 48) as store:
        store.append([b"n" * 16], np.ones((1, 48), np.float32))
        found = check_rows(copied, tmp_path, rows=None)
        store.append([b"m" * 16], np.ones((1, 48), np.float32))
    assert (found.vectors, found.damage, found.not_compared) == (1500, [], [])


def test_a_sample_contains_a_row_of_every_long_run() -> None:
    for papers, rows in ((100, 100), (100, 200), (1000, 10), (12_345, 678), (2_500_000, 20_000)):
        chosen = _spread(papers, rows, None)
        assert len(chosen) == min(papers, rows)
        assert (chosen[0] >= 0, chosen[-1] < papers) == (True, True)
        widest = max(np.diff(chosen, prepend=-1, append=papers))
        assert widest <= 2 * -(-papers // rows)
    np.testing.assert_array_equal(_spread(1000, 10, 5), _spread(1000, 10, 5))


def test_packed_codes_without_refinement_are_refused(tmp_path: Path, kit: Any, corpus: Any, copied: Path) -> None:
    """Refuse what makes FAISS crash: to read such rows back."""
    vectors = np.stack([kit.hashed(paper.title) for paper in corpus.papers])
    index = build_index(Recipe("IVF8,PQ24x4fs", 8, 1.0, ""), 1500, 48, lambda rows: vectors[rows])
    assert isinstance(index, faiss.IndexIVFPQFastScan)
    published_again(copied, lambda at: write_index(index, at / "vectors.faiss"))
    found = check_rows(copied, tmp_path, rows=None)
    assert (found.texts, found.vectors, found.damage) == (1500, 0, [])
    assert "cannot be read back" in found.not_compared[0]
    with pytest.raises(SnapshotError, match="akin index tune"):
        FaissIndex.open(copied / "vectors.faiss").vectors([0])
    assert read_manifest(copied).papers == 1500
