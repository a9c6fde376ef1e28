"""Maps of real snapshots: built, refused, carried over by updates, and left whole by a killed build."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing.build import build_snapshot
from akin.indexing.corpus_map import build as building
from akin.indexing.corpus_map.build import MapOptions, build_map
from akin.indexing.corpus_map.carry import carry_map
from akin.indexing.corpus_map.folder import remove_unused_maps
from akin.indexing.map_upkeep import keep_map
from akin.indexing.options import BuildOptions
from akin.papers import Paper
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.map_files import COORDINATES, EDGE, MAPS, NOWHERE, TILES, CorpusMap, open_map
from retrieval_service.errors import BuildInProgress, NoMap, SnapshotError
from tests.integration.generated import Corpus, HashEncoder, build, generated_papers
from tests.integration.snapshots import flip, update

pytestmark = pytest.mark.integration
pytest.importorskip("openTSNE")


def opened(data: Path, manifest: Any) -> CorpusMap:
    return open_map(data, SnapshotDirectory(data).path(manifest.id), manifest.papers)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Return a corpus of 400 papers with a map."""
    data, papers, encoder = tmp_path_factory.mktemp("mapped"), generated_papers(400), HashEncoder()
    manifest = build(papers, encoder, data)
    build_map(data, None)
    return Corpus(data, papers, encoder, manifest)


@pytest.fixture
def copied(mapped: Corpus, tmp_path: Path) -> Corpus:
    data = tmp_path / "data"
    shutil.copytree(mapped.data, data)
    return Corpus(data, mapped.papers, HashEncoder(), mapped.manifest)


def test_near_papers_are_near_on_the_map(mapped: Corpus) -> None:
    found = opened(mapped.data, mapped.manifest)
    assert (found.manifest.papers, found.manifest.placed, found.manifest.sampled) == (400, 400, 400)
    with_places = np.asarray(found.places(range(400)), float)
    rows = [found.nearest(x, y, 6)[1:] for x, y in with_places[:100]]
    snapshot = mapped.open()
    vectors = snapshot.vectors.vectors(range(400))
    near = np.mean([vectors[row] @ vectors[others].T for row, others in enumerate(rows)])
    far = np.mean(vectors[:100] @ vectors.T)
    snapshot.close()
    assert near > far + 0.2
    assert 0 < with_places.min() < with_places.max() < 1


def test_a_click_on_a_point_finds_its_paper(mapped: Corpus) -> None:
    found = opened(mapped.data, mapped.manifest)
    place = found.places([7])[0]
    assert place
    assert found.places(found.nearest(*place, 1).tolist()) == [place]
    assert len(found.nearest(0, 1, 1000)) == 400


def test_the_same_seed_gives_the_same_map(copied: Corpus) -> None:
    first = opened(copied.data, copied.manifest)
    before = np.array(first.coordinates)
    again = build_map(copied.data, None)
    assert again.version == first.manifest.version
    assert np.array_equal(before, opened(copied.data, copied.manifest).coordinates)
    assert build_map(copied.data, None, MapOptions(seed=2)).version != again.version


def test_papers_outside_the_sample_are_placed_among_it(copied: Corpus) -> None:
    steps: list[str] = []
    found = build_map(copied.data, None, MapOptions(sample=150), lambda progress: steps.append(progress.note))
    assert (found.sampled, found.placed) == (150, 400)
    assert list(dict.fromkeys(steps)) == ["reading", "comparing", "laying out", "placing", "naming"]
    assert (opened(copied.data, copied.manifest).coordinates != NOWHERE).all()


@pytest.mark.parametrize("count", [1, 3, 20])
def test_tiny_corpora_have_a_map(count: int, tmp_path: Path) -> None:
    manifest = build(generated_papers(count), HashEncoder(), tmp_path)
    found = build_map(tmp_path, None)
    assert (found.placed, len(found.tiles), found.method) == (count, 1, "two principal components")
    coordinates = opened(tmp_path, manifest).coordinates
    assert len(np.unique(coordinates, axis=0)) == count
    assert coordinates.max() <= EDGE


def test_equal_vectors_and_names_with_html(tmp_path: Path) -> None:
    name = '<script>alert("1")</script>'
    papers = [Paper(f"p{number}", "Same title", "Same text", categories=(name,)) for number in range(60)]
    manifest = build(papers, HashEncoder(), tmp_path)
    found = build_map(tmp_path, None)
    assert found.placed == 60
    assert name in {label.text for label in found.labels}
    assert len(np.unique(opened(tmp_path, manifest).coordinates, axis=0)) > 30


def test_papers_without_vectors_have_no_place(tmp_path: Path) -> None:
    partial: list[Any] = []

    def keep(manifest: Any) -> None:
        SnapshotDirectory(tmp_path).use(manifest.id)
        build_map(tmp_path, manifest.id)
        partial.append((manifest, opened(tmp_path, manifest)))

    steps = BuildOptions(steps=(0.1, 0.5))
    papers = generated_papers(1200)
    asyncio.run(build_snapshot(papers, HashEncoder(), tmp_path, source_name="generated", options=steps, go_live=keep))
    (_, none), (manifest, some), *_ = partial
    assert (none.manifest.placed, none.manifest.tiles, none.manifest.labels) == (0, (), ())
    assert len(none.nearest(0.5, 0.5, 3)) == 0
    placed = some.coordinates[:, 0] != NOWHERE
    assert 0 < np.count_nonzero(placed) == manifest.with_vectors == some.manifest.placed < 1200
    assert some.places([int(np.flatnonzero(~placed)[0])]) == [None]
    assert len(some.nearest(0.5, 0.5, 1200)) == some.manifest.placed


def test_the_map_of_another_snapshot_is_refused(copied: Corpus) -> None:
    other = build(generated_papers(30), copied.encoder, copied.data)
    with pytest.raises(NoMap, match="akin map build"):
        opened(copied.data, other)
    maps = copied.data / MAPS
    shutil.copytree(maps / copied.manifest.id, maps / other.id)
    with pytest.raises(NoMap, match=f"of another snapshot \\({copied.manifest.id}, 400 papers\\)"):
        opened(copied.data, other)


@pytest.mark.parametrize("name", [COORDINATES, TILES])
def test_a_damaged_map_is_refused(copied: Corpus, name: str) -> None:
    flip(copied.data / MAPS / copied.manifest.id / name, 5)
    with pytest.raises(NoMap, match=f"{name} of the map is damaged"):
        opened(copied.data, copied.manifest)


def test_a_killed_build_leaves_the_map_that_there_was(copied: Corpus) -> None:
    before = opened(copied.data, copied.manifest).manifest
    process = multiprocessing.get_context("fork").Process(target=_killed_build, args=(copied.data,))
    process.start()
    process.join(60)
    assert process.exitcode == -9
    assert [path.name for path in (copied.data / MAPS).glob(".building-*")]
    assert opened(copied.data, copied.manifest).manifest == before
    build_map(copied.data, None)
    assert not list((copied.data / MAPS).glob(".building-*"))


def _killed_build(data: Path) -> None:
    """Build a map and die after its files were written, before it has its name."""
    import os
    import signal

    from akin.indexing.corpus_map import folder

    folder.replace_folder = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    # A fork has no other threads: FAISS and the layout must not start with those of their parent.
    building.lay_out = lambda read, *_: read[:, :2].copy()  # type: ignore[assignment]
    building.Neighbourhood = lambda *_: None  # type: ignore[assignment,misc]
    building.make_labels = lambda *_: []  # type: ignore[assignment]
    build_map(data, None)


def test_one_map_is_built_at_a_time(copied: Corpus) -> None:
    from akin.indexing.corpus_map.folder import new_map

    with (
        new_map(copied.data, SnapshotDirectory(copied.data).path(copied.manifest.id)),
        pytest.raises(BuildInProgress, match="another map"),
    ):
        build_map(copied.data, None)


def test_an_update_keeps_the_places_and_adds_new_papers(copied: Corpus) -> None:
    before = opened(copied.data, copied.manifest)
    first = copied.papers[0]
    twin = msgspec.structs.replace(first, id="2002.00001")
    changed = msgspec.structs.replace(
        copied.papers[1], abstract=copied.papers[2].abstract, title=copied.papers[2].title
    )
    after = update([twin, changed], copied.encoder, copied.data, withdrawn=(copied.papers[5].id,))
    said: list[str] = []
    keep_map(copied.data, copied.manifest, after, said.append)
    found = opened(copied.data, after)
    assert said == ["the map has 400 papers, 2 of them placed by updates"]
    assert (found.manifest.papers, found.manifest.placed, found.manifest.added) == (400, 400, 2)
    rows = {paper.id: row for row, paper in enumerate(_papers(copied.data, after))}
    kept = [paper for paper in copied.papers if paper.id in rows and paper.id != changed.id]
    old = [before.places([copied.papers.index(paper)]) for paper in kept]
    assert old == [found.places([rows[paper.id]]) for paper in kept]
    (new,), (like,) = found.places([rows[twin.id]]), found.places([rows[first.id]])
    assert new is not None
    assert like is not None
    assert np.hypot(new[0] - like[0], new[1] - like[1]) < 0.15


def test_without_a_map_an_update_says_nothing(copied: Corpus) -> None:
    shutil.rmtree(copied.data / MAPS)
    after = update([generated_papers(2, seed=9)[0]], copied.encoder, copied.data)
    assert carry_map(copied.data, copied.manifest, after) is None


def test_a_failure_to_carry_a_map_over_is_said(copied: Corpus) -> None:
    after = update([generated_papers(401, seed=9)[-1]], copied.encoder, copied.data)
    flip(copied.data / MAPS / copied.manifest.id / COORDINATES, 5)
    said: list[str] = []
    keep_map(copied.data, copied.manifest, after, said.append)
    assert len(said) == 1
    assert "akin map build" in said[0]


def test_maps_of_removed_snapshots_are_removed(copied: Corpus) -> None:
    other = build(generated_papers(30), copied.encoder, copied.data)
    assert remove_unused_maps(copied.data) == []
    SnapshotDirectory(copied.data).remove(copied.manifest.id)
    assert remove_unused_maps(copied.data) == [copied.manifest.id]
    assert SnapshotDirectory(copied.data).ids() == [other.id]


def test_the_extra_is_named_if_it_is_missing(copied: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("akin.indexing.corpus_map.layout.find_spec", lambda name: None)
    with pytest.raises(SnapshotError, match="extra `map`"):
        build_map(copied.data, None)


def _papers(data: Path, manifest: Any) -> list[Paper]:
    corpus = Corpus(data, [], HashEncoder(), manifest).open()
    found = corpus.catalogue.papers(range(manifest.papers))
    corpus.close()
    return found
