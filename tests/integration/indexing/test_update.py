"""Update a snapshot: its answers are those of a new build, and unchanged texts are not embedded again."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from akin.indexing import faiss_recipe
from akin.indexing import update as updating
from akin.indexing.faiss_writer import add_all
from akin.indexing.options import BuildOptions
from akin.papers import Author, Paper, passage_text
from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.corpus import Manifest, Snapshot, SnapshotDirectory, verify_snapshot
from retrieval_service.errors import EncoderMismatch, NoPapers, NoSnapshot, SnapshotInvalid
from retrieval_service.filter import Clause, Field, Filter
from tests.integration.snapshots import flip, opened, score_by_row, stored_vectors, update
from tests.people import people

EXACT, LISTS = 10**9, 10


def everything(snapshot: Snapshot) -> list[Paper]:
    return snapshot.catalogue.papers(range(len(snapshot.catalogue)))


def refilled(snapshot: Path, papers: list[Paper]) -> FaissIndex:
    """Return an index with the trained parts of a snapshot's index, filled with all papers from the first on."""
    manifest = msgspec.json.decode((snapshot / "manifest.json").read_bytes(), type=Manifest)
    index = faiss.read_index(str(snapshot / "vectors.faiss"))
    index.reset()
    stored = stored_vectors(papers)
    add_all(index, len(papers), lambda rows: stored[rows])
    return FaissIndex(index, nprobe=manifest.index.nprobe, k_factor=manifest.index.k_factor)


def assert_same_answers(one: Snapshot, other: Snapshot, queries: list[str], hashed: Any) -> None:
    """Check that both find every paper, with the same score, for every kind of query."""
    assert everything(one) == everything(other)
    assert one.catalogue.categories == other.catalogue.categories
    assert one.catalogue.span == other.catalogue.span
    for code in one.catalogue.categories:
        having = Filter((Clause(Field.CATEGORY, (code,)),))
        np.testing.assert_array_equal(*(each.catalogue.find_rows(having).mask for each in (one, other)))
    count = len(one.catalogue)
    for query in queries:
        assert score_by_row(one.lexical.search(query, count)) == score_by_row(other.lexical.search(query, count))
        vector = hashed(query)
        assert score_by_row(one.vectors.search(vector, count)) == score_by_row(other.vectors.search(vector, count))


@dataclass
class Collection:
    """Papers by number, each with the number of changes of its text and of its other fields."""

    pool: list[Paper]
    versions: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def paper(self, number: int) -> Paper:
        text, indexed, other = self.versions[number]
        paper = self.pool[number]
        return msgspec.structs.replace(
            paper,
            abstract=paper.abstract + " revised" * text,
            categories=paper.categories if not indexed % 2 else ("q-bio.GN",),
            doi=f"10.1/{other}" if other else None,
        )

    @property
    def papers(self) -> list[Paper]:
        return [self.paper(number) for number in self.versions]


STEP = st.tuples(
    st.dictionaries(st.integers(0, 59), st.sampled_from(["text", "indexed", "other", "same"]), max_size=12),
    st.sets(st.integers(0, 59), max_size=12),
    st.booleans(),
)


@pytest.mark.parametrize("exact_below", [EXACT, LISTS], ids=["exact", "lists"])
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sets(st.integers(0, 59), min_size=25), steps=st.lists(STEP, min_size=1, max_size=2))
def test_answers_are_those_of_a_build_from_scratch(
    kit: Any, monkeypatch: pytest.MonkeyPatch, exact_below: int, start: set[int], steps: Any
) -> None:
    monkeypatch.setattr(faiss_recipe, "VECTORS_PER_LIST", 8)
    monkeypatch.setattr("os.fsync", lambda _: None)  # a hundred snapshots need no protection from power failures
    collection = Collection(kit.papers(60), dict.fromkeys(sorted(start), (0, 0, 0)))
    folder = Path(tempfile.mkdtemp(prefix="akin-update-"))
    try:
        encoder, options = kit.Encoder(), BuildOptions(exact_below=exact_below)
        manifest = kit.build(collection.papers, encoder, folder / "updated", exact_below=exact_below)
        for changes, gone, complete in steps:
            touched = {}
            for number, kind in changes.items():
                text, indexed, other = collection.versions.get(number, (0, 0, -1))
                bump = {"text": (1, 0, 0), "indexed": (0, 1, 0), "other": (0, 0, 1), "same": (0, 0, 0)}[kind]
                collection.versions[number] = (text + bump[0], indexed + bump[1], max(0, other) + bump[2])
                touched[number] = collection.paper(number)
            if gone >= collection.versions.keys():
                gone = set()
            for number in gone:
                collection.versions.pop(number, None)
            if complete:
                manifest = update(collection.papers, encoder, folder / "updated", options=options, complete=True)
            else:
                ids = [collection.pool[number].id for number in gone]
                sent = [paper for number, paper in touched.items() if number not in gone]
                manifest = update(sent, encoder, folder / "updated", options=options, withdrawn=ids)
        ours = opened(folder / "updated", manifest)
        assert sorted(everything(ours), key=lambda paper: paper.id) == sorted(
            collection.papers, key=lambda paper: paper.id
        )
        scratch = kit.build(everything(ours), encoder, folder / "scratch", exact_below=exact_below)
        theirs = opened(folder / "scratch", scratch)
        if exact_below == LISTS:
            theirs = replace(
                theirs, vectors=refilled(SnapshotDirectory(folder / "updated").path(manifest.id), everything(ours))
            )
        queries = [paper.title for paper in everything(ours)[:3]] + ["revised", "nothing of this"]
        assert_same_answers(ours, theirs, queries, kit.hashed)
        assert verify_snapshot(SnapshotDirectory(folder / "updated").path(manifest.id)) == []
        for snapshot in (ours, theirs):
            snapshot.close()
    finally:
        shutil.rmtree(folder)


def test_a_harvest_of_the_same_version_keeps_the_divided_names(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(20), kit.Encoder()
    divided, printed = (Author("Ortega Fuentes", "Lucía"),), people("Lucía Ortega Fuentes")
    stored = [msgspec.structs.replace(paper, authors=divided, authors_parsed=True, versions=1) for paper in papers]
    kit.build(stored, encoder, tmp_path)
    harvested = [
        msgspec.structs.replace(stored[row], authors=printed, authors_parsed=False, versions=count, journal_ref=ref)
        for row, count, ref in ((0, 1, None), (1, 2, None), (2, 1, "J. 1"))
    ]
    after = update(harvested, encoder, tmp_path)
    assert after.change is not None
    assert (after.change.unchanged, after.change.replaced) == (1, 2)
    snapshot = opened(tmp_path, after)
    found = snapshot.catalogue.papers([0, 1, 2])
    snapshot.close()
    assert [paper.authors for paper in found] == [divided, printed, divided]
    assert [paper.journal_ref for paper in found] == [None, None, "J. 1"]


def test_an_older_version_does_not_replace_a_newer_one(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(20), kit.Encoder()
    stored = [
        msgspec.structs.replace(paper, versions=count) for paper, count in zip(papers, [3, 3, 3, 0], strict=False)
    ]
    before = kit.build(stored, encoder, tmp_path)
    sent = [
        msgspec.structs.replace(stored[row], title=f"Title {row}", versions=count, authors_parsed=row == 0)
        for row, count in ((0, 2), (1, 3), (2, 0), (3, 1))
    ]
    after = update(sent, encoder, tmp_path, complete=True)
    assert after.change is not None
    assert (after.change.older, after.change.replaced, after.change.withdrawn) == (1, 3, 0)
    assert update(sent[:1], encoder, tmp_path) == after
    snapshot = opened(tmp_path, after)
    assert [paper.title for paper in snapshot.catalogue.papers(range(4))] == [
        stored[0].title,
        "Title 1",
        "Title 2",
        "Title 3",
    ]
    snapshot.close()
    assert before.papers == after.papers == 4


def test_only_new_texts_are_embedded_and_the_old_snapshot_stays(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(300), kit.Encoder()
    before = kit.build(papers[:200], encoder, tmp_path)
    encoder.texts.clear()
    changed = msgspec.structs.replace(papers[7], title="Another title")
    renamed = msgspec.structs.replace(papers[8], authors=people("Emmy Noether"))
    after = update([*papers[100:250], changed, renamed], encoder, tmp_path, withdrawn=[papers[3].id, "9999.99999"])
    assert sorted(encoder.texts) == sorted(passage_text(paper) for paper in [*papers[200:250], changed])
    assert (after.papers, after.embedded, after.source) == (249, 51, "generated")
    assert after.change is not None
    assert (after.change.base, after.change.source) == (before.id, "changes")
    counts = (after.change.added, after.change.replaced, after.change.withdrawn, after.change.unchanged)
    assert counts == (50, 2, 1, 100)
    snapshots = SnapshotDirectory(tmp_path)
    assert snapshots.current() == after.id
    assert verify_snapshot(snapshots.path(before.id)) == verify_snapshot(snapshots.path(after.id)) == []
    assert everything(opened(tmp_path, before)) == papers[:200]


def test_nothing_changed(tmp_path: Path, kit: Any) -> None:
    papers, encoder, before = kit.built(tmp_path, 30)
    assert update(papers, encoder, tmp_path, withdrawn=["9999.99999"]) == before
    assert SnapshotDirectory(tmp_path).ids() == [before.id]
    assert not list(SnapshotDirectory(tmp_path).root.glob(".building*"))


def test_a_large_index_counts_removed_words_for_a_while(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updating, "REWRITE_BELOW", 0)
    monkeypatch.setattr(updating, "STALE_SHARE", 0.02)
    papers, encoder = kit.papers(400), kit.Encoder()
    kit.build(papers[:300], encoder, tmp_path / "a")
    grown = update(papers[300:], encoder, tmp_path / "a")
    scratch = opened(tmp_path / "b", kit.build(papers, encoder, tmp_path / "b"))
    queries = [paper.title for paper in papers[::100]]
    assert_same_answers(opened(tmp_path / "a", grown), scratch, queries, kit.hashed)

    fresh = msgspec.structs.replace(papers[9], title="Zyzzyva", abstract="Weevils of a kind.")
    manifest = update([fresh], encoder, tmp_path / "a", withdrawn=[papers[0].id])
    assert manifest.change is not None
    assert manifest.change.stale == 3  # both removed texts, and the old row of the paper that moved
    ours = opened(tmp_path / "a", manifest)
    theirs = opened(tmp_path / "c", kit.build(everything(ours), encoder, tmp_path / "c"))
    for query in queries:
        one, other = score_by_row(ours.lexical.search(query, 400)), score_by_row(theirs.lexical.search(query, 400))
        assert one == pytest.approx(other, rel=0.05)
    assert len(ours.lexical.search("zyzzyva", 10).rows) == 1
    manifest = update([], encoder, tmp_path / "a", withdrawn=[paper.id for paper in papers[1:8]])
    assert manifest.change is not None
    assert manifest.change.stale == 0
    ours = opened(tmp_path / "a", manifest)
    theirs = opened(tmp_path / "d", kit.build(everything(ours), encoder, tmp_path / "d"))
    assert_same_answers(ours, theirs, queries, kit.hashed)


def test_a_new_text_analysis_embeds_nothing(tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, encoder, _ = kit.built(tmp_path, 40)
    encoder.texts.clear()
    for module in ("akin.indexing.update", "retrieval_service.corpus.snapshot"):
        monkeypatch.setattr(f"{module}.ANALYSIS_VERSION", 99)
    manifest = update([], encoder, tmp_path)
    assert manifest.analysis_version == 99
    assert encoder.texts == []
    assert len(opened(tmp_path, manifest).lexical) == 40


def test_papers_of_an_earlier_release_are_cleaned_and_only_other_texts_embedded(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = kit.papers(40)
    paragraphs = msgspec.structs.replace(plain[0], abstract="One.\n\nTwo.")
    hyphen = msgspec.structs.replace(plain[1], title="Photo\u00advoltaic &amp; more")
    encoder = kit.Encoder()
    monkeypatch.setattr("akin.indexing.build.PASSAGE_TEXT_VERSION", 1)
    kit.build([paragraphs, hyphen, *plain[2:]], encoder, tmp_path)
    encoder.texts.clear()
    manifest = update([], encoder, tmp_path)
    assert (manifest.passage_text_version, manifest.papers, manifest.embedded) == (2, 40, 1)
    cleaned = msgspec.structs.replace(hyphen, title="Photovoltaic & more")
    assert encoder.texts == [passage_text(cleaned)]
    ours = opened(tmp_path, manifest)
    assert everything(ours) == [msgspec.structs.replace(paragraphs, abstract="One.\nTwo."), cleaned, *plain[2:]]
    theirs = opened(tmp_path / "new", kit.build(everything(ours), encoder, tmp_path / "new"))
    assert_same_answers(ours, theirs, ["photovoltaic", plain[5].title], kit.hashed)
    assert update([], encoder, tmp_path).id == manifest.id


def test_lost_embeddings_are_made_again_if_they_are_needed(tmp_path: Path, kit: Any) -> None:
    papers, encoder, _ = kit.built(tmp_path, 40)
    shutil.rmtree(tmp_path / "embeddings")
    encoder.texts.clear()
    manifest = update([], encoder, tmp_path, withdrawn=[papers[0].id, papers[39].id])
    assert encoder.texts == [passage_text(papers[38])]
    assert everything(opened(tmp_path, manifest)) == [papers[38], *papers[1:38]]


def test_updates_that_cannot_be_made_are_refused(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(20), kit.Encoder()
    with pytest.raises(NoSnapshot, match="akin index build"):
        update(papers, encoder, tmp_path)
    before = kit.build(papers, encoder, tmp_path)
    with pytest.raises(EncoderMismatch, match=before.id):
        update(papers, kit.Encoder("another"), tmp_path)
    with pytest.raises(NoPapers, match="every paper"):
        update([], encoder, tmp_path, complete=True)
    assert SnapshotDirectory(tmp_path).ids() == [before.id]


@pytest.mark.parametrize("name", ["catalogue.sqlite", "vectors.faiss", "digests.bin", "lexical/meta.json"])
def test_damage_is_not_published_again(tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(updating, "REWRITE_BELOW", 0)
    monkeypatch.setattr(updating, "STALE_SHARE", 1.0)
    papers, encoder = kit.papers(60), kit.Encoder()
    before = kit.build(papers[:50], encoder, tmp_path)
    path = SnapshotDirectory(tmp_path).path(before.id) / name
    flip(path)
    with pytest.raises(SnapshotInvalid) as caught:
        update(papers, encoder, tmp_path)
    assert caught.value.path == path
    assert SnapshotDirectory(tmp_path).ids() == [before.id]
    assert SnapshotDirectory(tmp_path).current() == before.id
