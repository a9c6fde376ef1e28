"""Build a corpus in steps: what is published after each, what a kill leaves behind, and what is refused meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing.build import build_snapshot, complete_snapshot
from akin.indexing.options import BuildOptions
from akin.indexing.verify import verify
from akin.papers import Paper
from retrieval_service.corpus import Manifest, SnapshotDirectory, open_snapshot, verify_snapshot
from retrieval_service.errors import EncoderMismatch, SnapshotError
from tests.integration.service import client_of
from tests.integration.snapshots import flip, tune, update

STEPS = (0.1, 0.5)
A_DAY = datetime(2026, 1, 1, tzinfo=UTC)


class Step(Exception):
    """The build is to end after this step."""


def build_in_steps(
    papers: list[Paper], encoder: Any, data: Path, *, after: int | None = None, source: str = "papers.jsonl", **how: Any
) -> Manifest:
    """Build in steps; with `after`, end the build when so many partial snapshots are live."""
    options = BuildOptions(**({"steps": STEPS} | how))
    seen: list[str] = []

    def go_live(manifest: Manifest) -> None:
        SnapshotDirectory(data).use(manifest.id)
        seen.append(manifest.id)
        if len(seen) == after:
            raise Step

    work = build_snapshot(papers, encoder, data, source_name=source, options=options, go_live=go_live)
    try:
        return asyncio.run(work)
    except Step:
        return live(data)


def live(data: Path) -> Manifest:
    snapshots = SnapshotDirectory(data)
    name = snapshots.current()
    (manifest,) = (manifest for manifest in snapshots.manifests() if manifest.id == name)
    return manifest


def without_files(manifest: Manifest) -> Manifest:
    """Return the manifest without what differs between two builds of the same papers."""
    index = msgspec.structs.replace(manifest.index, curve=(), why="")
    return msgspec.structs.replace(manifest, id="", created=A_DAY, files={}, index=index)


def test_the_whole_snapshot_is_that_of_a_build_at_once(tmp_path: Path, kit: Any) -> None:
    papers = kit.papers(1200)
    in_steps = build_in_steps(papers, kit.Encoder(), tmp_path / "steps")
    at_once = build_in_steps(papers, kit.Encoder(), tmp_path / "once", steps=())
    assert not in_steps.partial
    assert without_files(in_steps) == without_files(at_once)
    for name in ("vectors.faiss", "digests.bin"):
        assert in_steps.files[name] == at_once.files[name]
    # Only the whole snapshot stays.
    snapshots = SnapshotDirectory(tmp_path / "steps")
    assert snapshots.ids() == [in_steps.id] == [snapshots.current()]
    assert verify_snapshot(snapshots.path(in_steps.id)) == []
    assert not list(snapshots.root.glob(".building*"))


def test_each_step_has_the_newest_papers(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(1000), kit.Encoder()
    days = [paper.published.toordinal() if paper.published else 0 for paper in papers]
    before: set[int] = set()
    for after, count in ((1, 0), (2, 100), (3, 500)):
        data = tmp_path / str(after)
        manifest = build_in_steps(papers, encoder, data, after=after)
        assert (manifest.papers, manifest.with_vectors) == (1000, count)
        path = SnapshotDirectory(data).path(manifest.id)
        assert verify_snapshot(path) == []
        snapshot = open_snapshot(path)
        assert snapshot.covered is not None
        rows = snapshot.covered.mask.nonzero()[0].tolist()
        assert len(rows) == count
        assert before <= set(rows)
        before = set(rows)
        rest = [days[row] for row in range(1000) if row not in before]
        assert min((days[row] for row in rows), default=max(days)) >= max(rest)
        if rows:
            own = kit.hashed(f"{papers[rows[7]].title}. {papers[rows[7]].abstract}")
            assert snapshot.vectors.search(own, 1).rows.tolist() == [rows[7]]
        assert len(snapshot.lexical.search(papers[3].title, 5).rows) == 5
        snapshot.close()


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_build_that_ends_early_embeds_nothing_twice(tmp_path: Path, kit: Any, after: int) -> None:
    papers, encoder = kit.papers(600), kit.Encoder()
    partial = build_in_steps(papers, encoder, tmp_path, after=after)
    embedded = len(encoder.texts)
    assert embedded >= (partial.with_vectors or 0)
    assert embedded < 600
    again = build_in_steps(papers, encoder, tmp_path, after=1)
    # What could be searched by meaning still can.
    assert (again.with_vectors or 0) >= embedded
    whole = build_in_steps(papers, encoder, tmp_path)
    assert not whole.partial
    assert len(encoder.texts) == len(set(encoder.texts)) == 600


def test_a_killed_process_leaves_a_snapshot_that_is_completed_without_the_source(tmp_path: Path, kit: Any) -> None:
    code = f"""
import asyncio, sys, time
from pathlib import Path
from akin.indexing.build import build_snapshot
from akin.indexing.options import BuildOptions
from retrieval_service.corpus import SnapshotDirectory
from tests.integration.generated import HashEncoder, generated_papers
data = Path({str(tmp_path)!r})
class Slow(HashEncoder):
    async def embed_passages(self, texts, input_type="passage"):
        if len(self.texts) > 150:
            print("waiting", flush=True)
            time.sleep(60)
        return await super().embed_passages(texts, input_type)
asyncio.run(build_snapshot(generated_papers(600), Slow(), data, source_name="papers.jsonl",
    options=BuildOptions(steps=(0.1, 0.5), batch=16)))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[3], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"waiting\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    partial = live(tmp_path)
    assert partial.with_vectors == 60
    assert verify_snapshot(SnapshotDirectory(tmp_path).path(partial.id)) == []
    encoder = kit.Encoder()
    whole = asyncio.run(complete_snapshot(encoder, tmp_path))
    assert (whole.papers, whole.partial, whole.source) == (600, False, "papers.jsonl")
    assert 0 < whole.embedded == len(encoder.texts) < 600 - 150 + 1
    snapshots = SnapshotDirectory(tmp_path)
    assert snapshots.current() == whole.id
    snapshots.prune(5)
    assert snapshots.ids() == [whole.id]
    at_once = kit.build(kit.papers(600), kit.Encoder(), tmp_path / "once")
    assert whole.files["vectors.faiss"] == at_once.files["vectors.faiss"]


def test_what_needs_all_vectors_is_refused_with_the_next_step(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(300), kit.Encoder()
    partial = build_in_steps(papers, encoder, tmp_path, after=2)
    for refused in (lambda: update(kit.papers(310), encoder, tmp_path), lambda: tune(encoder, tmp_path)):
        with pytest.raises(SnapshotError, match=r"30 of 300 papers have vectors. Complete it first: akin index update"):
            refused()
    with pytest.raises(EncoderMismatch, match=r"akin index build papers\.jsonl"):
        asyncio.run(complete_snapshot(kit.Encoder("another"), tmp_path))
    assert live(tmp_path) == partial


@pytest.mark.parametrize(("after", "vectors"), [(1, 0), (2, 40)])
def test_a_partial_snapshot_is_verified_as_far_as_it_goes(tmp_path: Path, kit: Any, after: int, vectors: int) -> None:
    encoder = kit.Encoder()
    partial = build_in_steps(kit.papers(400), encoder, tmp_path, after=after)
    path = SnapshotDirectory(tmp_path).path(partial.id)
    said: list[str] = []
    found = verify(path, tmp_path, rows=None, queries=20, say=said.append)
    assert found.whole
    assert found.rows is not None
    assert (found.rows.texts, found.rows.vectors) == (400, vectors)
    assert said[0] == f"{partial.id} is partial: {vectors} of 400 papers have vectors"
    assert (found.recall is not None) == bool(vectors)
    if found.recall:
        assert found.recall.recall_at_10 > 0.99
    flip(path / "covered.rows" if vectors else path / "vectors.faiss", 0)
    assert not verify(path, tmp_path, rows=None, queries=None, say=said.append).whole


def test_a_whole_snapshot_of_the_same_source_stays_until_the_new_one_is_whole(tmp_path: Path, kit: Any) -> None:
    papers = kit.papers(300)
    first = build_in_steps(papers, kit.Encoder(), tmp_path, steps=())
    seen: list[Manifest] = []
    again = asyncio.run(
        build_snapshot(
            papers,
            kit.Encoder("another"),
            tmp_path,
            source_name="papers.jsonl",
            options=BuildOptions(steps=STEPS),
            go_live=seen.append,
        )
    )
    assert (seen, again.partial) == ([], False)
    other = build_in_steps(papers, kit.Encoder("a third"), tmp_path, after=1, source="another.jsonl")
    assert (other.with_vectors, first.id != other.id) == (0, True)


def test_a_snapshot_that_someone_chose_meanwhile_stays_live_until_the_build_is_whole(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(300), kit.Encoder()
    chosen = build_in_steps(papers[:50], encoder, tmp_path, steps=(), source="small.jsonl")
    snapshots, lives = SnapshotDirectory(tmp_path), []

    def go_live(manifest: Manifest) -> None:
        lives.append(manifest.with_vectors)
        snapshots.use(manifest.id)
        snapshots.use(chosen.id)

    work = build_snapshot(
        papers, encoder, tmp_path, source_name="papers.jsonl", options=BuildOptions(steps=STEPS), go_live=go_live
    )
    whole = asyncio.run(work)
    assert lives == [0]
    assert snapshots.current() == whole.id


def test_searches_go_on_while_snapshots_are_swapped(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(800), kit.Encoder()

    class Slow(kit.Encoder):  # type: ignore[misc,name-defined]  # the kit is made at run time
        async def embed_passages(self, texts: Any, input_type: Any = "passage") -> Any:
            await asyncio.sleep(0.15)
            return await super().embed_passages(texts, input_type)

    build_in_steps(papers, encoder, tmp_path, after=1)
    slow = Slow()
    building = Thread(target=build_in_steps, args=(papers, slow, tmp_path))
    with client_of(tmp_path, encoder, watch_seconds=0.05) as client:
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        assert ready.json()["components"]["snapshot"] | {"id": ""} == {
            "status": "partial", "id": "", "papers": 800, "vectors": "FAISS in main memory", "with_vectors": 0,
        }  # fmt: skip
        building.start()
        coverages, statuses = [], set()
        while building.is_alive() or (coverages and coverages[-1] is not None):
            found = client.post("/search", json={"query": papers[5].title, "k": 5})
            statuses.add(found.status_code)
            answer = found.json()
            coverages.append(answer["coverage"] and answer["coverage"]["with_vectors"])
            assert (answer["degraded"] is None) == (answer["coverage"] is None)
            assert answer["results"][0]["id"] == papers[5].id
            if answer["coverage"]:
                assert found.headers["cache-control"] == "no-store"
            similar = client.get(f"/papers/{papers[7].id}/similar", params={"k": 3})
            statuses.add(similar.status_code)
            assert len(similar.json()["results"]) == 3
        building.join()
        text = client.app.state.metrics.text().decode()  # type: ignore[attr-defined]
    assert statuses == {200}
    numbers = [count if count is not None else 800 for count in coverages]
    assert numbers == sorted(numbers)
    assert {80, 400} <= set(numbers)
    # A build that is not at its end is no failure of the encoder.
    assert "akin_degraded_searches_total 0.0" in text
    assert json.loads(ready.text)["status"] == "ok"
    np.testing.assert_equal(len(slow.texts), 800)
