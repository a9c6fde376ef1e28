"""HTML of the page, by pure functions that escape all texts from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from html import escape
from typing import Final

from gradio_ui.answers import Answer, CorpusInfo, LikedPaper
from gradio_ui.card import paper_card, tex_class
from gradio_ui.client import NoAnswer, NothingIndexed, RequestFailed, RequestRefused, ServiceBusy
from gradio_ui.controls import facets, offers, order_fact, toolbar
from gradio_ui.state import SORTS_BY_DATE, Notes, PageState

EXAMPLES: Final = (
    "contrastive sentence embeddings",
    "can language models check facts?",
    "graph neural networks for molecules",
)
_STAGES: Final = ("embed", "vectors", "lexical", "fuse", "fetch")

MASTHEAD: Final = (
    '<header class="akin-masthead"><h1><a href="?" data-akin-go>Akin</a></h1>'
    "<p>Find the papers akin to yours: ask in words, or paste an abstract, an arXiv id or a link.</p></header>"
)


def examples() -> str:
    """Return the example queries as links to their searches."""
    links = "".join(
        f'<a class="akin-example" data-akin-go href="{escape(PageState(q=query).address())}">{escape(query)}</a>'
        for query in EXAMPLES
    )
    return f'<nav class="akin-examples" aria-label="Example searches"><span>Try</span>{links}</nav>'


OPERATORS: Final = (
    '<details class="akin-operators"><summary>Search operators</summary><ul>'
    "<li><code>&quot;neural operator&quot;</code> these words together</li>"
    "<li><code>-survey</code> without this word</li>"
    "<li><code>ti:graph</code>, <code>abs:&quot;dark matter&quot;</code> in the title, in the abstract</li>"
    "<li><code>au:&quot;P. Erdős&quot;</code> by this author</li>"
    "<li><code>cat:cs</code>, <code>-cat:cs.CV</code> in an archive, not in a category</li>"
    "<li><code>submittedDate:[2023 TO 2024]</code> in these years</li>"
    "<li><code>ti:neuro*</code> words with this beginning</li>"
    "<li><code>au:Verne OR au:Kestrel</code>, <code>(ti:a OR ti:b) ANDNOT au:c</code> one of them, none of them</li>"
    "<li><code>2401.09032 hep-th/9901001</code> papers like these: ids, links or DOIs alone</li></ul></details>"
)


def corpus_line(corpus: CorpusInfo | None) -> str:
    """Return the line with the size and the newest month of the corpus; empty if there is no description."""
    if corpus is None:
        return ""
    newest = f", newest {escape(corpus.newest[:7])}" if corpus.newest else ""
    return f'<p class="akin-corpus">{_count(corpus.papers, "paper")}{newest}</p>'


def category_choices(corpus: CorpusInfo) -> list[tuple[str, str]]:
    """Return the pair of label and code for each category of the corpus, in the order of the corpus."""
    return [(f"{category.name} ({category.code})", category.code) for category in corpus.categories]


def hint(notes: Notes = ()) -> str:
    """Return the status of a search without a query."""
    return notices(notes) + _notice("Write a question, or paste an abstract, an arXiv id or a link, then search.")


def answer_status(state: PageState, answer: Answer, notes: Notes = ()) -> str:
    """Return the status of an answer: range, mode, time, and warnings about the query and the answer."""
    warnings = [*notes, *answer.notes]
    if answer.degraded:
        warnings.append(f"This answer is incomplete: {answer.degraded}")
    if answer.query.operators:
        warnings.append(f"Only papers that meet: {_conditions(answer.query.operators)}")
    if answer.query.truncated:
        length = f" ({answer.query.tokens:,} tokens)" if answer.query.tokens else ""
        warnings.append(f"The text is longer than the encoder reads{length}; only its beginning was compared.")
    searched = f" among {_count(answer.searched, 'paper')}" if answer.searched is not None else ""
    order = f"<span>{order_fact(answer)}</span>" if answer.sort else ""
    facts = [f"<span>{_range(answer)}{searched}</span>", f"<span>{escape(answer.mode)}</span>", order, _latency(answer)]
    line = '<span class="akin-dot" aria-hidden="true"> · </span>'.join(fact for fact in facts if fact)
    chips = offers(state, answer.suggestions)
    return f'{_liked_papers(state, answer)}<p class="akin-line">{line}</p>{chips}{notices(tuple(warnings))}'


def results(state: PageState, answer: Answer, names: Mapping[str, str]) -> str:
    """Return the results as an ordered list of articles with links to the next and the previous page.

    Args:
        state: The search.
        answer: The service's answer.
        names: The names of categories by code.
    """
    if not answer.results:
        return _empty_results(state)
    best = max(paper.score for paper in answer.results)
    cards = "".join(
        f"<li>{paper_card(paper, rank, best, state, names)}</li>"
        for rank, paper in enumerate(answer.results, start=answer.offset + 1)
    )
    return (
        f'<h2 class="akin-hidden">Results</h2>{toolbar(state)}{facets(state, answer.facets, names)}'
        f'<ol class="akin-list" start="{answer.offset + 1}">{cards}</ol>{_pages(state, answer)}'
    )


def problem(error: RequestFailed) -> str:
    """Return the explanation of a failed request and the next step."""
    title, advice = _explain(error)
    return (
        f'<section class="akin-problem"><h2>{title}</h2><p>{escape(str(error))}</p>'
        + (f"<p>{advice} Then search again: this page need not be reloaded.</p>" if advice else "")
        + "</section>"
    )


def _explain(error: RequestFailed) -> tuple[str, str]:
    if isinstance(error, RequestRefused):
        return "That cannot be searched for", ""
    if isinstance(error, NoAnswer):
        return "The search service is unavailable", "Start it with <code>akin up</code>."
    if isinstance(error, NothingIndexed):
        return "There are no papers to search yet", (
            "Index the sample papers with <code>akin index build sample</code>, "
            "or your own with <code>akin index build FILE</code>."
        )
    if isinstance(error, ServiceBusy):
        return "The search service cannot answer right now", "Wait a moment."
    return "The search service answered in an unknown way", (
        "Check that the page and the service are of one version: <code>akin down</code>, <code>akin up</code>."
    )


def notices(notes: Notes) -> str:
    """Return the notes, one paragraph each."""
    return "".join(_notice(note) for note in notes)


def _notice(words: str) -> str:
    return f'<p class="akin-notice">{escape(words)}</p>'


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _range(answer: Answer) -> str:
    found = len(answer.results)
    if not found:
        return "Nothing found"
    return f"{answer.offset + 1}–{answer.offset + found}" if found > 1 else f"Result {answer.offset + 1}"


def _latency(answer: Answer) -> str:
    total = answer.timings.get("total_ms")
    if total is None:
        return ""
    stages = " · ".join(
        f"{stage} {_milliseconds(spent)}"
        for stage in _STAGES
        if (spent := answer.timings.get(f"{stage}_ms")) is not None
    )
    return f'<span class="akin-latency">{_milliseconds(total)} ms{": " + stages if stages else ""}</span>'


def _milliseconds(spent: float) -> str:
    return f"{spent:.0f}" if spent >= 1 or spent == 0 else f"{spent:.1f}"


def _liked_papers(state: PageState, answer: Answer) -> str:
    if not answer.query.like:
        return ""
    titles = _titles(answer.query.like)
    if answer.query.unlike:
        titles += f" and unlike {_titles(answer.query.unlike)}"
    clear = ' <a class="akin-clear" data-akin-go href="?">start over</a>' if state.like else ""
    return f'<p class="akin-liked">Papers like {titles}{clear}</p>'


def _conditions(operators: tuple[str, ...]) -> str:
    """Return the conditions, with brackets around alternatives where there are several conditions."""
    if len(operators) == 1:
        return operators[0]
    return "   ".join(f"({each})" if " OR " in each and each[:4] != "NOT " else each for each in operators)


def _titles(papers: Iterable[LikedPaper]) -> str:
    return ", ".join(
        f'<cite class="akin-named{tex_class(paper.title)}">{escape(paper.title or paper.id)}</cite>' for paper in papers
    )


def _empty_results(state: PageState) -> str:
    advice = "Try other words, or fewer of them."
    if state.offset:
        first = escape(replace(state, offset=0).address())
        advice = f'There are no more results. <a data-akin-go href="{first}">Back to the first page</a>'
    elif state.has_filters:
        wider = escape(state.without_filters().address())
        advice = f'No paper passes these filters. <a data-akin-go href="{wider}">Search without filters</a>'
    return f'<section class="akin-problem"><h2>No papers found</h2><p>{advice}</p></section>'


def _pages(state: PageState, answer: Answer) -> str:
    links = []
    if state.offset:
        address = escape(state.previous_page().address())
        links.append(f'<a class="akin-page" rel="prev" data-akin-go href="{address}">← Previous</a>')
    if len(answer.results) < state.k or answer.next_cursor is None:
        end = _end(answer) if state.offset else ""
    elif (following := state.next_page()) is None:
        end = "Akin shows no further results of one search. Add words or filters to narrow it."
    else:
        end = ""
        address = escape(following.address())
        links.append(f'<a class="akin-page akin-next" rel="next" data-akin-go href="{address}">Next →</a>')
    if end:
        links.append(f'<span class="akin-end">{end}</span>')
    return f'<nav class="akin-pages" aria-label="Pages of results">{"".join(links)}</nav>' if links else ""


def _end(answer: Answer) -> str:
    if answer.sort is None or answer.sort.complete or answer.sort.by not in SORTS_BY_DATE:
        return "These are the last results."
    return f"These are the last of the {answer.sort.papers:,} best matches; by relevance there are more."
