"""Change a collection of Milvus in place into that of another snapshot, and fill one from files of embeddings."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing import milvus
from akin.indexing.bulk import embed
from akin.indexing.bulk.embed import embed_here, embed_papers
from akin.indexing.bulk.encoders import EncoderPlan
from akin.indexing.bulk.shards import find_sources
from akin.indexing.milvus import drop_collections, list_collections, load_snapshot, name_of, update_collection
from akin.indexing.milvus_recall import EFFORTS, Measured, measure_collection
from akin.papers import Paper
from retrieval_service.adapters.milvus_collection import MilvusCollection, MilvusOptions, connect
from retrieval_service.corpus.directory import SnapshotDirectory
from retrieval_service.corpus.manifest import read_manifest
from retrieval_service.corpus.snapshot import open_snapshot
from retrieval_service.errors import SnapshotError, VectorStoreUnusable
from tests.integration.generated import DIM, HashEncoder, build, generated_papers, hashed
from tests.integration.snapshots import tune, update


@pytest.fixture
def options(tmp_path: Path) -> MilvusOptions:
    return MilvusOptions(str(tmp_path / "papers.db"), seconds=60, words=True)


class Near(list[float]):
    """Scores that equal others to a hundredth."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Near) and list(self) == pytest.approx(list(other), rel=0.01)


def folder_of(data: Path, snapshot: str) -> Path:
    return SnapshotDirectory(data).path(snapshot)


def write(path: Path, papers: list[Paper]) -> Path:
    lines = [json.dumps({"id": each.id, "title": each.title, "abstract": each.abstract}) for each in papers]
    path.write_text("\n".join(lines) + "\n")
    return path


def embeddings(source: Path, to: Path, encoder: HashEncoder, monkeypatch: pytest.MonkeyPatch) -> str:
    """Embed papers with an encoder of tests; return the folder."""

    class Passages:
        def embed(self, texts: list[str]) -> Any:
            return np.stack([hashed(text) for text in texts])

        def close(self) -> None:
            pass

    monkeypatch.setattr(embed, "open_encoder", lambda _: Passages())
    plan = EncoderPlan(encoder.identity.digest, 1, DIM)
    embed_papers(find_sources([str(source)]), str(to), plan, embed_here, 128, lambda _: None)
    return str(to)


def answers(folder: Path, options: MilvusOptions | None, papers: list[Paper]) -> list[Any]:
    """Return the rows nearest to some queries, and the scores of the best rows by their words, to a hundredth.

    The mean length of a paper, which scores depend on, is that of the last load in rows that were not changed since.
    """
    snapshot = open_snapshot(folder, milvus=options)
    found: list[Any] = []
    for paper in papers:
        found.append(snapshot.vectors.search(hashed(paper.title), 15).rows.tolist())
        found.append(Near(snapshot.lexical.search(paper.title, 15).scores.tolist()))
    snapshot.close()
    return found


def test_a_collection_becomes_that_of_the_next_snapshot_by_its_changes_alone(
    tmp_path: Path, options: MilvusOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers, encoder, data = generated_papers(400), HashEncoder(), tmp_path / "data"
    first = build(papers[:300], encoder, data)
    old = folder_of(data, first.id)
    loaded = load_snapshot(old, options, "FLAT")
    assert loaded.written == 300
    served = open_snapshot(old, milvus=options)  # milvus-lite takes one client of a process at a time for one file
    changed = msgspec.structs.replace(papers[3], abstract=papers[350].abstract)
    renamed = msgspec.structs.replace(papers[4], categories=("cs.XX",))
    second = update([changed, renamed, *papers[300:350]], encoder, data, withdrawn=(papers[7].id, papers[299].id))
    new = folder_of(data, second.id)
    done = update_collection(new, options)
    assert done.vectors == second.papers == 348
    assert 52 <= done.written <= 54  # a withdrawn paper's row gets another paper
    assert answers(new, options, papers[:20]) == answers(new, None, papers[:20])
    (stored,) = list_collections(options, SnapshotDirectory(data))
    assert (stored.collection, stored.snapshot) == (name_of(second, options), second.id)
    # A service that is still at the old snapshot reaches the collection by its old name, and gives the old answers.
    for paper in (papers[3], papers[7], papers[350], papers[20]):
        assert served.vectors.search(hashed(paper.title), 15).rows.tolist() == (answers(old, None, [paper])[0])
    assert served.vectors.status is None
    served.close()
    # To open the old snapshot anew, its collection must be loaded again; the new one stays.
    with pytest.raises(VectorStoreUnusable, match=rf"was changed into {name_of(second, options)}\. Fill it"):
        open_snapshot(old, milvus=options)
    assert load_snapshot(old, options, "FLAT").written == 300
    assert len(list_collections(options, SnapshotDirectory(data))) == 2
    assert answers(new, options, papers[:5]) == answers(new, None, papers[:5])


def test_an_interrupted_change_is_repeated(
    tmp_path: Path, options: MilvusOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers, encoder, data = generated_papers(300), HashEncoder(), tmp_path / "data"
    first = build(papers[:250], encoder, data)
    load_snapshot(folder_of(data, first.id), options, "FLAT")
    second = update(papers[250:], encoder, data)
    new = folder_of(data, second.id)
    with monkeypatch.context() as killed:
        killed.setattr(milvus, "_check_count", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            update_collection(new, options)
    with pytest.raises(VectorStoreUnusable, match="no vectors of snapshot"):
        open_snapshot(new, milvus=options)
    done = update_collection(new, options)
    assert (done.written, done.vectors) == (0, 300)
    assert answers(new, options, papers[:10]) == answers(new, None, papers[:10])
    assert update_collection(new, options).written == 0
    third = update([msgspec.structs.replace(papers[0], title="Another title")], encoder, data)
    assert update_collection(folder_of(data, third.id), options).written == 1
    drop_collections(options, [name_of(third, options)])
    client = connect(options)
    assert client.list_collections() == []
    client.close()


def test_a_change_without_a_fitting_collection_is_refused(tmp_path: Path, options: MilvusOptions) -> None:
    papers, encoder, data = generated_papers(60), HashEncoder(), tmp_path / "data"
    first = build(papers, encoder, data)
    folder = folder_of(data, first.id)
    with pytest.raises(
        VectorStoreUnusable, match=rf"no collection that was loaded before.*akin milvus load {first.id}"
    ):
        update_collection(folder, options)
    load_snapshot(folder, options._replace(words=False), "FLAT")
    with pytest.raises(VectorStoreUnusable, match="has other fields or vectors"):
        update_collection(folder, options)
    other = build(papers, HashEncoder("another"), data)
    with pytest.raises(VectorStoreUnusable, match="has vectors of another encoder"):
        update_collection(folder_of(data, other.id), options._replace(words=False))


def test_exact_vectors_are_taken_from_files_where_an_index_keeps_rounded_ones(
    tmp_path: Path, options: MilvusOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers, encoder, data = generated_papers(600), HashEncoder(), tmp_path / "data"
    twin = msgspec.structs.replace(papers[5], id="2001.99999")  # of the same text
    build([*papers, twin], encoder, data)
    packed = tune(encoder, data, "IVF8,PQ24x4fs,Refine(SQ8)", recall=0.1)
    folder = folder_of(data, packed.id)
    some = embeddings(write(tmp_path / "some.jsonl", papers[:500]), tmp_path / "some", encoder, monkeypatch)
    with pytest.raises(VectorStoreUnusable, match=r"lacks the vectors of 100 papers.*embed them too"):
        load_snapshot(folder, options, "FLAT", embeddings=some)
    every = embeddings(write(tmp_path / "all.jsonl", [*papers, twin]), tmp_path / "all", encoder, monkeypatch)
    assert load_snapshot(folder, options, "FLAT", embeddings=every).written == 601
    snapshot = open_snapshot(folder, milvus=options)
    exact = np.stack([hashed(f"{each.title}. {each.abstract}") for each in [*papers, twin]])
    for paper in papers[:10]:
        hits = snapshot.vectors.search(hashed(paper.title), 10)
        np.testing.assert_allclose(hits.scores, np.sort(exact @ hashed(paper.title))[::-1][:10], atol=1e-5)
    snapshot.close()


def test_a_build_takes_vectors_from_files_and_embeds_only_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers, encoder, data = generated_papers(300), HashEncoder(), tmp_path / "data"
    given = embeddings(write(tmp_path / "papers.jsonl", papers[:200]), tmp_path / "vectors", encoder, monkeypatch)
    made = build(papers, encoder, data, embeddings=given)
    assert (made.papers, made.embedded) == (300, 100)
    assert len(encoder.texts) == 100
    plain = build(papers, HashEncoder(), tmp_path / "other")
    for one, other in ((made, data), (plain, tmp_path / "other")):
        assert read_manifest(folder_of(other, one.id)).papers == 300
    one, other = (open_snapshot(folder_of(at, each.id)) for at, each in ((data, made), (tmp_path / "other", plain)))
    np.testing.assert_array_equal(one.vectors.vectors(range(300)), other.vectors.vectors(range(300)))
    one.close()
    other.close()
    for wrong, message in (
        (
            HashEncoder("another"),
            r"vectors of encoder .* is in use: embed the papers with this one into another folder",
        ),
        (encoder, "is damaged: repeat the akin embed"),
    ):
        with pytest.raises(SnapshotError, match=message):
            build(papers, wrong, data, embeddings=given)
        (path,) = Path(given).glob("*-00001.parquet")
        path.write_bytes(path.read_bytes()[:-9])


def test_the_effort_that_reaches_a_recall_is_measured_beside_the_index_in_memory(
    tmp_path: Path, options: MilvusOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers, encoder, data = generated_papers(900), HashEncoder(), tmp_path / "data"
    folder = folder_of(data, build(papers, encoder, data).id)
    with pytest.raises(VectorStoreUnusable, match="no vectors of snapshot"):
        asyncio.run(measure_collection(folder, options, encoder, 0.95, print, 30))
    plain = options._replace(words=False)
    load_snapshot(folder, plain, "IVF_FLAT")
    shown: list[Measured] = []
    found = asyncio.run(measure_collection(folder, options, encoder, 0.95, shown.append, 30))
    assert found == shown
    assert (found[0].index, found[0].effort, found[0].recall) == ("memory", None, 1.0)
    assert [each.effort for each in found[1:]] == list(EFFORTS["nprobe"][: len(found) - 1])
    assert found[-1].recall >= 0.95 > found[1].recall
    assert all(each.recall < 0.95 for each in found[1:-1])
    load_snapshot(folder, plain, "FLAT")
    assert [each.recall for each in asyncio.run(measure_collection(folder, plain, encoder, 0.95, print, 30))] == [1, 1]
    # A failure of Milvus is not measured as its recall: main memory would have answered.
    monkeypatch.setattr(MilvusCollection, "ask", lambda *_: 1 / 0)
    with pytest.raises(SnapshotError, match="Milvus failed: division by zero: nothing was measured"):
        asyncio.run(measure_collection(folder, plain, encoder, 0.95, print, 30))
