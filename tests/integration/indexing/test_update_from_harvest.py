"""Update from a harvest: papers are added, replaced and withdrawn, and the day of the snapshot moves."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from akin.indexing.build import build_snapshot
from akin.papers import read_papers
from akin.papers.remote import Harvest
from tests.integration.snapshots import opened, update


def test_a_harvested_file_adds_replaces_and_withdraws(tmp_path: Path, kit: Any) -> None:
    papers, encoder, _ = kit.built(tmp_path, 30)
    lines = [
        {"id": papers[4].id, "update_date": "2026-01-01", "deleted": True},
        {"id": papers[5].id, "title": "A new title", "abstract": papers[5].abstract, "versions": []},
        {"id": papers[6].id, "deleted": True},
        {"id": papers[6].id, "title": "It is back", "abstract": "After all.", "versions": []},
        {"id": "2601.00001", "title": "A new paper", "abstract": "Of things unheard of.", "versions": []},
    ]
    source = tmp_path / "harvest.jsonl"
    source.write_bytes(b"\n".join(map(msgspec.json.encode, lines)))
    manifest = update(read_papers(source), encoder, tmp_path, harvest=harvested(None, "2026-01-02"))
    assert (manifest.harvested, manifest.subset) == ("2026-01-02", None)
    assert manifest.change is not None
    assert (manifest.change.added, manifest.change.replaced, manifest.change.withdrawn) == (1, 3, 0)
    snapshot = opened(tmp_path, manifest)
    (row,) = snapshot.catalogue.rows([papers[4].id]).values()
    assert snapshot.catalogue.papers([row])[0].withdrawn
    hits = snapshot.lexical.search("unheard things", 3)
    assert [paper.id for paper in snapshot.catalogue.papers(hits.rows.tolist())] == ["2601.00001"]


def harvested(subset: str | None, until: str) -> Harvest:
    return Harvest("harvest.jsonl", "https://oai", subset, None, until, 1, 0, 0, "0" * 64)


def test_the_day_moves_with_harvests_that_cover_the_set(tmp_path: Path, kit: Any) -> None:
    papers, encoder = kit.papers(40), kit.Encoder()
    work = build_snapshot(papers[:30], encoder, tmp_path, source_name="cs.jsonl", harvest=harvested("cs", "2026-01-01"))
    days = [asyncio.run(work).harvested]
    for count, subset in ((31, "cs"), (32, "math"), (33, None)):
        manifest = update(papers[:count], encoder, tmp_path, harvest=harvested(subset, f"2026-02-{count - 30:02}"))
        assert manifest.subset == "cs"
        days.append(manifest.harvested)
    assert days == ["2026-01-01", "2026-02-01", "2026-02-01", "2026-02-03"]


@pytest.mark.parametrize(
    ("since", "url", "subset", "moves", "words"),
    [
        (None, "https://oai", "cs", True, ""),
        ("2025-12-31", "https://oai", "cs", True, ""),
        ("2026-01-10", "HTTPS://OAI/", None, True, ""),
        (
            "2026-01-11",
            "https://oai",
            "cs",
            False,
            "begins on 2026-01-11, and the snapshot has arXiv's changes only up to 2026-01-10",
        ),
        ("2026-03-01", "https://oai", None, False, "begins on 2026-03-01"),
        ("2026-01-01", "https://other", "cs", False, "is of https://other, the snapshot of https://oai"),
        (None, "https://oai/physics", "cs", False, "is of https://oai/physics"),
        ("2026-01-01", "https://oai", "math", False, "the set math, the snapshot of the set cs"),
    ],
)
def test_the_day_moves_only_if_all_changes_were_fetched(
    tmp_path: Path, kit: Any, since: str | None, url: str, subset: str | None, moves: bool, words: str
) -> None:
    papers, encoder = kit.papers(40), kit.Encoder()
    first = harvested("cs", "2026-01-10")
    work = build_snapshot(papers[:30], encoder, tmp_path, source_name="cs.jsonl", harvest=first)
    assert asyncio.run(work).repository == "https://oai"
    later = msgspec.structs.replace(harvested(subset, "2026-04-01"), since=since, url=url)
    manifest = update(papers[:31], encoder, tmp_path, harvest=later)
    assert (manifest.harvested, manifest.subset) == ("2026-04-01" if moves else "2026-01-10", "cs")
    assert manifest.change is not None
    assert words in manifest.change.unclaimed
    assert (manifest.change.unclaimed == "") == moves
    without = update(papers[:32], encoder, tmp_path)
    assert (without.harvested, without.repository) == (manifest.harvested, manifest.repository)


@pytest.mark.parametrize(("since", "moves"), [("2020-05-05", True), ("2020-05-06", False), (None, True)])
def test_the_newest_paper_of_a_file_gives_the_day_from_which_changes_are_missing(
    tmp_path: Path, kit: Any, since: str | None, moves: bool
) -> None:
    encoder = kit.Encoder()
    papers = [msgspec.structs.replace(paper, published=date(2020, 5, 5)) for paper in kit.papers(31)]
    kit.build(papers[:30], encoder, tmp_path)
    manifest = update(
        papers, encoder, tmp_path, harvest=msgspec.structs.replace(harvested(None, "2026-01-02"), since=since)
    )
    assert (manifest.harvested, manifest.repository) == (("2026-01-02", "https://oai") if moves else (None, None))
