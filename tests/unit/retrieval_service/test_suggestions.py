"""Conditions that are offered for constraints in plain words."""

from __future__ import annotations

from datetime import date
from time import thread_time
from typing import Any

import msgspec
import numpy as np
import pytest

from retrieval_service.search.operators import parse_query
from retrieval_service.search.request import SearchRequest


class Authors:
    """Conditions on authors that two names meet."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, clauses: Any) -> Any:
        name = str(clauses[0].values[0])
        self.asked.append(name)
        return np.asarray([name.lower() in ("hinton", "geoffrey hinton", "o'brien")] * 6)


@pytest.fixture
def corpus(fakes: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = fakes.Corpus(fakes.papers, {0: 0.9}, {0: 1.0})
    made.lexical.find_rows = Authors()
    monkeypatch.setattr(fakes.ListCatalogue, "span", (None, date(2026, 5, 1)))
    return made


async def offered(engine: Any, corpus: Any, text: str, **asked: Any) -> list[tuple[str, str]]:
    answer = await engine.search(corpus, SearchRequest(**{"text": text, "suggest": True, **asked}))
    return [(one.label, one.query) for one in answer.suggestions]


@pytest.mark.parametrize(
    ("text", "label", "query"),
    [
        ("graph networks since 2022", "since 2022", "graph networks since:2022"),
        ("graph networks after 2022 on molecules", "since 2022", "graph networks on molecules since:2022"),
        ("Since 2022 dust", "since 2022", "dust since:2022"),
        ("dust before 2010", "before 2010", "dust before:2010"),
        ("dust until 2010", "until 2010", "dust until:2010"),
        ("dust in 2010", "in 2010", "dust year:2010"),
        ("dust 2010", "in 2010", "dust year:2010"),
        ("dust from 2010 to 2015", "from 2010 to 2015", "dust year:2010-2015"),
        ("dust 2010-2015", "from 2010 to 2015", "dust year:2010-2015"),
        ("dust from 2015 to 2010", "from 2010 to 2015", "dust year:2010-2015"),
        ("dust of the last 5 years", "since 2021", "dust since:2021"),
        ("papers by Hinton", "by Hinton", 'au:"Hinton"'),
        ("capsules by geoffrey hinton", "by geoffrey hinton", 'capsules au:"geoffrey hinton"'),
        ("capsules by hinton for vision", "by hinton", 'capsules for vision au:"hinton"'),
        ("Hinton et al. capsules", "by Hinton", 'capsules au:"Hinton"'),
        ("dust by O'Brien", "by O'Brien", 'dust au:"O\'Brien"'),
        ("dust in CS.lg", "in cs.LG", "dust cat:cs.LG"),
        ("hep-th strings in cs.lg", "in cs.LG", "hep-th strings cat:cs.LG"),
        ("the latest language models", "newest first", "language models"),
        ("ti:dust gas since 2022", "since 2022", "ti:dust gas since:2022"),
    ],
)
async def test_a_constraint_in_words_is_offered_as_a_condition(
    engine: Any, corpus: Any, text: str, label: str, query: str
) -> None:
    assert await offered(engine, corpus, text) == [(label, query)]
    if query != "language models":
        assert parse_query(query).operators


async def test_several_constraints_are_offered_one_by_one(engine: Any, corpus: Any) -> None:
    assert await offered(engine, corpus, "newest capsules by Hinton since 2022 in cs.LG") == [
        ("since 2022", "newest capsules by Hinton in cs.LG since:2022"),
        ("by Hinton", 'newest capsules since 2022 in cs.LG au:"Hinton"'),
        ("in cs.LG", "newest capsules by Hinton since 2022 cat:cs.LG"),
        ("newest first", "capsules by Hinton since 2022 in cs.LG"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "learning by doing",
        "sequence 1999 of a proof",
        "model 3000",
        "since 20222",
        "dust since 20\u0662\u0662",
        "a table of 2010 stars",
        "recent dust",
        "dust in math.ZZ",
        "e.g. dust",
        "by",
        "et al.",
        '"since 2022" dust',
        "since:2022 dust",
        "by 2020-01-01T00",
        "2010",
        "one two three four five six seven eight nine ten eleven since 2022",
        "x" * 290 + " since 2022",
    ],
)
async def test_nothing_is_offered_for_other_words(engine: Any, corpus: Any, text: str) -> None:
    corpus.lexical.find_rows = lambda _: np.zeros(6, np.bool_)
    assert await offered(engine, corpus, text) == []


@pytest.mark.parametrize("text", ["ti:a dust NOT by Hinton", "dust OR by Hinton", "x" * 280 + " by Geoffrey Hinton"])
async def test_a_condition_that_would_not_act_alone_is_not_offered(engine: Any, corpus: Any, text: str) -> None:
    assert await offered(engine, corpus, text) == []


async def test_nothing_is_offered_for_abstracts_papers_and_queries_without_operators(engine: Any, corpus: Any) -> None:
    words = "dust since 2022"
    assert await offered(engine, corpus, words, operators=False) == []
    assert await offered(engine, corpus, None, abstract=words) == []  # type: ignore[arg-type]
    assert await offered(engine, corpus, None, like=("2001.00001",)) == []  # type: ignore[arg-type]


async def test_the_query_is_searched_as_it_is_and_the_default_answer_has_no_offers(engine: Any, corpus: Any) -> None:
    answer = await engine.search(corpus, SearchRequest(text="newest dust by Hinton since 2022", suggest=True))
    assert (answer.query.words, answer.query.operators) == ("newest dust by Hinton since 2022", ())
    assert msgspec.to_builtins(answer)["suggestions"][-1] == {
        "label": "newest first",
        "coded": {"code": "offer_newest", "values": {}},
        "query": "dust by Hinton since 2022",
        "parameters": {"sort": "newest"},
    }
    answer = await engine.search(corpus, SearchRequest(text="newest dust by Hinton since 2022"))
    assert "suggestions" not in msgspec.to_builtins(answer)


async def test_a_run_of_signs_costs_no_time(engine: Any, corpus: Any) -> None:
    signs = "!" * 200 + "x"
    began = thread_time()
    assert await offered(engine, corpus, f"since 2022 {signs}") == [("since 2022", f"{signs} since:2022")]
    assert thread_time() - began < 1


async def test_names_are_looked_up_only_where_the_query_has_one(engine: Any, corpus: Any) -> None:
    await offered(engine, corpus, "dust since 2022")
    assert corpus.lexical.find_rows.asked == []
    await offered(engine, corpus, "dust by the wayside inn")
    assert corpus.lexical.find_rows.asked == ["the wayside inn", "the wayside", "the"]
