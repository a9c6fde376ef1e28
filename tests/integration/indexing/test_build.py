"""Build snapshots: the parts, the embeddings that are used again, and the state after a kill."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing.build import build_snapshot
from akin.indexing.options import Progress
from akin.papers import Paper, read_papers
from retrieval_service.corpus import SnapshotDirectory, verify_snapshot
from retrieval_service.errors import (
    BuildInProgress,
    EncoderUnavailable,
    NoPapers,
    SnapshotError,
    SnapshotInUse,
    SnapshotNotFound,
)
from retrieval_service.ports import EmbeddingBatch, InputType
from tests.integration.snapshots import opened


def test_a_snapshot_is_whole_and_live(corpus: Any) -> None:
    snapshots = SnapshotDirectory(corpus.data)
    assert snapshots.current() == corpus.manifest.id
    assert verify_snapshot(snapshots.path(corpus.manifest.id)) == []
    assert not [path for path in snapshots.root.iterdir() if path.name.startswith(".building")]
    assert corpus.manifest.encoder.digest == corpus.encoder.identity.digest
    snapshot = corpus.open()
    rows = list(range(0, 1500, 100))
    assert snapshot.catalogue.papers(rows) == [corpus.papers[row] for row in rows]
    snapshot.close()


def test_texts_are_embedded_once(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(300), kit.Encoder()
    twin = msgspec.structs.replace(papers[0], id="2001.99999")
    first = kit.build([*papers[:200], twin], encoder, tmp_path)
    assert (first.papers, first.embedded) == (201, 200)
    assert len(encoder.texts) == len(set(encoder.texts)) == 200
    assert encoder.largest_batch <= 64
    again = kit.build(papers, encoder, tmp_path)
    assert (again.papers, again.embedded) == (300, 100)
    assert SnapshotDirectory(tmp_path).ids() == sorted([first.id, again.id], reverse=True)
    other = kit.build(papers, kit.Encoder("another"), tmp_path)
    assert other.embedded == 300


def test_vectors_are_those_of_the_encoder(tmp_path: Path, kit: Any) -> None:
    papers, _, manifest = kit.built(tmp_path, 2500, batch=16, in_flight=3)
    snapshot = opened(tmp_path, manifest)
    rows = [0, 1, 2047, 2048, 2499]
    expected = np.stack([kit.hashed(f"{papers[row].title}. {papers[row].abstract}") for row in rows])
    np.testing.assert_allclose(snapshot.vectors.vectors(rows), expected, atol=1e-3)
    snapshot.close()


def test_a_build_succeeds_with_an_encoder_too_busy_for_queries(tmp_path: Path, kit: Any) -> None:
    class Busy(kit.Encoder):  # type: ignore[misc,name-defined]  # the kit is made at run time
        async def embed_queries(self, texts: Sequence[str], input_type: InputType = "query") -> EmbeddingBatch:
            raise EncoderUnavailable("Triton did not answer within 2 s.")

    manifest = kit.build(kit.papers(1100), Busy(), tmp_path, exact_below=1000)
    assert manifest.index.curve


def test_a_large_corpus_gets_lists_tuned_to_recall(tmp_path: Path, kit: Any) -> None:
    papers, encoder, manifest = kit.built(tmp_path, 3000, exact_below=1000, recall_target=0.9)
    index = manifest.index
    assert index.recipe == "IVF16,PQ24x4fs,Refine(SQ8)"
    assert index.curve[-1].nprobe == index.nprobe
    assert f"at nprobe {index.nprobe}" in index.why
    assert index.curve[-1].recall_at_10 >= 0.9
    assert [point.recall_at_10 < 0.9 for point in index.curve[:-1]] == [True] * (len(index.curve) - 1)
    smaller = kit.build(papers, encoder, tmp_path, exact_below=1000, memory_mb=0.2).index
    assert (smaller.recipe, "limit 0.2 MB" in smaller.why) == ("IVF16,SQ8", True)
    exact, lists = opened(tmp_path, kit.build(papers, encoder, tmp_path)), opened(tmp_path, manifest)
    queries = [kit.hashed(paper.title) for paper in papers[:50]]
    shares = []
    for query in queries:
        truth = set(exact.vectors.search(query, 10).rows.tolist())
        shares.append(len(truth & set(lists.vectors.search(query, 100).rows[:10].tolist())) / 10)
        everywhere = lists.vectors.search(query, 100, nprobe=16).rows[:10]
        assert len(truth & set(everywhere.tolist())) >= 8
    assert np.mean(shares) >= 0.85
    for snapshot in (exact, lists):
        snapshot.close()


def test_progress_and_rejects(tmp_path: Path, kit: Any) -> None:
    source = tmp_path / "papers.jsonl.gz"
    with gzip.open(source, "wt", encoding="utf-8") as file:
        for paper in kit.papers(400):
            file.write(json.dumps({"id": paper.id, "title": paper.title, "abstract": paper.abstract}) + "\n")
        file.write('{"id": "x1", "title": 3}\n{broken\n')
    seen: list[Progress] = []
    reader = read_papers(source, mapping="id=id,title=title,abstract=abstract")
    manifest = asyncio.run(
        build_snapshot(reader, kit.Encoder(), tmp_path / "data", source_name=source.name, progress=seen.append)
    )
    assert manifest.papers == 400
    assert sum(manifest.rejected.values()) == 2
    stages = [p.stage for p in seen]
    assert sorted(set(stages), key=stages.index) == ["read", "index", "embed", "publish"]
    done = [p.done for p in seen if p.stage == "embed"]
    assert done == sorted(done)
    assert done[-1] == 400
    assert seen[0].total is not None


def test_no_papers(tmp_path: Path, kit: Any) -> None:
    with pytest.raises(NoPapers, match="no usable paper"):
        kit.build([], kit.Encoder(), tmp_path)
    with pytest.raises(NoPapers, match="1 no_text"):
        kit.build([Paper("1", "", "")], kit.Encoder(), tmp_path)
    assert SnapshotDirectory(tmp_path).ids() == []
    assert SnapshotDirectory(tmp_path).current() is None


def test_duplicates_are_counted_not_kept(tmp_path: Path, kit: Any) -> None:
    papers = kit.papers(50)
    manifest = kit.build([*papers, *papers[:7]], kit.Encoder(), tmp_path)
    assert (manifest.papers, manifest.rejected) == (50, {"duplicate_id": 7})


def test_embeddings_made_before_the_encoder_goes_away_are_kept(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(600), kit.Encoder()
    before = kit.build(papers[:100], encoder, tmp_path)
    embed = encoder.embed_passages

    async def failing(texts: Any, *input_type: Any) -> Any:
        if len(encoder.texts) > 400:
            raise EncoderUnavailable("gone")
        return await embed(texts, *input_type)

    encoder.embed_passages = failing
    with pytest.raises(EncoderUnavailable):
        kit.build(papers, encoder, tmp_path, in_flight=1)
    assert SnapshotDirectory(tmp_path).ids() == [before.id]
    encoder.embed_passages = embed
    made = len(set(encoder.texts))
    assert kit.build(papers, encoder, tmp_path).embedded == 600 - made


def test_a_full_disk_is_a_snapshot_error(tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kit.build(kit.papers(20), kit.Encoder(), tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("akin.indexing.snapshot_parts.write_index", full)
    with pytest.raises(SnapshotError, match="No space left on device"):
        kit.build(kit.papers(30), kit.Encoder(), tmp_path)
    assert SnapshotDirectory(tmp_path).ids() == [before.id]


def test_two_builders(tmp_path: Path, kit: Any) -> None:
    with SnapshotDirectory(tmp_path).new_build(), pytest.raises(BuildInProgress, match="another build"):
        kit.build(kit.papers(20), kit.Encoder(), tmp_path)
    kit.build(kit.papers(20), kit.Encoder(), tmp_path)


def test_use_and_remove(tmp_path: Path, kit: Any) -> None:
    snapshots, encoder = SnapshotDirectory(tmp_path), kit.Encoder()
    first = kit.build(kit.papers(20), encoder, tmp_path)
    second = kit.build(kit.papers(30), encoder, tmp_path, use=False)
    assert snapshots.current() == first.id
    snapshots.use(second.id)
    assert snapshots.current() == second.id
    with pytest.raises(SnapshotInUse):
        snapshots.remove(second.id)
    snapshots.remove(first.id)
    assert [manifest.id for manifest in snapshots.manifests()] == [second.id]
    for nonsense in (first.id, "../snapshots", ".lock", ""):
        with pytest.raises(SnapshotNotFound):
            snapshots.use(nonsense)


BUILDER = """
import asyncio, sys
from pathlib import Path
from tests.integration import generated
encoder = generated.HashEncoder()
embed = encoder.embed_passages
async def slow(texts, *input_type):
    await asyncio.sleep(0.02)
    embedded = await embed(texts, *input_type)
    print(len(texts), flush=True)
    return embedded
encoder.embed_passages = slow
generated.build(generated.generated_papers(5000), encoder, Path(sys.argv[1]), in_flight=int(sys.argv[2]))
"""


@pytest.mark.parametrize(("share", "in_flight"), [(0.2, 1), (0.5, 3), (0.7, 1)])
def test_after_a_kill_at_most_the_requests_in_flight_are_repeated(
    tmp_path: Path, kit: Any, share: float, in_flight: int
) -> None:
    encoder, papers = kit.Encoder(), kit.papers(5000)
    before = kit.build(papers[:100], encoder, tmp_path)
    kept = tmp_path / "embeddings" / encoder.identity.digest / "keys.bin"
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", BUILDER, str(tmp_path), str(in_flight)]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        deadline = monotonic() + 60
        while kept.stat().st_size < share * 5000 * 20:
            assert process.poll() is None
            assert monotonic() < deadline
            sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        printed = process.communicate()[0]
    snapshots = SnapshotDirectory(tmp_path)
    assert snapshots.current() == before.id
    assert verify_snapshot(snapshots.path(before.id)) == []
    assert list(snapshots.root.glob(".building-*"))
    # A batch that was written in part when the process was killed.
    with kept.open("ab") as file:
        file.write(b"torn")
    with kept.with_name("vectors.f16").open("ab") as file:
        file.write(b"torn, and longer than it should be" * 10)
    whole = kept.stat().st_size // 20
    after = kit.build(papers, encoder, tmp_path)
    assert after.papers == 5000
    assert after.embedded == 5000 - whole
    # Texts that both builds embedded are at most those of the requests that were in flight.
    embedded = sum(map(int, printed.split()))
    assert 100 + embedded + after.embedded - 5000 <= 64 * in_flight
    assert not list(snapshots.root.glob(".building-*"))
    assert verify_snapshot(snapshots.path(after.id)) == []


def test_the_store_is_named_by_the_encoder_digest(tmp_path: Path, kit: Any) -> None:
    encoder = kit.Encoder()
    encoder.identity = replace(encoder.identity, version=9)
    kit.build(kit.papers(10), encoder, tmp_path)
    assert [path.name for path in (tmp_path / "embeddings").iterdir()] == [encoder.identity.digest]
