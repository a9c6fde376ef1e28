"""HTML of the page, by pure functions that escape all texts from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from html import escape
from typing import Final
from urllib.parse import urlencode

from gradio_ui.answers import Answer, Category, CorpusInfo, FoundPaper, LikedPaper
from gradio_ui.card import date_of, paper_card, tex_class, title_link
from gradio_ui.chased import chased
from gradio_ui.citations import EXPORTS
from gradio_ui.client import NoAnswer, NothingIndexed, RequestFailed, RequestRefused, ServiceBusy
from gradio_ui.controls import LONGEST_SENT, facets, feed_link, offers, order_fact, toolbar
from gradio_ui.pages.document import navigation
from gradio_ui.pages.visit import Visit
from gradio_ui.said import lacking, of_service
from gradio_ui.state import MODES, SORTS_BY_FACT, Notes, PageState
from gradio_ui.usefulness import buttons, line
from gradio_ui.words import Note, Words, note, written_html

EXAMPLES: Final = (
    "contrastive sentence embeddings",
    "can language models check facts?",
    "graph neural networks for molecules",
)
_MOST_CATEGORIES: Final = 16
_STAGES: Final = ("embed", "vectors", "lexical", "fuse", "fetch")
_OPERATORS: Final = {
    "phrase": ('"neural operator"',),
    "without": ("-survey",),
    "fields": ("ti:graph", 'abs:"dark matter"'),
    "author": ('au:"P. Erdős"',),
    "category": ("cat:cs", "-cat:cs.CV"),
    "years": ("submittedDate:[2023 TO 2024]",),
    "beginning": ("ti:neuro*",),
    "joined": ("au:Verne OR au:Kestrel", "(ti:a OR ti:b) ANDNOT au:c"),
    "papers": ("2401.09032 hep-th/9901001",),
    "references": ("cites:2401.09032", "cited-by:2401.09032"),
}


def masthead(visit: Visit) -> str:
    """Return the name of the page, what it does, and the links to the other pages."""
    return (
        f'<header class="akin-masthead"><h1><a href="{escape(_home(visit))}" data-akin-go>Akin</a></h1>'
        f"<p>{escape(visit.words('masthead.line'))}</p>{navigation(visit)}</header>"
    )


def _home(visit: Visit) -> str:
    return PageState(lang=visit.language if visit.asked else "").address() or "?"


def examples(visit: Visit) -> str:
    """Return the example queries as links to their searches."""
    text = visit.words
    lang = visit.language if visit.asked else ""
    searches = [(escape(PageState(q=query, lang=lang).address()), escape(query)) for query in EXAMPLES]
    links = "".join(f'<a class="akin-example" data-akin-go href="{to}">{query}</a>' for to, query in searches)
    label = escape(text("ask.examples"))
    return f'<nav class="akin-examples" aria-label="{label}"><span>{escape(text("ask.try"))}</span>{links}</nav>'


def under_the_box(text: Words) -> str:
    """Return what helps to search, folded: operators, recent searches of this browser, and on a phone the filters."""
    title, forget = escape(text("recent.title")), escape(text("recent.forget"))
    recent = (
        f'<details class="akin-recent" id="akin-recent" hidden><summary>{title}</summary><ul></ul>'
        f'<p>{escape(text("recent.where"))} <button type="button" data-akin-forget>{forget}</button></p></details>'
    )
    filters = (
        '<button type="button" class="akin-filters-button" data-akin-filters aria-expanded="false" '
        f'aria-controls="akin-filters">{escape(text("filters.title"))}</button>'
    )
    return f'<div class="akin-help">{operators(text)}{recent}{filters}</div>'


def operators(text: Words) -> str:
    """Return the list of search operators, folded."""
    lines = "".join(
        f"<li{_if_cited(name)}>{', '.join(f'<code>{escape(code)}</code>' for code in codes)} "
        f"{escape(text(f'operators.{name}'))}</li>"
        for name, codes in _OPERATORS.items()
    )
    title = escape(text("operators.title"))
    return f'<details class="akin-operators"><summary>{title}</summary><ul>{lines}</ul></details>'


def _if_cited(name: str) -> str:
    """Return the class of an operator that is shown only if the corpus has references, which `corpus_line` says."""
    return ' class="akin-if-cited"' if name == "references" else ""


def corpus_line(corpus: CorpusInfo | None, text: Words) -> str:
    """Return the line with the size, newest month and missing vectors of the corpus; empty if it has no description."""
    if corpus is None:
        return ""
    line = text.count("corpus.papers", corpus.papers)
    if corpus.newest:
        line = text("corpus.newest", papers=line, month=_month(corpus.newest, text))
    if corpus.coverage:
        line = text("corpus.covered", line=line, covered=corpus.coverage.with_vectors)
    newest = f' data-newest="{escape(corpus.newest)}"' if corpus.newest else ""
    return f'<p class="akin-corpus{" akin-cited" * bool(corpus.references)}"{newest}>{escape(line)}</p>'


def _month(iso: str, text: Words) -> str:
    try:
        return text.month(date.fromisoformat(f"{iso[:7]}-01"))
    except ValueError:
        return iso[:7]


def welcome(corpus: CorpusInfo, newest: Sequence[FoundPaper], state: PageState, text: Words) -> str:
    """Return what the page shows before a search: the newest papers, and the largest categories to browse.

    Args:
        corpus: The corpus.
        newest: The newest papers of the corpus.
        state: The state of the page; links keep its language.
        text: The texts in the reader's language.
    """
    papers = "".join(f"<li>{_newest(paper, state, text)}</li>" for paper in newest)
    named: dict[str, Category] = {}
    for category in corpus.categories:
        # Two codes may be one category, such as math-ph and math.MP.
        named.setdefault(category.name or category.code, category)
    codes = "".join(
        f'<li><a data-akin-go href="{escape(replace(state.fresh(f"cat:{each.code}"), sort="newest").address())}">'
        f"{escape(name)}</a> <span>{text.number(each.papers)}</span></li>"
        for name, each in list(named.items())[:_MOST_CATEGORIES]
    )
    parts = [("newest", papers, "akin-newest"), ("browse", codes, "akin-browse")]
    sections = "".join(
        f'<section aria-labelledby="{look}"><h2 id="{look}">{escape(text(f"welcome.{name}"))}</h2>'
        f'<ul class="{look}">{items}</ul></section>'
        for name, items, look in parts
        if items
    )
    return f'<div class="akin-welcome">{sections}</div>' if sections else ""


def _newest(paper: FoundPaper, state: PageState, text: Words) -> str:
    similar = escape(state.fresh().similar_to(paper.id).address())
    return (
        f'<span class="akin-newest-title{tex_class(paper.title)}">{title_link(paper, state)}</span> '
        f'<span class="akin-facts">{date_of(paper.date, text)}'
        f'<a data-akin-go href="{similar}">{escape(text("card.similar"))}</a></span>'
    )


def category_choices(corpus: CorpusInfo) -> list[tuple[str, str]]:
    """Return the pair of label and code for each category of the corpus, in the order of the corpus."""
    return [(f"{category.name} ({category.code})", category.code) for category in corpus.categories]


def hint(notes: Notes, text: Words) -> str:
    """Return the status of a search without a query."""
    return notices((*notes, note("ask.hint")), text)


def answer_status(state: PageState, answer: Answer, notes: Notes, text: Words, *, has_map: bool = False) -> str:
    """Return the status of an answer: range, mode, time, and warnings about the query and the answer.

    With `has_map`, a link shows the results on the map of the corpus.
    """
    warnings: list[Note | str] = [*notes, *of_service(answer.notes, answer.coded_notes)]
    if answer.degraded:
        warnings.append(note("status.incomplete", reason=lacking(answer, text)))
    if answer.query.operators:
        warnings.append(note("status.conditions", conditions=_conditions(answer.query.operators)))
    if answer.query.truncated:
        tokens = answer.query.tokens
        warnings.append(note("status.truncated_tokens", tokens=tokens) if tokens else note("status.truncated"))
    range_ = _range(answer, text)
    if answer.searched is not None:
        range_ = text("status.among", range=range_, papers=text.count("corpus.papers", answer.searched))
    order = f"<span>{order_fact(answer, text)}</span>" if answer.sort else ""
    mode = text(f"mode.{answer.mode}").lower() if answer.mode in MODES else answer.mode
    facts = [f"<span>{escape(range_)}</span>", f"<span>{escape(mode)}</span>", order, _latency(answer, text)]
    if has_map and answer.results:
        facts.append(f'<a href="map{escape(state.address())}">{escape(text("map.show"))}</a>')
    line = '<span class="akin-dot" aria-hidden="true"> · </span>'.join(fact for fact in facts if fact)
    chips = offers(state, answer.suggestions, text)
    liked = _liked_papers(state, answer, text)
    return f'{liked}<div class="akin-line">{line}</div>{chips}{notices(tuple(warnings), text)}'


def results(state: PageState, answer: Answer, names: Mapping[str, str], text: Words) -> str:
    """Return the results as an ordered list of articles with links to the next and the previous page.

    Args:
        state: The search.
        answer: The service's answer.
        names: The names of categories by code.
        text: The texts in the reader's language.
    """
    if not answer.results:
        return _empty_results(state, text)
    best = max(paper.score for paper in answer.results)
    cited, offer = any(paper.citations for paper in answer.results), answer.feedback
    cards = "".join(
        f"<li>{paper_card(paper, rank, best, state, names, text, marks=buttons(rank, text) if offer else '')}</li>"
        for rank, paper in enumerate(answer.results, start=answer.offset + 1)
    )
    return (
        f'<h2 class="akin-hidden" id="akin-results-title" tabindex="-1">{escape(text("results.title"))}</h2>'
        f'<div class="akin-over">{toolbar(state, text, cited=cited)}{feed_link(state, text)}</div>'
        f"{facets(state, answer.facets, names, text)}"
        f'<ol class="akin-list" start="{answer.offset + 1}">{cards}</ol>{line(offer, text) if offer else ""}'
        f"{_pages(state, answer, text)}{chased(state, answer, text)}{_exports(state, answer, text)}"
    )


def _exports(state: PageState, answer: Answer, text: Words) -> str:
    """Return the links to files of the shown papers and of the best thousand.

    The shown papers are named by their ids, so that the file has these and no others. A text that is too long for an
    address has no link to the thousand.
    """
    shown = urlencode([("ids", paper.id) for paper in answer.results])
    lines = [(text("export.page"), f"?{shown}")]
    search = replace(state, offset=0).address()
    if len(search) <= LONGEST_SENT:
        lines.append((text("export.best"), f"{search}&all=1"))
    rows = "".join(
        f"<p><span>{escape(name)}</span> "
        + " ".join(f'<a href="export/{form}{escape(query)}">{label}</a>' for form, label in EXPORTS.items())
        + "</p>"
        for name, query in lines
    )
    title = escape(text("export.title"))
    return f'<details class="akin-export"><summary>{title}</summary>{rows}</details>'


def problem(error: RequestFailed, text: Words) -> str:
    """Return the explanation of a failed request and the next step."""
    kind = _kind(error)
    advice = ""
    if kind != "refused":
        advice = f"<p>{text.html('problem.again', advice=text.html(f'problem.{kind}_advice'))}</p>"
    title = escape(text(f"problem.{kind}"))
    return f'<section class="akin-problem"><h2>{title}</h2><p>{written_html(error.said, text)}</p>{advice}</section>'


def _kind(error: RequestFailed) -> str:
    if isinstance(error, RequestRefused):
        return "refused"
    if isinstance(error, NoAnswer):
        return "away"
    if isinstance(error, NothingIndexed):
        return "empty"
    return "busy" if isinstance(error, ServiceBusy) else "odd"


def notices(notes: Notes, text: Words) -> str:
    """Return the notes, one paragraph each."""
    return "".join(f'<p class="akin-notice">{written_html(each, text)}</p>' for each in notes)


def _range(answer: Answer, text: Words) -> str:
    found = len(answer.results)
    if not found:
        return text("status.nothing")
    first = answer.offset + 1
    return f"{first}–{answer.offset + found}" if found > 1 else text("status.result", number=first)


def _latency(answer: Answer, text: Words) -> str:
    total = answer.timings.get("total_ms")
    if total is None:
        return ""
    stages = "".join(
        f"<span>{escape(text(f'status.stages.{stage}'))} {text.decimal(_milliseconds(spent))}</span> "
        for stage in _STAGES
        if (spent := answer.timings.get(f"{stage}_ms")) is not None
    )
    time = escape(text("status.time", milliseconds=text.decimal(_milliseconds(total))))
    if not stages:
        return f'<span class="akin-latency">{time}</span>'
    title = escape(text("status.stages.title"))
    return (
        f'<details class="akin-latency"><summary title="{title}">{time}</summary> '
        f'<span class="akin-stages">{stages}</span></details>'
    )


def _milliseconds(spent: float) -> str:
    return f"{spent:.0f}" if spent >= 1 or spent == 0 else f"{spent:.1f}"


def _liked_papers(state: PageState, answer: Answer, text: Words) -> str:
    if not answer.query.like:
        return ""
    titles = _titles(answer.query.like)
    if answer.query.unlike:
        line = text.html("status.like_unlike", papers=titles, others=_titles(answer.query.unlike))
    else:
        line = text.html("status.like", papers=titles)
    home = escape(state.fresh().address() or "?")
    clear = f' <a class="akin-clear" data-akin-go href="{home}">{escape(text("status.clear"))}</a>'
    return f'<p class="akin-liked">{line}{clear if state.like else ""}</p>'


def _conditions(operators: tuple[str, ...]) -> str:
    """Return the conditions, with brackets around alternatives where there are several conditions."""
    if len(operators) == 1:
        return operators[0]
    return "   ".join(f"({each})" if " OR " in each and each[:4] != "NOT " else each for each in operators)


def _titles(papers: Iterable[LikedPaper]) -> str:
    return ", ".join(
        f'<cite class="akin-named{tex_class(paper.title)}">{escape(paper.title or paper.id)}</cite>' for paper in papers
    )


def _empty_results(state: PageState, text: Words) -> str:
    advice = escape(text("results.none_advice"))
    if state.offset:
        first = escape(replace(state, offset=0).address())
        advice = _advice("none_page", first, "first_page", text)
    elif state.has_filters:
        wider = escape(state.without_filters().address())
        advice = _advice("none_filters", wider, "without_filters", text)
    return f'<section class="akin-problem"><h2>{escape(text("results.none"))}</h2><p>{advice}</p></section>'


def _advice(reason: str, address: str, link: str, text: Words) -> str:
    reason, label = escape(text(f"results.{reason}")), escape(text(f"results.{link}"))
    return f'{reason} <a data-akin-go href="{address}">{label}</a>'


def _pages(state: PageState, answer: Answer, text: Words) -> str:
    links, end = [], ""
    if state.offset:
        links.append(_page("prev", state.previous_page(), f"← {text('results.previous')}"))
    if len(answer.results) < state.k or answer.next_cursor is None:
        end = _end(answer, text) if state.offset else ""
    elif (following := state.next_page()) is None:
        end = text("results.no_further")
    else:
        links.append(_page("next", following, f"{text('results.next')} →"))
    if end:
        links.append(f'<span class="akin-end">{escape(end)}</span>')
    label = escape(text("results.pages"))
    return f'<nav class="akin-pages" aria-label="{label}">{"".join(links)}</nav>' if links else ""


def _page(rel: str, state: PageState, label: str) -> str:
    look = "akin-page akin-next" if rel == "next" else "akin-page"
    return f'<a class="{look}" rel="{rel}" data-akin-go href="{escape(state.address())}">{escape(label)}</a>'


def _end(answer: Answer, text: Words) -> str:
    if answer.sort is None or answer.sort.complete or answer.sort.by not in SORTS_BY_FACT:
        return text("results.last")
    return text("results.last_best", papers=answer.sort.papers)
