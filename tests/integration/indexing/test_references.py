"""References in a real snapshot: imported, carried over by an update, linked by a tuning, verified, refused."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest

from akin.indexing.references.importing import import_references
from akin.indexing.tune import TuneOptions, tune_snapshot
from akin.references import export_pairs
from akin.relevance.kinds import read_citations
from akin.stack_settings import Settings
from retrieval_service.corpus import Manifest, Snapshot, SnapshotDirectory, open_snapshot, verify_snapshot
from retrieval_service.errors import NoPapers, SnapshotInvalid
from tests.citation_dumps import Citations, write
from tests.integration.snapshots import update


def pairs_of(snapshot: Snapshot) -> set[tuple[str, str]]:
    """Return the pairs of ids; the two directions must agree."""
    assert snapshot.references is not None
    papers = [paper.id for paper in snapshot.catalogue.papers(range(len(snapshot.catalogue)))]
    found = {
        (one, other)
        for row, one in enumerate(papers)
        for other in (papers[at] for at in snapshot.references.cites(row))
    }
    back = {
        (other, one)
        for row, one in enumerate(papers)
        for other in (papers[at] for at in snapshot.references.cited_by(row))
    }
    assert found == back
    return found


def opened(data: Path, manifest: Manifest) -> Snapshot:
    folder = SnapshotDirectory(data).path(manifest.id)
    assert verify_snapshot(folder) == []
    return open_snapshot(folder)


def test_references_are_imported_carried_over_and_exported(tmp_path: Path, kit: SimpleNamespace) -> None:
    papers, encoder = kit.papers(120), kit.Encoder()
    base = kit.build(papers, encoder, tmp_path, exact_below=10**9)
    citations = Citations([paper.id for paper in papers])
    by_id = {(citations.ids[one], citations.ids[other]) for one, other in citations.pairs}
    alex = write(tmp_path / "works.gz", citations.openalex(), members=2)
    merged = write(tmp_path / "merged.csv", citations.merged().splitlines())
    texts = len(encoder.texts)
    imported = import_references([alex, merged], tmp_path)
    assert SnapshotDirectory(tmp_path).current() == imported.id != base.id
    assert imported.papers == 120
    assert len(encoder.texts) == texts
    assert imported.references is not None
    assert imported.references.pairs == len(by_id)
    assert imported.references.sources == ("works.gz", "merged.csv")
    assert imported.references.totals
    assert imported.files["vectors.faiss"] == base.files["vectors.faiss"]
    snapshot = opened(tmp_path, imported)
    assert pairs_of(snapshot) == by_id

    # Withdrawn papers leave, the last papers take their rows, and a new paper has no references.
    gone = [paper.id for paper in papers[3:40:5]]
    new = kit.papers(121)[-1]
    updated = update([new], encoder, tmp_path, withdrawn=gone)
    after = opened(tmp_path, updated)
    assert pairs_of(after) == {pair for pair in by_id if not set(pair) & set(gone)}
    for paper in papers:
        if paper.id not in gone:
            before_row, row = (each.catalogue.rows([paper.id])[paper.id] for each in (snapshot, after))
            assert after.references is not None
            assert snapshot.references is not None
            assert after.references.totals[row] == snapshot.references.totals[before_row]
    assert after.references is not None
    assert after.references.counts(after.catalogue.rows([new.id])[new.id]) == (0, 0, 0)

    tuned = asyncio.run(tune_snapshot(TuneOptions(), encoder, tmp_path))
    assert pairs_of(opened(tmp_path, tuned)) == pairs_of(after)
    assert tuned.references == updated.references

    exported = tmp_path / "pairs.tsv"
    export_pairs(Settings(data=tmp_path), None, exported)
    assert {tuple(line.split("\t")) for line in exported.read_text().splitlines()} == pairs_of(after)
    lines = tmp_path / "pairs.jsonl"
    export_pairs(Settings(data=tmp_path), None, lines)
    with redirect_stdout(StringIO()) as printed:
        export_pairs(Settings(data=tmp_path), None, Path("-"))
    assert printed.getvalue() == exported.read_text()
    cited = read_citations(lines)
    assert cited == read_citations(exported)
    assert {(citing, each) for citing, those in cited.items() for each in those} == pairs_of(after)
    extra = write(tmp_path / "extra.csv", [f"{new.id},{papers[0].id}", f"{papers[0].id},{new.id}"])
    added = import_references([extra], tmp_path, add=True)
    assert pairs_of(opened(tmp_path, added)) == pairs_of(after) | {(new.id, papers[0].id), (papers[0].id, new.id)}
    assert added.references is not None
    assert added.references.totals
    replaced = import_references([exported], tmp_path)
    assert pairs_of(opened(tmp_path, replaced)) == pairs_of(after)
    assert replaced.references is not None
    assert not replaced.references.totals


def test_nothing_is_published_without_pairs_and_foreign_arrays_are_refused(
    tmp_path: Path, kit: SimpleNamespace
) -> None:
    papers, encoder = kit.papers(40), kit.Encoder()
    base = kit.build(papers, encoder, tmp_path, exact_below=10**9)
    foreign = write(tmp_path / "foreign.csv", ["2301.00001,2301.00002"])
    with pytest.raises(NoPapers, match=r"No pair of papers of this corpus is in foreign\.csv: 0 of 40 papers"):
        import_references([foreign], tmp_path)
    assert SnapshotDirectory(tmp_path).ids() == [base.id]
    assert list((tmp_path / "snapshots").glob(".building*")) == []
    ids = [paper.id for paper in papers]
    first, second = (
        import_references([write(tmp_path / f"{seed}.tsv", Citations(ids, seed).pair_lines())], tmp_path)
        for seed in (1, 2)
    )
    folders = [SnapshotDirectory(tmp_path).path(each.id) for each in (first, second)]
    for path in (folders[1] / "references").iterdir():
        path.unlink()  # a link to the file is left alone
        shutil.copyfile(folders[0] / "references" / path.name, path)
    with pytest.raises(SnapshotInvalid, match=r"references/.*(of another snapshot|bytes, not)"):
        open_snapshot(folders[1])
    manifest = json.loads((folders[0] / "manifest.json").read_text())
    assert manifest["references"]["sources"] == ["1.tsv"]
    assert "references" not in kit.build(papers, encoder, tmp_path, exact_below=10**9).files
