"""A snapshot that the service refuses is never published, and papers without titles get an index too."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from akin.indexing import tune as indexing_tune
from akin.indexing.build import build_snapshot
from akin.indexing.faiss_recipe import candidates, refusal_reason
from akin.indexing.options import BuildOptions
from akin.indexing.recall import BEGINNINGS, TITLES, QuerySample, first_sentence
from akin.papers import Paper
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.corpus.manifest import file_records
from retrieval_service.errors import SnapshotError, SnapshotInvalid
from tests.integration.snapshots import opened, tune, update


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("IVF8,PQ24x4fs", "cannot be read back from packed codes alone"),
        ("IVF8,RaBitQfs", "cannot be read back from packed codes alone"),
        ("IVF8,PQ7", "does not suit vectors of length 48"),
        ("IVF256,SQ8", "takes at least 256 papers, and there are 200"),
        ("IVF8,PQ24", "takes at least 256 papers"),
        ("HNSW16,PQ24", "cannot be searched within a filter"),
    ],
)
def test_a_recipe_that_cannot_be_served_is_refused_before_a_build(
    tmp_path: Path, kit: Any, factory: str, words: str
) -> None:
    _, encoder, before = kit.built(tmp_path, 200)
    encoder.texts.clear()
    with pytest.raises(SnapshotError, match=words):
        tune(encoder, tmp_path, "SQfp16", factory)
    assert encoder.texts == []
    assert SnapshotDirectory(tmp_path).ids() == [before.id]


def test_a_recipe_that_fails_only_in_use_is_refused_too(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, encoder, before = kit.built(tmp_path, 400)
    monkeypatch.setattr("akin.indexing.tune.refusal_reason", lambda *_: None)
    for factory, words in (("HNSW16,PQ12x4", "cannot be served"), ("IVF512,SQ8", "cannot be made of the 400 papers")):
        with pytest.raises(SnapshotError, match=words):
            tune(encoder, tmp_path, factory)
        assert SnapshotDirectory(tmp_path).ids() == [before.id]


def test_the_usual_candidates_suit_corpora_of_every_size(tmp_path: Path, kit: Any) -> None:
    for papers in (1000, 10**6):
        assert {refusal_reason(recipe, papers, 384) for recipe in candidates(papers, 384)} == {None}
    encoder = kit.Encoder()
    for count in (1, 2, 7):
        kit.build(kit.papers(count), encoder, tmp_path)
        manifest = tune(encoder, tmp_path)
        snapshot = opened(tmp_path, manifest)
        assert len(snapshot.vectors.search(kit.hashed("graph"), 10).rows) == count
        snapshot.close()


def test_a_snapshot_that_the_service_refuses_is_not_tuned(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, encoder, before = kit.built(tmp_path, 60)
    monkeypatch.setattr("retrieval_service.corpus.snapshot.ANALYSIS_VERSION", 99)
    encoder.texts.clear()
    with pytest.raises(SnapshotInvalid, match="akin index update"):
        tune(encoder, tmp_path, "SQfp16")
    monkeypatch.undo()
    path = SnapshotDirectory(tmp_path).path(before.id) / "catalogue.sqlite"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SnapshotInvalid, match=r"catalogue\.sqlite"):
        tune(encoder, tmp_path, "SQfp16")
    assert encoder.texts == []
    assert SnapshotDirectory(tmp_path).ids() == [before.id]


@pytest.mark.parametrize("make", ["build", "update", "tune"])
def test_a_snapshot_that_cannot_be_opened_is_not_published(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch, make: str
) -> None:
    _, encoder, before = kit.built(tmp_path, 60)

    def spoilt(directory: Path) -> Any:
        records = file_records(directory)
        with (directory / "vectors.faiss").open("r+b") as file:
            file.truncate(100)
        return records | {"vectors.faiss": msgspec.structs.replace(records["vectors.faiss"], bytes=100, ends="")}

    monkeypatch.setattr("akin.indexing.snapshot_parts.file_records", spoilt)
    ways: dict[str, Callable[[], Any]] = {
        "build": lambda: kit.build(kit.papers(61), encoder, tmp_path),
        "update": lambda: update(kit.papers(61), encoder, tmp_path),
        "tune": lambda: tune(encoder, tmp_path, "SQfp16"),
    }
    with pytest.raises(SnapshotInvalid, match=r"vectors\.faiss"):
        ways[make]()
    assert (SnapshotDirectory(tmp_path).ids(), SnapshotDirectory(tmp_path).current()) == ([before.id], before.id)


def untitled(kit: Any, count: int, titled: int = 0) -> list[Paper]:
    papers = kit.papers(count)
    return [
        paper if number < titled else msgspec.structs.replace(paper, title="") for number, paper in enumerate(papers)
    ]


@pytest.mark.parametrize("titled", [0, 10, 1200])
def test_papers_without_titles_are_tuned_with_their_abstracts(tmp_path: Path, kit: Any, titled: int) -> None:
    papers, encoder = untitled(kit, 1200, titled), kit.Encoder()
    manifest = kit.build(papers, encoder, tmp_path, exact_below=1000)
    expected = {0: BEGINNINGS, 10: f"10 {TITLES}, and 246 {BEGINNINGS}", 1200: TITLES}[titled]
    assert manifest.index.queries == expected
    assert manifest.index.curve
    asked = encoder.texts[-256:]
    assert len(set(asked)) > 200
    assert max(len(text.split()) for text in asked) <= 16
    tuned = tune(encoder, tmp_path, "IVF8,SQ8", recall=0.5)
    assert (TITLES if titled == 1200 else BEGINNINGS) in tuned.index.queries
    shutil.rmtree(tmp_path / "snapshots")
    kit.build(papers[:900], encoder, tmp_path, exact_below=1000)
    grown = update(papers, encoder, tmp_path, options=BuildOptions(exact_below=1000))
    assert grown.index.recipe != "SQfp16"
    assert grown.index.curve


def test_a_query_from_an_abstract_is_its_first_sentence() -> None:
    words = " ".join(f"w{n}" for n in range(40))
    assert first_sentence("We show. It is so that all is well. More follows.") == "We show. It is so that all is well."
    assert first_sentence("Is this the question? Yes.") == "Is this the question?"
    assert first_sentence(words) == " ".join(words.split()[:16])
    assert (first_sentence("One"), first_sentence("  "), first_sentence("")) == ("One", "", "")
    sample = QuerySample(4)
    sample.offer(0, [Paper(str(n), "" if n % 2 else f"Title {n}", f"Abstract {n}.") for n in range(6)])
    assert (len(sample.texts), sorted(sample.rows.tolist())) == (4, [0, 1, 2, 4])


def test_tuning_without_queries_is_refused(tmp_path: Path, kit: Any) -> None:
    encoder = kit.Encoder()
    asyncio.run(build_snapshot(kit.papers(30), encoder, tmp_path, source_name="generated"))
    with pytest.raises(SnapshotError, match="--queries"):
        tune(encoder, tmp_path, "SQfp16", queries=())


def test_a_candidate_that_cannot_be_served_is_left_out(
    tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder, check = kit.Encoder(), indexing_tune.check_served
    kit.build(kit.papers(200), encoder, tmp_path)
    refused = {"1"}

    def checked(path: Path, **options: Any) -> None:
        if path.name[-1] in refused:
            raise SnapshotInvalid(path, "cannot be served (so it is)")
        check(path, **options)

    monkeypatch.setattr(indexing_tune, "check_served", checked)
    manifest = tune(encoder, tmp_path, "SQfp16", "IVF8,SQ8")
    assert manifest.index.recipe == "SQfp16"
    assert "IVF8,SQ8: cannot be served (so it is)" in manifest.index.why
    refused.add("0")
    with pytest.raises(SnapshotError, match="No candidate can be an index"):
        tune(encoder, tmp_path, "SQfp16", "IVF8,SQ8")
