"""Check that no text costs more than two seconds, nor more than in proportion to its length."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from akin.indexing.corpus_map.labels import terms_of
from akin.indexing.references.collecting import work_number
from akin.indexing.references.sources import cells
from akin.papers import Author, Paper, bare_doi, links, parse_arxiv_id, parse_authors, passage_text
from akin.papers.authors import divided_authors, listed_authors
from akin.papers.bibliography import LibraryFormat, detect_library, library_papers, read_entries
from akin.papers.bibliography.bibtex import bibtex_entries, bibtex_names
from akin.papers.bibliography.csl_json import csl_entries
from akin.papers.bibliography.references import read_references
from akin.papers.categories import subject
from akin.papers.citation import CitationFormat, parse_journal_reference, write_citations
from akin.papers.errors import PapersError
from akin.papers.readers import fields
from akin.papers.readers.acl_anthology import acl_papers
from akin.papers.readers.arxiv_snapshot import arxiv_paper
from akin.papers.readers.mapped_records import json_paper
from akin.papers.readers.mapping import Mapping
from akin.papers.remote.http import BadAnswer
from akin.papers.remote.oai import Refusal, parse_page
from akin.papers.remote.xml_repair import repair_text
from akin.papers.text import clean_abstract, clean_text, display_text
from akin.papers.titles import title_words
from akin.relevance.kinds import KINDS, Pool, related_pairs
from akin.relevance.kinds.known_item import claim_search, draft_search, question_search, title_search
from gradio_ui import answers as page_answers
from gradio_ui.card import paper_card
from gradio_ui.client import RequestRefused
from gradio_ui.render import answer_status, problem
from gradio_ui.state import PageState, make_state, read_address
from gradio_ui.words import DEFAULT, words
from retrieval_service.adapters.english import english_analyzer, name_analyzer
from retrieval_service.adapters.names import indexed_forms
from retrieval_service.adapters.spellings import find_compounds, pair_letters, ranking_words, separate_letters
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.adapters.word_forms import WordForms
from retrieval_service.errors import RetrievalError
from retrieval_service.routes.feedback import FeedbackRequest
from retrieval_service.routes.parameter_parsing import Parameters
from retrieval_service.search.duplicates import same_paper
from retrieval_service.search.filters import category_codes
from retrieval_service.search.highlights import QueryWords, mark
from retrieval_service.search.named_papers import named_papers, names_among_words
from retrieval_service.search.operators import parse_query
from retrieval_service.search.parameters import replace_unprintable, require_text
from retrieval_service.search.request import SearchRequest
from retrieval_service.search.suggestions import suggestions
from retrieval_service.search.text_match import plain_text, shares_of
from tests.unit.hostile import RUNS, objection

_PARAMETERS = Parameters(SearchRequest)
_FEEDBACK = Parameters(FeedbackRequest)
_WORDS = words(DEFAULT)
_ENGLISH, _NAMES = english_analyzer(), name_analyzer()
_MAPPING = Mapping("id", "title", "text", "authors", "categories", "day", "day", "doi", "ref")
_RULES = title_search, question_search, claim_search, draft_search
_OF_CSL = "id", "type", "title", "abstract", "author", "issued", "page", "URL", "DOI", "note", "keyword"
_STATE = PageState(q="words")


def _paper(text: str) -> Paper:
    return Paper(text, text, text, (Author(text),), (text,), doi=text, journal_ref=text)


def _record(text: str, *names: str) -> bytes:
    """Return a record that is longer than the text: what reads one of its fields is tested with the whole text."""
    return json.dumps(dict.fromkeys(names, text[: len(text) // 4])).encode()


def _shown(text: str) -> page_answers.FoundPaper:
    addresses = dict.fromkeys(("abs", "pdf"), text) | {"doi": f"https://{text}"}
    return page_answers.FoundPaper(
        id=text, title=text, abstract=text, authors=(text,), categories=(text,), date=text, links=addresses
    )


def _library(text: str, form: LibraryFormat) -> object:
    return list(library_papers(read_entries(text.encode("utf-8", "replace"), form)))


def _asked(text: str) -> object:
    """Return all parameters of a request; those that take lists have the text cut into as many values as they take."""
    ids, names = ([text[at : at + size] for at in range(0, len(text), size)] for size in (20, 625))
    pairs = [("query", text), ("from", text), ("categories", text), *(("ids", each) for each in ids)]
    return _PARAMETERS.validate(_PARAMETERS.query_values([*pairs, *(("authors", name) for name in names)]))


def _parsed(text: str) -> object:
    with contextlib.suppress(RetrievalError):
        return parse_query(text)
    return None


def _xml(text: str) -> object:
    pieces = [text[at : at + 4].encode("utf-8", "replace") for at in range(0, len(text), 4)]
    with contextlib.suppress(PapersError):
        return list(acl_papers(Path("texts.xml"), iter(enumerate([b'<collection id="', *pieces, b'"/>']))))
    return None


def _page_of_repository(text: str) -> object:
    record = f"<record><header><identifier>{text}</identifier></header><metadata>{text}</metadata></record>"
    content = f"<OAI-PMH {text}><responseDate>&</responseDate><ListRecords>{record}{text}</ListRecords></OAI-PMH>"
    with contextlib.suppress(BadAnswer, Refusal):
        return parse_page(content.encode("utf-8", "replace"))
    return None


def _offered(text: str) -> object:
    """Offer conditions for the longest query that gets some."""
    query = "".join(text.split())[:280]
    catalogue = SimpleNamespace(span=(None, None), categories={"cs.LG": 1})
    corpus: Any = SimpleNamespace(
        catalogue=catalogue, lexical=SimpleNamespace(find_rows=lambda _: np.zeros(1, np.bool_))
    )
    plan: Any = SimpleNamespace(words=f"since 2022 {query}")
    return suggestions(SearchRequest(text=plan.words, suggest=True), plan, corpus)


def _referred(text: str) -> object:
    return list(read_references(text, 1_000)[1])


def _marked(text: str) -> object:
    lexical: Any = SimpleNamespace(find_terms=WordForms(_ENGLISH.analyze).find)
    words = QueryWords({"dust": 1.0, "gas": 2.0, "a": 0.5}, lexical)
    paper = page_answers.FoundPaper(id="1", title=text, abstract=f"{text} {len(text) // 10 * 'Dust $x$. '}")
    return mark(cast("Any", [paper]), words)


def _status(text: str) -> str:
    asked = page_answers.UnderstoodQuery(
        text=text, operators=(text,), like=(page_answers.LikedPaper(id=text, title=text),)
    )
    return answer_status(_STATE, page_answers.Answer(results=(), query=asked, k=10, degraded=text), (), _WORDS)


WORK: dict[str, Callable[[str], object]] = {
    # Queries.
    "a query's words": lambda text: _ENGLISH.analyze(pair_letters(to_plain_text(text))),
    "operators": lambda text: _parsed(text),
    "conditions to offer": _offered,
    "highlights": _marked,
    "operators in the longest query that has some": lambda text: _parsed(text[:300]),
    "citations": lambda text: write_citations([_paper(text)], CitationFormat.BIBTEX),
    "journal references": parse_journal_reference,
    "the longest journal reference": lambda text: parse_journal_reference(text[:500]),
    "DOIs": bare_doi,
    "the longest field of DOIs": lambda text: bare_doi(text[:4_000]),
    "operators in the longest query that is all operators": lambda text: _parsed(f"ti:a {text[:3_990]}"),
    "papers that a query names": named_papers,
    "ids among words": names_among_words,
    "arXiv ids": parse_arxiv_id,
    "an address of many parts": lambda text: parse_arxiv_id(f"https://{text}"[:500]),
    "the longest arXiv id": lambda text: parse_arxiv_id(text[:500]),
    "control characters": replace_unprintable,
    "a query": lambda text: _PARAMETERS.validate({"query": text}),
    "a query that is too long": lambda text: _PARAMETERS.validate({"query": 26 * text}),
    "a checked query": lambda text: require_text(text, "query"),
    "parameters": _asked,
    "an unknown parameter": lambda text: _PARAMETERS.validate({text: text}),
    "categories": lambda text: category_codes([text], ["cs.LG"]),
    "a corpus's own categories": lambda text: category_codes([text[:100]], [text, *(text[:at] for at in range(1000))]),
    # Records.
    "plain text": to_plain_text,
    "words with places": lambda text: _ENGLISH.pre_tokenize(separate_letters(to_plain_text(text))).tokens,
    "compounds": lambda text: ranking_words(to_plain_text(text), find_compounds(to_plain_text(text))),
    "an author's name": lambda text: indexed_forms(text, _NAMES),
    "a passage": lambda text: passage_text(_paper(text)),
    "the same paper": lambda text: same_paper(_paper(text), _paper(f"{text}.")),
    "a query's words in texts": lambda text: shares_of(
        [text, text[:9]], [plain_text(text, text), plain_text("", text)]
    ),
    "a text on one line": clean_text,
    "an abstract": clean_abstract,
    "a shown text": display_text,
    "a day": fields.parse_day.__wrapped__,
    "printed authors": parse_authors,
    "authors of a list": lambda text: listed_authors([text]),
    "parsed authors": lambda text: divided_authors([[text, text, text]]),
    "arXiv's categories": fields.arxiv_codes.__wrapped__,
    "a list of categories": fields.categories,
    "a category's name": subject,
    "a record of arXiv": lambda text: arxiv_paper(
        _record(text, "id", "title", "abstract", "authors", "categories", "doi")
    ),
    "a broken record": lambda text: arxiv_paper(f'{{"id": "{text}'.encode("utf-8", "replace")),
    "a repository's page": _page_of_repository,
    "rubbish in place of a page": lambda text: parse_page(f"<OAI-PMH>{text}".encode("utf-8", "replace")),
    "repaired text": repair_text,
    "a value of BibTeX": lambda text: list(
        bibtex_entries(f"@misc{{k, title={{{text}}}, author={{{text}}}, url={text}")
    ),
    "names of BibTeX": bibtex_names,
    "references in an exported table": lambda text: _referred(f"id,title,authors\n{text},{text},{text}"),
    "references in exported records": lambda text: _referred(
        f'{{"id": "1", "title": "x"}}\n{text}\n{{"id": "{text}"}}'
    ),
    "rubbish in BibTeX": lambda text: list(bibtex_entries(text)),
    "a reference of RIS": lambda text: _library(
        "".join(
            f"{tag}  - {text[: len(text) // 9]}\n" for tag in ("TY", "TI", "AU", "AB", "PY", "SP", "UR", "DO", "KW")
        ),
        LibraryFormat.RIS,
    ),
    "rubbish in RIS": lambda text: _library(f"TY  - JOUR\nAB  - x\n{text}", LibraryFormat.RIS),
    "an item of CSL-JSON": lambda text: list(csl_entries(b"[" + _record(text, *_OF_CSL) + b"]")),
    "rows of Zotero": lambda text: _library(f"Key,Item Type,Title,Author\n{text}", LibraryFormat.ZOTERO_CSV),
    "the recognition of a library": lambda text: detect_library(text.encode("utf-8", "replace")),
    "a title's words": title_words,
    "a title's terms on a map": lambda text: list(terms_of(text)),
    "a mapped record": lambda text: json_paper(_MAPPING)(
        _record(text, "id", "title", "text", "authors", "categories", "day", "doi", "ref")
    ),
    "an id in a file of pairs": work_number,
    "cells of a file of pairs": lambda text: [cells(text, sign) for sign in ("\t", ",", " ")],
    # Test sets.
    "searches of a paper": lambda text: [rule(_paper(text)) for rule in _RULES],
    "a question in a sentence": lambda text: question_search(_paper(f"{text[:-1]}?")),
    "a claim in a sentence": lambda text: claim_search(_paper(f"We show that {text}")),
    "a list of keywords": lambda text: list(KINDS["keywords"](Pool([_paper(f"{text} Keywords: {text}")]), 1)),
    "a reply's title": lambda text: related_pairs(Pool([_paper(f"Comment on the {text}"), _paper("A title")])),
    # Answers.
    "links": lambda text: links(_paper(text)),
    "a card with its BibTeX": lambda text: paper_card(_shown(text), 1, 1.0, _STATE, {}, _WORDS),
    "an address": lambda text: read_address(f"?q={text}&categories={text}&k={text}&from={text}"),
    "the page's state": lambda text: make_state(q=text, like=[text], categories=[text], mode=text, k=text)[0].address(),
    "the page's words on an answer": _status,
    "a problem": lambda text: problem(RequestRefused(text, "code"), _WORDS),
    # Feedback.
    "a mark of a reader": lambda text: _FEEDBACK.validate(
        {"search": text[:64], "paper": text[:500], "rank": 1, "useful": True, "comment": text[:500]}
    ),
    "feedback on a search again": lambda text: _FEEDBACK.validate(
        {"request": {"query": text}, "paper": "p", "rank": 1, "useful": True}
    ),
}


@pytest.mark.parametrize("name", WORK)
def test_time_grows_with_the_length_alone(name: str) -> None:
    def work(text: str) -> None:
        with contextlib.suppress(RetrievalError, PapersError, BadAnswer, Refusal):  # a refusal is an answer too
            WORK[name](text)

    slow = {run: found for run, text in RUNS.items() if (found := objection(work, text))}
    assert not slow


@pytest.mark.parametrize("run", ["'a'", "'>'", "' '", "'\\n'"])
def test_a_tag_of_many_lines_is_not_read_again_with_each(run: str) -> None:
    assert objection(_xml, RUNS[run]) is None
