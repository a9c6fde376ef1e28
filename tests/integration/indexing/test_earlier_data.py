"""Read, check, update and tune a data directory that an earlier version wrote.

`tests/data/data_of_schema_1.zip` was written before manifests noted which repository was harvested: eleven papers of a
harvest of the set cs up to 2026-01-01, one of twelve withdrawn by an update.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from akin.indexing.embedding_store import EmbeddingStore, text_digest
from akin.indexing.verify import check_rows, measure_recall
from akin.papers.remote import ARXIV, Harvest
from retrieval_service.adapters.english import ANALYSIS_VERSION
from retrieval_service.adapters.sqlite_catalogue import SqliteCatalogue
from retrieval_service.corpus import SnapshotDirectory, open_snapshot, read_manifest, verify_snapshot
from retrieval_service.corpus.manifest import CATALOGUE
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.filter import Clause, Field, Filter
from tests.integration.snapshots import tune, update

KEPT = Path(__file__).parents[2] / "data" / "data_of_schema_1.zip"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with zipfile.ZipFile(KEPT) as kept:
        kept.extractall(tmp_path)
    return tmp_path


def test_the_manifest_is_read(data: Path) -> None:
    name = SnapshotDirectory(data).current()
    assert name is not None
    directory = SnapshotDirectory(data).path(name)
    written = json.loads((directory / "manifest.json").read_bytes())
    assert "repository" not in written
    manifest = read_manifest(directory)
    assert (manifest.papers, manifest.harvested, manifest.subset) == (11, "2026-01-01", "cs")
    assert (manifest.repository, manifest.change and manifest.change.unclaimed) == (None, "")
    assert set(manifest.files) == set(written["files"])


def test_the_embeddings_are_found(data: Path, kit: Any) -> None:
    papers = kit.papers(12)
    with EmbeddingStore(data / "embeddings" / kit.Encoder().identity.digest, 48) as store:
        digests = [text_digest(f"{paper.title}. {paper.abstract}") for paper in papers]
        assert len(store) == 12
        assert (store.positions(digests) >= 0).all()
        assert store.match_checksums(store.positions(digests)).all()


def test_the_snapshot_is_opened_verified_updated_and_tuned(data: Path, kit: Any) -> None:
    encoder, papers, snapshots = kit.Encoder(), kit.papers(14), SnapshotDirectory(data)
    (old,) = snapshots.ids()
    of_today = read_manifest(snapshots.path(old)).analysis_version == ANALYSIS_VERSION
    checked = check_rows(snapshots.path(old), data, rows=None)
    assert (checked.papers, checked.texts, checked.vectors, checked.damage) == (11, 11, 11, [])
    assert measure_recall(snapshots.path(old), data).recall_at_10 == 1.0
    if of_today:
        assert verify_snapshot(snapshots.path(old)) == []
        snapshot = open_snapshot(snapshots.path(old))
        assert {paper.id for paper in snapshot.catalogue.papers(range(11))} == {
            paper.id for number, paper in enumerate(papers[:12]) if number != 3
        }
        snapshot.close()
    else:
        with pytest.raises(SnapshotInvalid, match="akin index update"):
            open_snapshot(snapshots.path(old))
    harvest = Harvest("h.jsonl", ARXIV, "cs", "2026-01-01", "2026-02-01", 2, 0, 0, "0" * 64)
    updated = update(papers[12:], encoder, data, harvest=harvest)
    assert (updated.papers, updated.embedded) == (13, 2)
    assert (updated.harvested, updated.repository, updated.subset) == ("2026-02-01", ARXIV, "cs")
    tuned = tune(encoder, data)
    assert verify_snapshot(snapshots.path(tuned.id)) == []
    assert check_rows(snapshots.path(tuned.id), data, rows=None).damage == []
    assert (tuned.harvested, tuned.repository) == ("2026-02-01", ARXIV)
    assert tuned.id in snapshots.ids()


def test_the_snapshot_is_converted_without_embedding_its_texts_again(data: Path, kit: Any) -> None:
    encoder, snapshots = kit.Encoder(), SnapshotDirectory(data)
    (old,) = snapshots.ids()
    converted = update([], encoder, data)
    assert (converted.papers, converted.embedded, encoder.texts) == (11, 0, [])
    assert (converted.harvested, converted.subset) == ("2026-01-01", "cs")
    assert (snapshots.current(), snapshots.ids()) == (converted.id, [converted.id, old])
    assert check_rows(snapshots.path(converted.id), data, rows=None).damage == []
    before = SqliteCatalogue(snapshots.path(old) / CATALOGUE)
    snapshot = open_snapshot(snapshots.path(converted.id))
    assert snapshot.catalogue.papers(range(11)) == before.papers(range(11))
    title = snapshot.catalogue.papers([4])[0].title
    assert snapshot.lexical.search(title, 1, admitted=Filter((Clause(Field.TITLE, (title,)),))).rows.tolist() == [4]
    snapshot.close()
    before.close()
    assert update([], encoder, data).id == converted.id
