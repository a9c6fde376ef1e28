from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from akin.papers import Paper
from loadtests.errors import BadOption, TooFewQueries
from loadtests.papers import papers_of_file, papers_of_service
from loadtests.queries import QuerySource, distinct_texts, sentences

PAPERS = [
    Paper(
        str(n),
        f"On the {n} things that nobody counted",
        f"We count {n} things here. Each of the {n} was seen twice. Nobody had done that {n} times before us.",
    )
    for n in range(250)
]


def test_a_paper_gives_its_title_its_abstract_and_each_sentence() -> None:
    assert sentences(PAPERS[7].abstract) == [
        "We count 7 things here.",
        "Each of the 7 was seen twice.",
        "Nobody had done that 7 times before us.",
    ]
    assert distinct_texts(PAPERS) == 250 * 5
    assert distinct_texts([PAPERS[0], PAPERS[0]]) == 5


def test_an_abstract_of_short_sentences_is_one_sentence() -> None:
    assert sentences("Too short.") == ["Too short."]


def test_short_queries_are_words_of_the_papers_and_never_come_twice() -> None:
    queries = QuerySource(PAPERS, seed=3)
    drawn = [queries.short() for _ in range(2_000)]
    assert len(set(drawn)) == 2_000
    assert queries.drawn == 2_000
    assert queries.repeated == 0
    corpus = "\n".join(f"{paper.title} {paper.abstract}" for paper in PAPERS)
    assert all(text in corpus for text in drawn)
    assert all(3 <= len(text.split()) <= 10 for text in drawn)


def test_long_queries_are_whole_abstracts_first_then_parts_of_them() -> None:
    queries = QuerySource(PAPERS, seed=1)
    assert {queries.long() for _ in range(250)} == {paper.abstract for paper in PAPERS}
    assert queries.repeated == 0
    later = queries.long()
    assert any(later in paper.abstract for paper in PAPERS)


def test_repetitions_are_counted() -> None:
    queries = QuerySource(PAPERS, seed=1)
    # The abstracts have fewer words than a run needs, so that the runs are the abstracts themselves.
    drawn = [queries.long() for _ in range(260)]
    assert queries.repeated == len(drawn) - len(set(drawn)) == 10


def test_texts_that_were_used_before_are_not_drawn() -> None:
    seen = [paper.abstract for paper in PAPERS[:200]]
    queries = QuerySource(PAPERS, seed=1, used=seen)
    assert not {queries.long() for _ in range(50)} & set(seen)
    assert queries.repeated == 0


def test_the_texts_depend_on_the_seed() -> None:
    def drawn(seed: int) -> list[str]:
        queries = QuerySource(PAPERS, seed=seed)
        return [queries.short() for _ in range(20)]

    assert drawn(5) == drawn(5) != drawn(6)


def test_too_few_papers_are_refused() -> None:
    with pytest.raises(TooFewQueries, match=r"3 papers hold 15 .*--queries"):
        QuerySource(PAPERS[:3])


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("fields", [("id", "abstract"), ("_id", "text")])
def test_bad_lines_of_a_file_are_skipped(tmp_path: Path, fields: tuple[str, str], zipped: bool) -> None:
    key, abstract = fields
    lines = [
        json.dumps({key: "1", "title": " A\n title ", abstract: "  An\n  abstract. "}),
        "no JSON",
        "[1, 2]",
        json.dumps({key: "2", "title": "No abstract"}),
        json.dumps({key: "3", "title": 3, abstract: "of the wrong type"}),
        json.dumps({key: "4", "title": "Another paper", abstract: "Its text."}),
    ]
    content = "\n".join(lines).encode()
    path = tmp_path / "papers"
    path.write_bytes(gzip.compress(content) if zipped else content)
    papers = papers_of_file(path)
    assert papers == [Paper("1", "A title", "An abstract."), Paper("4", "Another paper", "Its text.")]
    assert len(papers_of_file(path, most=1)) == 1


@pytest.mark.parametrize("content", [b"", b"{}\n", gzip.compress(b"x" * 1000, mtime=0)[:20]])
def test_a_file_without_papers_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "papers.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadOption, match=r"papers\.jsonl"):
        papers_of_file(path)


def test_searches_go_on_until_all_papers_are_found() -> None:
    asked: list[str] = []

    def search(body: dict[str, Any]) -> list[dict[str, Any]]:
        # Ten more papers for each of the first queries, and then always the same.
        asked.append(body["query"])
        first = 10 * min(len(asked) - 1, 5)
        return [{"id": str(n), "title": f"Title {n}", "abstract": f"Abstract {n}"} for n in range(first, first + 10)]

    found = papers_of_service(search, ["Machine Learning"], 60)
    assert {paper.title for paper in found.papers} == {f"Title {n}" for n in range(60)}
    assert asked[0] == "Machine Learning"
    assert found.used == asked
    assert len(asked) == 6


def test_searches_end_when_they_find_nothing_new() -> None:
    def search(body: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"id": "1", "title": "The same", "abstract": "always"}]

    assert papers_of_service(search, [], 1_000).papers == [Paper("1", "The same", "always")]
