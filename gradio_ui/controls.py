"""HTML of what stands beside the results and changes them. Every control is a link to another address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Final

from gradio_ui.answers import Answer, CategoryCount, Facets, Suggestion, YearCount
from gradio_ui.said import joined
from gradio_ui.state import DEFAULT_RESULTS, SORTS, SORTS_BY_FACT, PageState
from gradio_ui.words import Words

LONGEST_SENT: Final = 7_000
"""Characters of an address, as in page.js: servers and proxies refuse longer ones."""
_MOST_YEARS: Final = 60  # bars side by side; of a longer span, only the years with papers are shown
_MOST_CATEGORIES: Final = 10
_LEAST_BAR: Final = 0.06  # of the height, so that a bar can be seen and clicked


def toolbar(state: PageState, text: Words, *, cited: bool = False) -> str:
    """Return the choice of the order, and the switches that go with it.

    An order by a fact has no switches that change the order.

    Args:
        state: The search.
        text: The texts in the reader's language.
        cited: True if the citations of papers are known.
    """
    sorts = [sort for sort in SORTS if sort != "citations" or cited]
    links = "".join(_choice(state.sorted_by(sort), sort, text, is_on=sort == state.sort) for sort in sorts)
    if state.sort not in SORTS_BY_FACT:
        links += _choice(state.spread(not state.varied), "varied", text, is_on=state.varied)
        if cited or state.boosted:
            links += _choice(state.boost(not state.boosted), "boosted", text, is_on=state.boosted)
    if cited or state.chase:
        links += _choice(state.chasing(not state.chase), "chase", text, is_on=state.chase)
    label = escape(text("order.label"))
    return f'<nav class="akin-toolbar" aria-label="{label}"><span>{escape(text("order.sort"))}</span>{links}</nav>'


def feed_link(state: PageState, text: Words) -> str:
    """Return the link to the Atom feed of a search, which a feed reader follows; none for a long text."""
    search = replace(state, offset=0, k=DEFAULT_RESULTS).address()
    if len(search) > LONGEST_SENT:
        return ""
    address = escape(f"feed{search}")
    look = 'class="akin-follow" type="application/atom+xml" data-akin-feed'
    return f'<a {look} href="{address}" title="{escape(text("feed.info"))}">{escape(text("feed.follow"))}</a>'


def order_fact(answer: Answer, text: Words) -> str:
    """Return the order of an answer in words; empty for the order of relevance."""
    order = answer.sort
    if order is None:
        return ""
    which = text.count("order.all" if order.complete else "order.best", order.papers)
    facts = [text(f"order.{order.by}_of", which=which) if order.by in SORTS_BY_FACT and order.papers > 1 else which]
    if order.half_life is not None:
        facts.append(text("order.half_life", years=text.decimal(f"{order.half_life:g}")))
    if order.diversity:
        facts.append(text("order.spread"))
    if order.citation_boost:
        facts.append(text("order.with_citations"))
    return escape(", ".join(facts))


def offers(state: PageState, suggestions: Iterable[Suggestion], text: Words) -> str:
    """Return the conditions that the query may mean as links to their searches."""
    chips = ""
    for one in suggestions:
        sort = one.parameters.get("sort", state.sort)
        offered = replace(state, q=one.query, sort=sort if sort in SORTS else state.sort, offset=0)
        chips += _link(offered, joined(one.label, [one.coded] if one.coded else [], "", text), "akin-example")
    if not chips:
        return ""
    label, perhaps = escape(text("offers.label")), escape(text("offers.perhaps"))
    return f'<nav class="akin-examples akin-offers" aria-label="{label}"><span>{perhaps}</span>{chips}</nav>'


def facets(state: PageState, counted: Facets | None, names: Mapping[str, str], text: Words) -> str:
    """Return the years and the categories of the matches, with their numbers, as filters; folded on narrow screens.

    Args:
        state: The search.
        counted: The numbers; None if the service did not count.
        names: The names of categories by code.
        text: The texts in the reader's language.
    """
    if counted is None or not (counted.years or counted.categories or state.has_filters):
        return ""
    among = text.count("facets.all" if counted.complete else "facets.best", counted.papers)
    return (
        f'<details class="akin-facets"><summary>{escape(text("facets.title"))}</summary>'
        f"{_years(state, counted.years, text)}{_categories(state, counted.categories, names, text)}"
        f"<p>{escape(among)}</p></details>"
    )


def _years(state: PageState, counts: Sequence[YearCount], text: Words) -> str:
    known = {count.year: count.papers for count in counts}
    every = range(min(known), max(known) + 1) if known else range(0)
    years = every if len(every) <= _MOST_YEARS else sorted(known)
    most = max(known.values(), default=1)
    bars = "".join(_bar(state, year, known.get(year, 0), most, text) for year in years)
    ends = f'<span aria-hidden="true">{years[0]}</span><span aria-hidden="true">{years[-1]}</span>' if known else ""
    clear = ""
    if state.from_year is not None or state.to_year is not None:
        clear = _link(state.only_years(None, None), text("facets.all_years"), "akin-clear")
    label = escape(text("facets.years"))
    return (
        f'<nav class="akin-years" aria-label="{label}"><ol>{bars}</ol><div class="akin-ends">{ends}</div>{clear}</nav>'
        if bars or clear
        else ""
    )


def _bar(state: PageState, year: int, papers: int, most: int, text: Words) -> str:
    if not papers:
        return "<li></li>"
    words = escape(text.count("facets.year", papers, year=str(year)))
    return (
        f'<li><a data-akin-go href="{escape(state.only_years(year, year).address())}" title="{words}">'
        f'<span class="akin-bar" style="height:{max(papers / most, _LEAST_BAR):.0%}"></span>'
        f'<span class="akin-hidden">{words}</span></a></li>'
    )


def _categories(state: PageState, counts: Sequence[CategoryCount], names: Mapping[str, str], text: Words) -> str:
    removals = [
        _link(state.without_category(code), f"{code} ×", title=text("facets.without", category=names.get(code, code)))
        for code in state.categories
    ]
    chosen = "".join(f"<li>{link}</li>" for link in removals)
    others = ""
    for count in [count for count in counts if count.code not in state.categories][:_MOST_CATEGORIES]:
        title = text("facets.only", category=count.name or count.code)
        link = _link(state.only_category(count.code), count.code, title=title)
        others += f"<li>{link}<span>{text.number(count.papers)}</span></li>"
    if not (chosen or others):
        return ""
    label = escape(text("facets.categories"))
    return f'<nav class="akin-codes" aria-label="{label}"><ul>{chosen}{others}</ul></nav>'


def _link(state: PageState, label: str, look: str = "", *, title: str = "") -> str:
    more = "".join(f' {name}="{escape(value)}"' for name, value in (("class", look), ("title", title)) if value)
    return f'<a data-akin-go href="{escape(state.address())}"{more}>{escape(label)}</a>'


def _choice(state: PageState, name: str, text: Words, *, is_on: bool) -> str:
    label, title = escape(text(f"order.{name}")), escape(text(f"order.{name}_info"))
    current = ' aria-current="true"' if is_on else ""
    return f'<a class="akin-choice" data-akin-go href="{escape(state.address())}" title="{title}"{current}>{label}</a>'
