"""State of the page, and its form in the address bar.

`PageState` and the query part of the URL are equivalent, so that each search can be bookmarked, sent to a colleague or
opened in another tab. Addresses may be typed by hand or truncated, so reading one never fails: values that cannot be
used are left out, and a note names each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, urlencode

from gradio_ui.words import LANGUAGES, Note, note

MODES: Final = ("hybrid", "dense", "lexical")
WITHDRAWN: Final = ("include", "exclude")
SORTS: Final = ("relevance", "recent", "newest", "oldest", "citations")
SORTS_BY_FACT: Final = SORTS[2:]
"""Orders in which relevance only decides which papers are ordered; "citations" needs a corpus with references."""
MOST_RESULTS: Final = 100
DEFAULT_RESULTS: Final = 10
FURTHEST_OFFSET: Final = 1000
"""The largest offset that the service accepts."""
_MOST_FIELDS: Final = 200
_SHOWN_OF_A_BAD_VALUE: Final = 40
_DIRECTION: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")

Notes = tuple[Note | str, ...]
"""What a reader should know of the search; strings are texts of the service."""


@dataclass(frozen=True, slots=True)
class PageState:
    """One search with all its inputs.

    Attributes:
        q: Words, an abstract, or an arXiv id or link; stripped; empty when `like` is used.
        like: Ids of the papers to find similar ones to; empty when `q` is used.
        unlike: Ids of papers that results must not be similar to; empty without `like`.
        mode: One of `MODES`.
        categories: Category codes, any of which a paper must have; no code holds a comma.
        from_year: First year of publication, or None.
        to_year: Last year of publication, or None.
        withdrawn: One of `WITHDRAWN`: whether withdrawn papers are among the results.
        deep: True to have the best results reranked.
        sort: One of `SORTS`.
        varied: True to spread the results.
        boosted: True to have citations count beside relevance; it needs a corpus with references, as `chase` does.
        chase: True to show the papers that the best results cite or are cited by.
        k: Results a page, 1 to `MOST_RESULTS`.
        offset: Results skipped before this page.
        lang: The language that the address asks for, one of `LANGUAGES`; empty for that of the browser.
    """

    q: str = ""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    mode: str = "hybrid"
    categories: tuple[str, ...] = ()
    from_year: int | None = None
    to_year: int | None = None
    withdrawn: str = "include"
    deep: bool = False
    sort: str = SORTS[0]
    varied: bool = False
    boosted: bool = False
    chase: bool = False
    k: int = DEFAULT_RESULTS
    offset: int = 0
    lang: str = ""

    @property
    def has_query(self) -> bool:
        """True if there is something to search for."""
        return bool(self.q or self.like)

    @property
    def has_filters(self) -> bool:
        """True if a filter restricts the corpus."""
        return replace(self, offset=0) != self.without_filters()

    def address(self) -> str:
        """Return the query part of the URL with its `?`, without default values; empty if all values are defaults."""
        fields = [
            ("q", self.q or None),
            *(("like", paper_id) for paper_id in self.like),
            *(("unlike", paper_id) for paper_id in self.unlike),
            ("mode", None if self.mode == MODES[0] else self.mode),
            *(("categories", code) for code in self.categories),
            *(("from", self.from_year), ("to", self.to_year)),
            ("withdrawn", None if self.withdrawn == WITHDRAWN[0] else self.withdrawn),
            ("deep", "1" if self.deep else None),
            ("sort", None if self.sort == SORTS[0] else self.sort),
            ("varied", "1" if self.varied else None),
            ("boosted", "1" if self.boosted else None),
            ("chase", "1" if self.chase else None),
            ("k", None if self.k == DEFAULT_RESULTS else self.k),
            ("offset", self.offset or None),
            ("lang", self.lang or None),
        ]
        given = [(name, value) for name, value in fields if value is not None]
        return "?" + urlencode(given) if given else ""

    def fresh(self, q: str = "") -> PageState:
        """Return another search with default values, in the same language."""
        return PageState(q=q, lang=self.lang)

    def next_page(self) -> PageState | None:
        """Return the state of the page after this one; None if the service shows no later page."""
        offset = self.offset + self.k
        return replace(self, offset=offset) if offset <= FURTHEST_OFFSET else None

    def previous_page(self) -> PageState:
        """Return the state of the page before this one; for the first page, the same state."""
        return replace(self, offset=max(self.offset - self.k, 0))

    def similar_to(self, paper_id: str) -> PageState:
        """Return the search for papers similar to one paper, with the same filters and mode."""
        return replace(self, q="", like=(paper_id,), unlike=(), offset=0)

    def also_like(self, paper_id: str) -> PageState:
        """Return the search with one more paper to be similar to."""
        return replace(self, like=_distinct([*self.like, paper_id]), offset=0)

    def not_like(self, paper_id: str) -> PageState:
        """Return the search with one more paper to be dissimilar to."""
        return replace(self, unlike=_distinct([*self.unlike, paper_id]), offset=0)

    def sorted_by(self, sort: str) -> PageState:
        """Return the same search in another order, from its first page."""
        return replace(self, sort=sort, offset=0)

    def spread(self, varied: bool) -> PageState:
        """Return the same search with or without spread results, from its first page."""
        return replace(self, varied=varied, offset=0)

    def boost(self, boosted: bool) -> PageState:
        """Return the same search in which citations count or do not, from its first page."""
        return replace(self, boosted=boosted, offset=0)

    def chasing(self, chase: bool) -> PageState:
        """Return the same page of results with or without the papers that the best ones cite or are cited by."""
        return replace(self, chase=chase)

    def only_category(self, code: str) -> PageState:
        """Return the same search among the papers of one category, from its first page."""
        return replace(self, categories=_distinct(code.split(",")), offset=0)

    def without_category(self, code: str) -> PageState:
        """Return the same search without one of its categories, from its first page."""
        return replace(self, categories=tuple(each for each in self.categories if each != code), offset=0)

    def only_years(self, first: int | None, last: int | None) -> PageState:
        """Return the same search among the papers of some years, from its first page."""
        return replace(self, from_year=first, to_year=last, offset=0)

    def without_filters(self) -> PageState:
        """Return the same search over the whole corpus, from its first page."""
        return replace(self, categories=(), from_year=None, to_year=None, withdrawn=WITHDRAWN[0], offset=0)


def read_address(address: str) -> tuple[PageState, Notes]:
    """Read the query part of a URL, with or without its `?`; unknown names are ignored.

    Returns:
        The state, and a note to the user on each value that could not be used.
    """
    try:
        fields = parse_qsl(address.removeprefix("?"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return PageState(), (note("note.many_parts"),)
    last = dict(fields)
    return make_state(
        q=last.get("q", ""),
        like=[value for name, value in fields if name == "like"],
        unlike=[value for name, value in fields if name == "unlike"],
        mode=last.get("mode", MODES[0]),
        categories=[code for name, value in fields if name == "categories" for code in value.split(",")],
        from_year=last.get("from"),
        to_year=last.get("to"),
        withdrawn=last.get("withdrawn"),
        deep=_is_on(last.get("deep", "")),
        sort=last.get("sort"),
        varied=_is_on(last.get("varied", "")),
        boosted=_is_on(last.get("boosted", "")),
        chase=_is_on(last.get("chase", "")),
        k=last.get("k"),
        offset=last.get("offset"),
        lang=last.get("lang"),
    )


def make_state(
    *,
    q: str | None,
    like: Iterable[str] = (),
    unlike: Iterable[str] = (),
    mode: str | None = None,
    categories: Iterable[str] | None = (),
    from_year: str | float | None = None,
    to_year: str | float | None = None,
    withdrawn: str | None = None,
    deep: bool = False,
    sort: str | None = None,
    varied: bool = False,
    boosted: bool = False,
    chase: bool = False,
    k: str | float | None = None,
    offset: str | float | None = None,
    lang: str | None = None,
) -> tuple[PageState, Notes]:
    """Return the state of raw values from the address or the inputs; None and blank values mean the default.

    Returns:
        The state, and a note to the user on each value that could not be used.
    """
    notes: list[Note | str] = []
    text = _clean(q or "").strip()
    papers = _distinct(like)
    if text and papers:
        notes.append(note("note.query_and_paper"))
        papers = ()
    if mode not in MODES:
        if mode:
            notes.append(note("note.mode", value=_quote(mode)))
        mode = MODES[0]
    if withdrawn not in WITHDRAWN:
        if withdrawn:
            notes.append(note("note.withdrawn", value=_quote(withdrawn)))
        withdrawn = WITHDRAWN[0]
    if sort not in SORTS:
        if sort:
            notes.append(note("note.sort", value=_quote(sort)))
        sort = SORTS[0]
    first = _whole(from_year, "from_year", 1000, 9999, notes)
    last = _whole(to_year, "to_year", 1000, 9999, notes)
    if first is not None and last is not None and first > last:
        notes.append(note("note.years", first=str(last), last=str(first)))
        first, last = last, first
    state = PageState(
        q=text,
        like=papers,
        unlike=_distinct(unlike) if papers else (),
        mode=mode,
        categories=_distinct(code for value in categories or () for code in value.split(",")),
        from_year=first,
        to_year=last,
        withdrawn=withdrawn,
        deep=deep,
        sort=sort,
        varied=varied,
        boosted=boosted,
        chase=chase,
        k=_whole(k, "k", 1, MOST_RESULTS, notes) or DEFAULT_RESULTS,
        offset=_whole(offset, "offset", 0, FURTHEST_OFFSET, notes) or 0,
        lang=lang if lang in LANGUAGES else "",
    )
    return state, tuple(notes)


def _is_on(value: str) -> bool:
    return value.strip() not in ("", "0", "false")


def _whole(value: str | float | None, name: str, least: int, most: int, notes: list[Note | str]) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        number = least - 1
    if least <= number <= most:
        return number
    notes.append(note(f"note.{name}", value=_quote(str(value)), least=str(least), most=str(most)))
    return None


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    stripped = (_clean(value).strip() for value in values)
    return tuple(dict.fromkeys(value for value in stripped if value))


def _clean(text: str) -> str:
    # A JSON escape can produce a lone surrogate, which cannot be encoded in a URL. A pasted mark of the direction of
    # writing would turn what stands behind it, in the title and in lists.
    return _DIRECTION.sub("", text.encode("utf-8", "replace").decode("utf-8"))


def _quote(value: str) -> Note:
    value = _clean(value)
    return note(
        "note.quoted", value=value if len(value) <= _SHOWN_OF_A_BAD_VALUE else value[:_SHOWN_OF_A_BAD_VALUE] + "…"
    )
