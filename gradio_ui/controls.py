"""HTML of what stands beside the results and changes them. Every control is a link to another address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Final

from gradio_ui.answers import Answer, CategoryCount, Facets, Suggestion, YearCount
from gradio_ui.state import SORTS, SORTS_BY_DATE, PageState

_ORDERS: Final = {
    "relevance": ("Relevance", "the best matches first"),
    "recent": ("Recent", "by relevance, with a taste for the new: a score halves every three years"),
    "newest": ("Newest", "the best matches, the newest first"),
    "oldest": ("Oldest", "the best matches, the oldest first"),
}
_VARIED: Final = "results that differ from each other come earlier"
_MOST_YEARS: Final = 60  # bars side by side; of a longer span, only the years with papers are shown
_MOST_CATEGORIES: Final = 10
_LEAST_BAR: Final = 0.06  # of the height, so that a bar can be seen and clicked


def toolbar(state: PageState) -> str:
    """Return the choice of the order, and the switch that spreads results, which an order by date has not."""
    links = "".join(_choice(state.sorted_by(sort), *_ORDERS[sort], is_on=sort == state.sort) for sort in SORTS)
    if state.sort not in SORTS_BY_DATE:
        links += _choice(state.spread(not state.varied), "Varied", _VARIED, is_on=state.varied)
    return f'<nav class="akin-toolbar" aria-label="Order of the results"><span>Sort</span>{links}</nav>'


def order_fact(answer: Answer) -> str:
    """Return the order of an answer in words; empty for the order of relevance."""
    order = answer.sort
    if order is None:
        return ""
    which = f"{'all' if order.complete else 'the'} {order.papers:,} {'' if order.complete else 'best '}matches"
    facts = [which] if order.by in (SORTS[0], SORTS[1]) else [f"{order.by} of {which}"]
    if order.half_life is not None:
        facts.append(f"a score halves every {order.half_life:g} years")
    if order.diversity:
        facts.append("spread")
    return escape(", ".join(facts))


def offers(state: PageState, suggestions: Iterable[Suggestion]) -> str:
    """Return the conditions that the query may mean as links to their searches."""
    chips = ""
    for one in suggestions:
        sort = one.parameters.get("sort", state.sort)
        offered = replace(state, q=one.query, sort=sort if sort in SORTS else state.sort, offset=0)
        chips += _link(offered, one.label, "akin-example")
    if not chips:
        return ""
    return f'<nav class="akin-examples akin-offers" aria-label="Narrow the search"><span>Perhaps</span>{chips}</nav>'


def facets(state: PageState, counted: Facets | None, names: Mapping[str, str]) -> str:
    """Return the years and the categories of the matches, with their numbers, as filters; folded on narrow screens.

    Args:
        state: The search.
        counted: The numbers; None if the service did not count.
        names: The names of categories by code.
    """
    if counted is None or not (counted.years or counted.categories or state.has_filters):
        return ""
    which = "all" if counted.complete else "the best"
    return (
        '<details class="akin-facets"><summary>Years and categories</summary>'
        f"{_years(state, counted.years)}{_categories(state, counted.categories, names)}"
        f"<p>Counted among {which} {counted.papers:,} matches.</p></details>"
    )


def _years(state: PageState, counts: Sequence[YearCount]) -> str:
    known = {count.year: count.papers for count in counts}
    every = range(min(known), max(known) + 1) if known else range(0)
    years = every if len(every) <= _MOST_YEARS else sorted(known)
    most = max(known.values(), default=1)
    bars = "".join(_bar(state, year, known.get(year, 0), most) for year in years)
    ends = f'<span aria-hidden="true">{years[0]}</span><span aria-hidden="true">{years[-1]}</span>' if known else ""
    clear = ""
    if state.from_year is not None or state.to_year is not None:
        clear = f"{_link(state.only_years(None, None), 'All years', 'akin-clear')}"
    return (
        f'<nav class="akin-years" aria-label="Years"><ol>{bars}</ol><div class="akin-ends">{ends}</div>{clear}</nav>'
        if bars or clear
        else ""
    )


def _bar(state: PageState, year: int, papers: int, most: int) -> str:
    if not papers:
        return "<li></li>"
    words = f"{year}: {papers:,} paper{'' if papers == 1 else 's'}"
    return (
        f'<li><a data-akin-go href="{escape(state.only_years(year, year).address())}" title="{words}">'
        f'<span class="akin-bar" style="height:{max(papers / most, _LEAST_BAR):.0%}"></span>'
        f'<span class="akin-hidden">{words}</span></a></li>'
    )


def _categories(state: PageState, counts: Sequence[CategoryCount], names: Mapping[str, str]) -> str:
    removals = [
        _link(state.without_category(code), f"{code} ×", title=f"Without the filter {names.get(code, code)}")
        for code in state.categories
    ]
    chosen = "".join(f"<li>{link}</li>" for link in removals)
    others = "".join(
        f"<li>{_link(state.only_category(count.code), count.code, title=f'Only {count.name or count.code}')}"
        f"<span>{count.papers:,}</span></li>"
        for count in [count for count in counts if count.code not in state.categories][:_MOST_CATEGORIES]
    )
    if not (chosen or others):
        return ""
    return f'<nav class="akin-codes" aria-label="Categories of the matches"><ul>{chosen}{others}</ul></nav>'


def _link(state: PageState, label: str, look: str = "", *, title: str = "") -> str:
    more = "".join(f' {name}="{escape(value)}"' for name, value in (("class", look), ("title", title)) if value)
    return f'<a data-akin-go href="{escape(state.address())}"{more}>{escape(label)}</a>'


def _choice(state: PageState, label: str, title: str, *, is_on: bool) -> str:
    current = ' aria-current="true"' if is_on else ""
    return f'<a class="akin-choice" data-akin-go href="{escape(state.address())}" title="{title}"{current}>{label}</a>'
