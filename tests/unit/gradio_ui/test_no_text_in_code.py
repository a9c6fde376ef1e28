"""No text that a reader sees is in the code: all comes from the files of `gradio_ui/words/`."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gradio_ui
from gradio_ui import client as errors
from gradio_ui import render
from gradio_ui.answers import Answer, CorpusInfo, Coverage
from gradio_ui.pages import document as documents
from gradio_ui.pages import visit as visits
from gradio_ui.pages.visit import Visit
from gradio_ui.state import PageState, read_address
from gradio_ui.words import DEFAULT, Words, note, words
from tests.unit.gradio_ui.elements import Elements

ROOM = Path(gradio_ui.__file__).parent
# Every text of this language stands between brackets, so what stands outside of them is not from a file of words.
TEXTS = words(DEFAULT).texts
MARKED = Words("xx", {key: text if key.startswith("form.") else f"⟦{text}⟧" for key, text in TEXTS.items()})
# Names that are the same in every language.
NAMES = re.compile(r"Akin|arXiv|PDF|DOI|BibTeX|RIS|CSL-JSON|CSV|JSON Lines|English|Deutsch")
SEEN = ("aria-label", "title", "placeholder", "alt")


def outside(markup: str) -> str:
    """Return the visible text of HTML that does not come from the words, without names and code."""
    markup = re.sub(r"<code>.*?</code>|<!doctype html>|<(meta|link)[^>]*>|<script.*?</script>", "", markup)
    elements = Elements(markup)
    seen = [elements.text] + [value or "" for _, of in elements.found for name, value in of.items() if name in SEEN]
    left = []
    for text in seen:
        while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", text)) != text:
            text = shorter
        left.append(NAMES.sub("", text))
    return " ".join(left)


PAPER = {
    "id": "1", "title": "2", "score": 0.5, "abstract": "3 " * 400, "authors": ["4"] * 12, "author_count": 50,
    "categories": ["5"], "date": "2024-02-01", "journal_ref": "6", "links": {"abs": "https://7", "pdf": "https://8"},
    "sources": {"dense": 0.5, "lexical": 1.5}, "duplicates": ["9"], "withdrawn": True, "comments": "10", "versions": 3,
    "citations": {"total": 12, "in_corpus": 1},
    "highlights": {"why": "11"},
}  # fmt: skip
ANSWER = {
    "results": [PAPER] * 10, "k": 10, "offset": 10, "degraded": "1", "notes": ["2"], "searched": 300,
    "query": {"like": [{"id": "3", "title": "4"}], "unlike": [{"id": "5"}], "operators": ["6"], "truncated": True},
    "timings": {"total_ms": 5, "embed_ms": 1, "vectors_ms": 1, "lexical_ms": 1, "fuse_ms": 1, "fetch_ms": 1},
    "sort": {"by": "newest", "papers": 5, "half_life": 3, "diversity": 0.3, "citation_boost": 1},
    "facets": {"years": [{"year": 2020, "papers": 5}], "categories": [{"code": "7", "papers": 3}], "papers": 8},
    "suggestions": [{"label": "9", "query": "10"}], "next_cursor": "1",
    "chased": [{"id": "3", "title": "4", "cited_by": ["5"], "cites": ["6", "7", "8", "9"]}],
}  # fmt: skip
STATE = PageState(like=("1",), categories=("5",), from_year=2000, offset=10, k=10, chase=True)


def answer(**fields: object) -> Answer:
    return Answer.model_validate({**ANSWER, **fields})


BAD = "?mode=1&withdrawn=2&sort=3&from=9999&to=4444&k=0&offset=-5&q=6&like=7"
CASES: dict[str, Callable[[], str]] = {
    "masthead": lambda: render.masthead(Visit("xx")),
    "operators": lambda: render.operators(MARKED),
    "hint": lambda: render.hint(read_address(BAD)[1], MARKED),
    "years": lambda: render.notices(read_address("?from=1&to=x")[1], MARKED),
    "many parts": lambda: render.notices(read_address("&" * 500)[1], MARKED),
    "corpus": lambda: render.corpus_line(
        CorpusInfo(papers=7, newest="2024-05-06", coverage=Coverage(with_vectors=3, papers=7)), MARKED
    ).replace("May", ""),
    "status": lambda: render.answer_status(STATE, answer(), (), MARKED),
    "status of one": lambda: render.answer_status(STATE, answer(results=[PAPER], sort=None), (), MARKED),
    "status of none": lambda: render.answer_status(STATE, answer(results=[]), (), MARKED),
    "results": lambda: render.results(STATE, answer(), {"5": "6"}, MARKED).replace("Feb", ""),
    "last page": lambda: render.results(STATE, answer(next_cursor=None), {}, MARKED).replace("Feb", ""),
    "furthest page": lambda: render.results(PageState(q="1", offset=1000), answer(), {}, MARKED).replace("Feb", ""),
    "none": lambda: render.results(PageState(q="1"), answer(results=[]), {}, MARKED),
    "none on this page": lambda: render.results(PageState(q="1", offset=10), answer(results=[]), {}, MARKED),
    "none in these": lambda: render.results(PageState(q="1", from_year=1), answer(results=[]), {}, MARKED),
    "refused": lambda: render.problem(errors.RequestRefused("1", "2"), MARKED),
    "away": lambda: render.problem(errors.NoAnswer(note("service.away")), MARKED),
    "empty": lambda: render.problem(errors.NothingIndexed("1"), MARKED),
    "busy": lambda: render.problem(errors.ServiceBusy("1"), MARKED),
    "odd": lambda: render.problem(errors.AnswerNotUnderstood("1"), MARKED),
    "document": lambda: documents.document("1", "<h1>2</h1>", visit=Visit("xx")),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_reader_sees_comes_from_the_words(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "words", lambda _: MARKED)
    shown = CASES[case]()
    assert "⟦" in shown
    assert re.findall(r"[^\W\d_]{2,}", outside(shown)) == []


def test_a_text_in_the_code_would_be_found() -> None:
    assert outside('<p title="Sorry">1 ⟦a ⟦b⟧⟧ <a href="/x">Akin</a></p>').split() == ["1", "Sorry"]


def test_the_labels_of_the_form_come_from_the_words(said: dict[str, Any]) -> None:
    own = [text for text in said["texts"] if text[0]]
    assert {"akin-query", "akin-search", "akin-mode", "akin-categories", "akin-from"} <= {name for name, *_ in own}
    written = [
        text
        for _, name, value in own
        for text in ([label for label, _ in value] if name == "choices" else [value])
        if isinstance(text, str) and text not in ("hybrid", "Address", "HTML", "Run")
    ]
    assert len(written) > 15
    assert [text for text in written if not text.startswith("akin-words:")] == []


def test_the_page_is_sent_in_the_readers_language(said: dict[str, Any]) -> None:
    german, english, vary = said["languages"]
    assert "akin-words:" not in german + english
    assert '<html lang="de"' in re.sub(r"\s+", " ", german)
    assert "Wonach suchen Sie?" in german
    assert "Verwandte Arbeiten finden" in german
    assert '<html lang="en"' in re.sub(r"\s+", " ", english)
    assert "What are you looking for?" in english
    assert "Accept-Language" in vary


# Lines for those who run the server, not for readers of the page, and names of fonts.
FOR_OPERATORS = {"katex_files.py", "serve.py", "__main__.py", "settings.py", "colours.py"}
LOGGED = {"it has nothing to search yet", "nothing answers there"}
SENTENCE = re.compile(
    r"(?<![<-])\b[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}\b(?![=-])|(?:^|>)[A-Z][a-z]{2,}(?: [a-z]+)*[.!?]?(?:<|$)"
)


def _texts(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    passed: set[int] = set()
    for node in ast.walk(tree):
        is_log = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log.")
        # Mistakes of programmers and, in headers, names of HTTP.
        is_raise = isinstance(node, ast.Raise) and "TypeError" in ast.unparse(node)
        is_name = isinstance(node, ast.Dict) or (isinstance(node, ast.Assign) and "headers[" in ast.unparse(node))
        is_doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_name = is_name or (isinstance(node, ast.Assign) and "__all__" in ast.unparse(node.targets[0]))
        is_name = is_name or (isinstance(node, ast.Assign) and "environ" in ast.unparse(node.targets[0]))
        if is_log or is_raise or is_name or is_doc:
            passed |= {id(each) for each in ast.walk(node)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed
    ]


@pytest.mark.parametrize("path", [p for p in sorted(ROOM.rglob("*.py")) if p.name not in FOR_OPERATORS], ids=str)
def test_no_sentence_is_in_python(path: Path) -> None:
    allowed = {*render.EXAMPLES, *LOGGED}
    assert [text for text in _texts(path) if SENTENCE.search(NAMES.sub("", text)) and text not in allowed] == []


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.js")), ids=lambda path: path.name)
def test_no_sentence_is_in_scripts(path: Path) -> None:
    if "katex" in path.parts:
        return
    code = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
    literals = re.findall(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', code)
    found = [
        text for pair in literals for text in pair if SENTENCE.search(NAMES.sub("", re.sub(r"\$\{[^}]*\}", "", text)))
    ]
    assert [text for text in found if text not in {"Enter", "Escape"}] == []
    asked = set(re.findall(r'akinText\("([a-z_.]+)"', code))
    known = words(DEFAULT).texts
    assert {key for key in asked if f"script.{key}" not in known and not key.startswith("form.")} == set()
