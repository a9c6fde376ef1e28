"""HTML of what stands beside the results and changes them: the order. Every control is a link to another address."""

from __future__ import annotations

from html import escape
from typing import Final

from gradio_ui.answers import Answer
from gradio_ui.state import SORTS, PageState

_ORDERS: Final = {
    "relevance": ("Relevance", "the best matches first"),
    "recent": ("Recent", "by relevance, with a taste for the new: a score halves every three years"),
    "newest": ("Newest", "the best matches, the newest first"),
    "oldest": ("Oldest", "the best matches, the oldest first"),
}


def toolbar(state: PageState) -> str:
    """Return the choice of the order."""
    links = "".join(_choice(state.sorted_by(sort), *_ORDERS[sort], is_on=sort == state.sort) for sort in SORTS)
    return f'<nav class="akin-toolbar" aria-label="Order of the results"><span>Sort</span>{links}</nav>'


def order_fact(answer: Answer) -> str:
    """Return the order of an answer in words; empty for the order of relevance."""
    order = answer.sort
    if order is None:
        return ""
    which = f"{'all' if order.complete else 'the'} {order.papers:,} {'' if order.complete else 'best '}matches"
    if order.half_life is not None:
        return f"{which}, a score halves every {order.half_life:g} years"
    return f"{escape(order.by)} of {which}"


def _choice(state: PageState, label: str, title: str, *, is_on: bool) -> str:
    current = ' aria-current="true"' if is_on else ""
    return f'<a class="akin-choice" data-akin-go href="{escape(state.address())}" title="{title}"{current}>{label}</a>'
