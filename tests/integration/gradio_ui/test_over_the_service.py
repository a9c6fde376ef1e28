"""The page over the service itself: what readers see comes from real answers, not from answers written for a test."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from akin.feedback.store import FeedbackStore
from akin.indexing.milvus import load_snapshot
from gradio_ui import answers
from gradio_ui.app import SearchPage
from gradio_ui.pages import map as map_page
from retrieval_service.adapters.milvus_collection import MilvusOptions
from retrieval_service.app import create_app
from retrieval_service.corpus import SnapshotDirectory
from retrieval_service.settings import Settings
from tests.integration.generated import Corpus
from tests.integration.page import page_browser, page_client

OWN = {"sec-fetch-site": "same-origin"}
ANSWERS: dict[type[BaseModel], str] = {
    answers.Answer: "SearchAnswer", answers.CorpusInfo: "CorpusAnswer", answers.ListedPapers: "PapersAnswer",
    answers.WholePaper: "WholePaper", answers.Neighbourhood: "NeighbourhoodAnswer", answers.Missing: "MissingAnswer",
    answers.LinkedPapers: "LinkedPapers", answers.Resolved: "ResolveAnswer", map_page.MapInfo: "MapAnswer",
    map_page.Points: "MapPointsAnswer",
}  # fmt: skip
"""The page's form of each answer, and the name of that answer in the service's OpenAPI document."""
OF_RESULTS_ALONE = {"score", "sources", "duplicates", "highlights", "versions"}
"""Fields of search results, which the page's form of a paper also has where the service has papers without them."""


def ids_of(html: str) -> list[str]:
    return [unescape(each) for each in re.findall(r'<article class="akin-paper[^>]*data-id="([^"]+)"', html)]


def parts(form: Any) -> Iterator[type[BaseModel]]:
    """Yield the models within a field's type."""
    if isinstance(form, type) and issubclass(form, BaseModel):
        yield form
    for inner in get_args(form):
        yield from parts(inner)


def shapes(schema: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the parts within a field's schema."""
    yield from re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schema))


def test_the_service_writes_every_field_that_the_page_reads(tmp_path: Path) -> None:
    described = create_app(Settings(data=tmp_path)).state.openapi["components"]["schemas"]
    left, seen = list(ANSWERS.items()), set()
    while left:
        form, name = left.pop()
        seen.add((form, name))
        fields = described[name]["properties"]
        missing = form.model_fields.keys() - fields.keys()
        assert missing <= (OF_RESULTS_ALONE if issubclass(form, answers.FoundPaper) else set()), (form, name)
        for field, value in form.model_fields.items():
            inner = list(parts(value.annotation))
            if field in fields and inner:
                pairs = list(zip(inner, shapes(fields[field]), strict=True))
                left += [pair for pair in pairs if pair not in seen]
    assert len(seen) > 25


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
async def test_a_search_shows_the_papers_that_the_service_found(corpus: Corpus, mode: str) -> None:
    paper = corpus.papers[41]
    async with page_client(corpus.data, corpus.encoder) as service:
        page = SearchPage(service)
        said, categories, status, results, address = await page.search(
            paper.title, mode, ["cs", "math.NA", *paper.categories], None, None, True, 7, ""
        )
        asked = {"query": paper.title, "mode": mode, "categories": ["cs", "math.NA", *paper.categories], "k": 7}
        found = await service.ask("/search", answers.Answer, asked)
        again = await page.restore(address)
    assert "1,500 papers" in said
    codes = {code for each in corpus.papers for code in each.categories}
    assert {code for _, code in categories["choices"]} >= codes
    assert ids_of(results) == [each.id for each in found.results]
    assert paper.id in ids_of(results)
    assert paper.title in re.sub("<[^>]+>", "", results)
    assert f"among {found.searched:,} papers" in status
    assert ids_of(again[3]) == ids_of(results)
    assert (again[5], again[6], again[10]) == (paper.title, mode, 7)


async def test_conditions_narrow_what_is_shown_and_pages_follow_each_other(corpus: Corpus) -> None:
    async with page_client(corpus.data, corpus.encoder) as service:
        page = SearchPage(service)
        shown: list[str] = []
        address = "?q=cat:math.NA&mode=lexical&from=2005&to=2015&k=50&sort=newest"
        for _ in range(2):
            results = (await page.restore(address))[3]
            shown += ids_of(results)
            following = re.search(r'href="([^"]+)"[^>]*rel="next"|rel="next"[^>]*href="([^"]+)"', results)
            if following is None:
                break
            address = unescape(following[1] or following[2])
    days = {paper.id: paper.published for paper in corpus.papers if "math.NA" in paper.categories and paper.published}
    expected = [name for name, day in days.items() if 2005 <= day.year <= 2015]
    assert len(shown) == min(100, len(expected)) > 50
    assert set(shown) <= set(expected)
    newest = sorted((days[name] for name in expected), reverse=True)
    assert [days[name] for name in shown] == newest[: len(shown)]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("?like=9912.00001", "9912.00001"),
        ("?q=x&categories=cs.LGG", "cs.LG"),
        ("?q=ti:*", "so it is no condition"),
        ("?q=zzzz&mode=lexical", "Nothing found among 1,500 papers"),
        (f"?q={'x' * 20_001}", "The query has 20001 characters; at most 20000 are read."),
    ],
)
async def test_the_reader_sees_what_the_service_says(corpus: Corpus, address: str, says: str) -> None:
    async with page_client(corpus.data, corpus.encoder) as service:
        shown = await SearchPage(service).restore(address)
    assert says in re.sub("<[^>]+>", "", f"{shown[2]} {shown[3]}")


async def test_plain_pages_show_what_the_service_has(corpus: Corpus) -> None:
    paper = corpus.papers[7]
    async with page_browser(corpus.data, corpus.encoder) as browser:
        whole = await browser.get(f"/paper/{paper.id}")
        bibtex = (await browser.get(f"/citation/bibtex/{paper.id}")).text
        unknown = await browser.get("/paper/9912.00001")
        feed = await browser.get("/feed", params={"q": "cat:cs.LG"})
        table = await browser.get("/export/csv", params={"q": paper.title, "k": "5"})
        bare = await browser.get("/map")
    assert whole.status_code == 200
    assert paper.title in whole.text
    assert paper.abstract in unescape(whole.text)
    assert bibtex.startswith("@misc{")
    assert bibtex in unescape(whole.text)
    near = {*re.findall(r'href="[^"]*?/?paper/([\d.]+)"', whole.text)} - {paper.id}
    assert len(near) > 10
    assert near < {each.id for each in corpus.papers}
    assert unknown.status_code == 404
    assert "This paper is not in the corpus" in unknown.text
    assert feed.text.count("<entry>") == 50
    rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))))
    assert len(rows) == 5
    assert rows[0]["id"] == paper.id
    assert bare.status_code == 404


async def test_a_list_is_looked_up_completed_and_resolved(corpus: Corpus) -> None:
    known = [paper.id for paper in corpus.papers[:3]]
    async with page_browser(corpus.data, corpus.encoder) as browser:

        async def ask(what: str, **body: Any) -> Any:
            answer = await browser.post(f"/list/{what}", json=body, headers=OWN)
            assert answer.status_code == 200, answer.text
            return answer

        listed = (await ask("papers", ids=[*known, "9912.00001"])).json()
        like = (await ask("like", ids=known)).json()["papers"]
        within = (await ask("within", ids=known, text=corpus.papers[1].title)).json()["papers"]
        missing = (await ask("missing", ids=known)).json()
        resolved = (await ask("resolve", text=f"{known[0]}\n9912.00001\n")).json()["references"]
        ris = (await ask("export", ids=known, format="ris")).text
    assert [each["id"] for each in listed["papers"]] == known
    assert [each["title"] for each in listed["papers"]] == [paper.title for paper in corpus.papers[:3]]
    assert listed["unknown"] == ["9912.00001"]
    assert len(like) == 20
    assert not {each["id"] for each in like} & {*known}
    assert within[0]["id"] == known[1]
    assert {each["id"] for each in within} <= {*known}
    assert missing["papers"]
    assert all({each["id"] for each in paper["near"]} <= {*known} for paper in missing["papers"])
    assert [(each["paper"] or {}).get("id") for each in resolved] == [known[0], None]
    assert ris.count("TY  - ") == 3


async def test_a_mark_on_a_shown_result_is_stored(corpus: Corpus, tmp_path: Path) -> None:
    async with page_client(corpus.data, corpus.encoder, feedback=str(tmp_path)) as service:
        *_, results, _ = await SearchPage(service).search("some words", "hybrid", None, None, None, True, 3, "")
        [search] = {*re.findall(r'data-akin-search="([^"]+)"', results)}
        said = {"search": search, "paper": ids_of(results)[1], "rank": 2, "useful": True}
        await service.give_feedback(said)
    [kept] = FeedbackStore(tmp_path, days=365, most_bytes=1_000_000).read()
    assert (kept.search.id, kept.search.words, list(kept.search.shown)) == (search, "some words", ids_of(results))
    assert [(mark.paper, mark.rank, mark.useful) for mark in kept.marks] == [(said["paper"], 2, True)]


async def test_without_an_encoder_the_page_shows_the_words_and_says_so(corpus: Corpus, kit: Any) -> None:
    encoder = kit.Encoder()
    paper = corpus.papers[3]
    async with page_client(corpus.data, encoder) as service:
        page = SearchPage(service)
        encoder.away = True
        *_, status, results, _ = await page.search(paper.title, "hybrid", None, None, None, True, 5, "")
        *_, refusal, _ = await page.search(paper.title, "dense", None, None, None, True, 5, "")
    assert ids_of(results)[0] == paper.id
    assert "encoder is away" in status
    assert "The search service cannot answer right now" in refusal


async def test_a_search_through_milvus_answers_on_the_page_as_main_memory_does(corpus: Corpus, tmp_path: Path) -> None:
    options = MilvusOptions(str(tmp_path / "papers.db"), seconds=60, words=True)
    snapshots = SnapshotDirectory(corpus.data)
    await asyncio.to_thread(load_snapshot, snapshots.path(snapshots.current() or ""), options, "FLAT")
    paper = corpus.papers[41]
    told = []
    for settings in ({}, {"milvus_uri": options.uri, "milvus_seconds": 60, "milvus_words": True}):
        async with page_client(corpus.data, corpus.encoder, **settings) as service:
            page = SearchPage(service)
            for mode in ("hybrid", "dense", "lexical"):
                for categories in ([], list(paper.categories)):
                    shown = await page.search(paper.title, mode, categories, None, None, True, 7, "")
                    told.append((ids_of(shown[3]), "incomplete" in shown[2]))
            shown = await page.restore(f"?like={paper.id}")
            told.append((ids_of(shown[3]), "incomplete" in shown[2]))
    half = len(told) // 2
    assert told[:half] == told[half:]
    assert all(ids and not incomplete for ids, incomplete in told)
