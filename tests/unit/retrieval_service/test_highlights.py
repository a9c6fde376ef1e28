"""Where results have the words of the query, their best sentence, and why they were found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from akin.indexing.lexical_writer import LexicalWriter
from akin.papers import Paper
from akin.papers.sentences import sentence_spans, split_sentences
from akin.papers.text.mathematics import mathematics
from retrieval_service.adapters.tantivy_index import TantivyIndex
from retrieval_service.errors import EncoderUnavailable
from retrieval_service.ports import Hits, Match
from retrieval_service.search.highlights import QueryWords, mark
from retrieval_service.search.planner import plan_search
from retrieval_service.search.reasons import Half, in_words, reason
from retrieval_service.search.request import Mode, SearchRequest, Sort

PAPERS = [
    Paper("1", "Graph networks", "The first is short. Pre-training of graphs helps. Nothing else does."),
    Paper("2", "Other things", "Cats sleep. Dogs bark! Mice squeak."),
    Paper("3", "The $graph$ of a network", "A $G. Graph$ is drawn. It costs $5 for graphs of $n$ nodes."),
    Paper("5", "CO$_2$ in H$_2$O", "It dissolves."),
    Paper("4", "量子計算", "Schrödinger wrote about α-decay of pretrained models."),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> TantivyIndex:
    directory: Path = tmp_path_factory.mktemp("highlights") / "lexical"
    writer = LexicalWriter(directory)
    writer.add(0, PAPERS)
    writer.close()
    return TantivyIndex(directory)


def marked(index: TantivyIndex, fakes: Any, query: str, text: str) -> list[str]:
    plan = plan_search(SearchRequest(text=query), fakes.ListCatalogue(PAPERS))
    return [text[start:end] for start, end, _ in QueryWords.of(plan, index).find([text])[0]]


@pytest.mark.parametrize(
    ("query", "text", "words"),
    [
        ("graph network", "Networks of graphs, networking; graphene", ["Networks", "graphs", "networking"]),
        ("the graphs of it", "the graph of it", ["graph"]),
        ("pretraining", "Pre-training and pretraining, pre training", ["Pre-training", "pretraining"]),
        ("pre-training", "Pre-training and pretraining", ["Pre-training", "pretraining"]),
        ("Schroedinger Schrödinger", "Schrodinger, SCHRÖDINGER", ["Schrodinger", "SCHRÖDINGER"]),
        ("alpha decay", "α-decay", ["α", "decay"]),
        ("量子", "量子計算と量子", ["量子", "量子"]),
        ("graphs", r"A $graph$, \(graph\), \[graph\] and $$graph$$ graph", ["graph"]),
        ("graphs", "US$ for a graph, A$ for a graph", ["graph", "graph"]),
        ('ti:graph -mice "dogs bark"', "dogs and mice bark at a graph", ["dogs", "bark", "graph"]),
        ("ti:grap* abs:net?o*", "A graph of networks", ["graph", "networks"]),
        (
            "ti:schro* abs:écol*",
            "Schrödinger, SCHRODINGER; École, ecology",
            ["Schrödinger", "SCHRODINGER", "École", "ecology"],
        ),
        ("cat:cs.LG au:Verne", "cs.LG by Verne", []),
        ("unknownword", "unknownword", []),
        ("CO2 CO$_2$ H2O", "CO$_2$ and H_2O, $CO_2$", ["CO$_2$", "H_2O"]),
        ("network task", "A multi-task (network)", ["network"]),
    ],
)
def test_words_are_found_as_the_index_finds_them(
    index: TantivyIndex, fakes: Any, monkeypatch: pytest.MonkeyPatch, query: str, text: str, words: list[str]
) -> None:
    monkeypatch.setattr(fakes.ListCatalogue, "categories", {"cs.LG": 1})
    assert marked(index, fakes, query, text) == words


def test_a_long_query_marks_its_most_informative_words_only(index: TantivyIndex, fakes: Any) -> None:
    text = " ".join(f"{paper.title} {paper.abstract}" for paper in PAPERS)
    plan = plan_search(SearchRequest(text=text, operators=False), fakes.ListCatalogue(PAPERS))
    assert len(QueryWords.of(plan, index).weights) == 12


def test_words_of_liked_papers_are_found(index: TantivyIndex, fakes: Any) -> None:
    plan = plan_search(SearchRequest(like=("1",)), fakes.ListCatalogue(PAPERS))
    assert "graph" in QueryWords.of(plan, index).weights


@pytest.mark.parametrize("paper", PAPERS)
def test_sentences_are_those_of_the_one_rule_except_within_formulas(paper: Paper) -> None:
    found = [paper.abstract[start:end] for start, end in sentence_spans(paper.abstract)]
    if not mathematics(paper.abstract):
        assert found == split_sentences(paper.abstract)
    else:
        assert found == ["A $G. Graph$ is drawn.", "It costs $5 for graphs of $n$ nodes."]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        (" ", []),
        ("\n", []),
        ("One", ["One"]),
        (" One. Two. ", [" One.", "Two. "]),
        ("A.\nB", ["A.", "B"]),
        ("…", ["…"]),
        ("$x. Y$", ["$x. Y$"]),
        ("a" * 10_000, ["a" * 10_000]),
    ],
)
def test_sentences_of_odd_texts(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


@pytest.fixture
def corpus(fakes: Any) -> Any:
    return fakes.Corpus(PAPERS, {0: 0.9, 1: 0.5, 2: 0.4}, {0: 9.0, 2: 3.0})


async def search(engine: Any, corpus: Any, **asked: Any) -> Any:
    return await engine.search(corpus, SearchRequest(**{"text": "graph networks", "highlight": True, **asked}))


async def test_results_say_where_words_are_and_which_sentence_fits(engine: Any, corpus: Any) -> None:
    first, *others = (await search(engine, corpus, nearest_sentences=True)).results
    assert msgspec.json.decode(msgspec.json.encode(first.highlights)) == {
        "title": [[0, 5], [6, 14]],
        "abstract": [[36, 42]],
        "sentence": [20, 49],
        "why": "very near in meaning; title has 'Graph' and 'networks'; 1st by words, 1st by meaning",
        "coded_why": [
            {"code": "very_near", "values": {}},
            {"code": "title_has", "values": {"words": "'Graph', 'networks'"}},
            {"code": "rank_by_words", "values": {"rank": 1}},
            {"code": "rank_by_meaning", "values": {"rank": 1}},
        ],
    }
    assert first.abstract[20:49] == "Pre-training of graphs helps."
    # "Other things" has no word of the query, so the vectors of its sentences decide.
    without = next(result for result in others if result.id == "2")
    assert without.abstract[slice(*without.highlights.sentence)] == "Dogs bark!"
    assert without.highlights.why == "near in meaning; 2nd by meaning"
    assert corpus.sentences == [["Cats sleep.", "Dogs bark!", "Mice squeak."]]


async def test_a_search_by_vectors_alone_takes_the_nearest_sentence_unless_another_has_most_words(
    engine: Any, corpus: Any
) -> None:
    def sentences(answer: Any) -> list[str]:
        return [result.abstract[slice(*result.highlights.sentence)] for result in answer.results]

    assert sentences(await search(engine, corpus, mode=Mode.DENSE, nearest_sentences=True))[:2] == [
        "Pre-training of graphs helps.",
        "Dogs bark!",
    ]
    # Of four words, "graphs" is less than a third; no sentence of the first paper is nearer than the others.
    asked = {"mode": Mode.DENSE, "text": "graph a b c"}
    found = await search(engine, corpus, **asked, nearest_sentences=True)
    assert sentences(found)[:2] == ["The first is short.", "Dogs bark!"]
    found = (await search(engine, corpus, **asked)).results
    assert [result.highlights.sentence for result in found][:2] == [(20, 49), None]
    assert len(corpus.sentences) == 2


async def test_results_of_one_half_are_explained_where_the_other_found_nothing(engine: Any, corpus: Any) -> None:
    corpus.lexical.scores = {}
    for result in (found := (await search(engine, corpus)).results):
        assert result.highlights.why.endswith(" by meaning")
        assert " by words" not in result.highlights.why
    assert found


async def test_nothing_is_looked_up_without_highlights(engine: Any, corpus: Any) -> None:
    corpus.lexical.informative_terms = None
    answer = await search(engine, corpus, highlight=False)
    assert corpus.sentences == []
    assert "highlights" not in msgspec.to_builtins(answer)["results"][0]


async def test_sentences_are_chosen_by_words_alone_where_the_encoder_is_away(engine: Any, corpus: Any) -> None:
    answer = await search(engine, corpus, mode=Mode.LEXICAL, nearest_sentences=True)
    assert [result.highlights.sentence for result in answer.results] == [(20, 49), (23, 59)]
    assert corpus.sentences == []

    async def away(texts: Any) -> Any:
        raise EncoderUnavailable("It is away.")

    corpus.embed_sentences = away
    answer = await search(engine, corpus, nearest_sentences=True)
    assert {result.id: result.highlights.sentence for result in answer.results}["2"] is None
    assert answer.degraded is None


async def test_a_search_by_conditions_alone_says_so(engine: Any, corpus: Any) -> None:
    corpus.lexical.find_rows = lambda _: np.asarray([True, False, False, False, False])
    corpus.lexical.scores = {0: 1.0}
    answer = await search(engine, corpus, text="au:verne")
    assert answer.results[0].highlights.why == "meets the conditions"
    answer = await search(engine, corpus, text="au:verne", sort=Sort.OLDEST)
    assert answer.results[0].highlights.why == "meets the conditions"


async def test_a_search_by_papers_names_them(engine: Any, corpus: Any) -> None:
    answer = await search(engine, corpus, text=None, like=("1",), mode=Mode.DENSE)
    assert answer.results[0].highlights.why.startswith("near in meaning to the papers named")


HITS = Hits(np.arange(30), np.linspace(0.9, 0.1, 30).astype(np.float32), (0.1, 1.0))


@pytest.mark.parametrize(
    ("place", "words"),
    [(0, "very near in meaning; 1st"), (10, "near in meaning; 11th"), (21, "somewhat near in meaning; 22nd")],
)
def test_nearness_is_measured_from_an_unrelated_paper(place: int, words: str) -> None:
    assert in_words(reason(("", []), ("", []), Half(HITS, place), None)) == f"{words} by meaning"


def test_reasons_name_a_few_words_and_the_reranker() -> None:
    text = "one two three four"
    matches = [Match(0, 3, "one"), Match(4, 7, "two"), Match(8, 13, "three"), Match(14, 18, "four")]
    said = in_words(reason(("", []), (text, matches), None, Half(HITS, 2), reranked=True))
    assert said == ("abstract has 'one', 'two', 'three' and more; 3rd by words; ordered by the reranker")
    assert "abstract has 'one', 'two' and 'three'" in in_words(reason(("", []), (text, matches[:3]), None, None))


def test_a_pattern_of_many_signs_is_no_heavy_work(index: TantivyIndex) -> None:
    words = QueryWords({}, index, ["aaa" + "*a" * 40 + "*b"])
    assert words.find(["a" * 5_000 + " aaa" + "a" * 50 + "b"]) == [[Match(5_001, 5_055, "aaa" + "*a" * 40 + "*b")]]


def test_the_first_of_the_sentences_with_the_same_words_is_the_best(index: TantivyIndex) -> None:
    words = QueryWords({"cat": 0.1, "dog": 0.2, "bird": 0.3, "fish": 0.01}, index)
    text = "Fish. Birds and dogs and cats. Cats, dogs, birds. Cat cat cat cat cat cat cat."
    found: Any = SimpleNamespace(title="", abstract=text)
    (marked,) = mark([found], words)
    assert marked.best is not None
    assert text[slice(*marked.best)] == "Birds and dogs and cats."
    assert marked.share == pytest.approx(0.6 / 0.61, abs=1e-4)
