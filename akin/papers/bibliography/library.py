"""Papers of a library: an id for each entry, and one paper for the entries of the same work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import msgspec

from akin.papers.bibliography.entry import BrokenEntry, Entry, clean_key
from akin.papers.categories import CATEGORIES
from akin.papers.paper import Paper
from akin.papers.publication import Publication
from akin.papers.readers.report import Flaw, Joined, Reason, flaw
from akin.papers.titles import title_key, title_words
from akin.papers.withdrawn import is_withdrawn

_MOST_KEYWORDS = 300
"""Keywords of a library that become categories, the most frequent ones: the page offers every category."""

_LEAST_TITLE = 12
"""Letters and digits of a title that shows a work; shorter ones ("Preface") are those of many works."""


def library_papers(entries: Iterable[Entry | BrokenEntry]) -> Iterator[tuple[int, Paper | Flaw | Joined]]:
    """Yield the papers of a library and its flaws, each with its line, in the order of the library.

    A paper's id is its arXiv id, otherwise its DOI in small letters, otherwise its citation key; without a key, the
    family name of the first author, the year and a word of the title. The second work with the same id gets `-2`.

    Entries are of one work if they have the same arXiv id or DOI, or the same title, first author and year. The first
    one is the paper, and the others add what it lacks.
    """
    works: list[Entry] = []
    others: list[tuple[int, Flaw | Joined]] = []
    places: dict[str, int] = {}
    for entry in entries:
        if isinstance(entry, BrokenEntry):
            found = flaw(Reason.BROKEN_ENTRY, entry.text, entry.key, entry.detail, guessed=entry.key is not None)
            others.append((entry.line, found))
            continue
        if not entry.title and not entry.abstract:
            key = entry.publication.key
            others.append((entry.line, flaw(Reason.NO_TEXT, key, _id_of(entry) or None)))
            continue
        marks = list(_marks(entry))
        place = next((places[mark] for mark in marks if mark in places and _may_join(works[places[mark]], entry)), None)
        if place is None:
            place = len(works)
            works.append(entry)
        else:
            others.append((entry.line, Joined(works[place].line)))
            works[place] = _join(works[place], entry)
        for mark in marks:
            places.setdefault(mark, place)
    keywords = _categories(works)
    papers = [(work.line, _paper(paper_id, work, keywords)) for paper_id, work in _with_ids(works)]
    yield from sorted([*papers, *others], key=lambda each: each[0])


def _marks(entry: Entry) -> Iterator[str]:
    """Yield what shows that two entries are of one work."""
    if entry.arxiv_id:
        yield f"arxiv {entry.arxiv_id}"
    if entry.doi:
        yield f"doi {entry.doi.lower()}"
    title = title_key(entry.title)
    if len(title) >= _LEAST_TITLE and entry.authors and entry.year:
        yield f"title {title} {title_key(entry.authors[0].family)} {entry.year}"


def _may_join(one: Entry, other: Entry) -> bool:
    """Return False if two entries that have a mark in common are of different works nevertheless.

    Chapters often have the DOI of their book.
    """
    if one.arxiv_id and other.arxiv_id:
        return one.arxiv_id == other.arxiv_id
    if one.doi and other.doi and one.doi.lower() != other.doi.lower():
        return False
    titles = title_key(one.title), title_key(other.title)
    return not all(titles) or titles[0].startswith(titles[1]) or titles[1].startswith(titles[0])


def _join(one: Entry, other: Entry) -> Entry:
    """Return an entry with what it lacks from another one of the same work; its key stays."""
    first, second = one.publication, other.publication
    if not first.venue and second.venue:
        first, second = second, first
    fields = {name: getattr(first, name) or getattr(second, name) for name in Publication.__struct_fields__}
    fields |= {"key": one.publication.key or other.publication.key, "kind": first.kind, "edited": first.edited}
    return msgspec.structs.replace(
        one,
        title=one.title or other.title,
        abstract=one.abstract or other.abstract,
        authors=one.authors or other.authors,
        arxiv_id=one.arxiv_id or other.arxiv_id,
        doi=one.doi or other.doi,
        keywords=tuple(dict.fromkeys((*one.keywords, *other.keywords))),
        publication=Publication(**fields),
    )


def _id_of(entry: Entry) -> str:
    if entry.arxiv_id:
        return entry.arxiv_id
    if entry.doi:
        return entry.doi.lower()
    if entry.publication.key:
        return entry.publication.key
    author = title_key(entry.authors[0].family) if entry.authors else ""
    word = next((word for word in title_words(entry.title or entry.abstract) if len(word) > 3), "")
    return clean_key(f"{author}{entry.year or ''}{word}") or "paper"


def _with_ids(works: Sequence[Entry]) -> Iterator[tuple[str, Entry]]:
    used: set[str] = set()
    further: Counter[str] = Counter()
    for work in works:
        paper_id = base = _id_of(work)
        while paper_id in used:
            further[base] += 1
            paper_id = f"{base}-{further[base] + 1}"
        used.add(paper_id)
        yield paper_id, work


def _categories(works: Iterable[Entry]) -> dict[str, str]:
    """Return the spelling of each keyword that becomes a category, by the keyword in small letters."""
    counts: Counter[str] = Counter()
    spellings: dict[str, str] = {}
    for work in works:
        for keyword in work.keywords:
            if keyword not in CATEGORIES:
                counts[keyword.casefold()] += 1
                spellings.setdefault(keyword.casefold(), keyword)
    return {keyword: spellings[keyword] for keyword, _ in counts.most_common(_MOST_KEYWORDS)}


def _paper(paper_id: str, entry: Entry, keywords: dict[str, str]) -> Paper:
    publication = entry.publication
    known = (word if word in CATEGORIES else keywords.get(word.casefold()) for word in entry.keywords)
    return Paper(
        id=paper_id,
        title=entry.title,
        abstract=entry.abstract,
        authors=entry.authors,
        categories=tuple(dict.fromkeys(word for word in known if word)),
        published=_day(publication.date),
        doi=entry.doi,
        journal_ref=publication.reference or None,
        withdrawn=is_withdrawn(entry.title, entry.abstract, None),
        authors_parsed=bool(entry.authors),
        publication=publication,
    )


def _day(parts: tuple[int, ...]) -> date | None:
    if not parts:
        return None
    year, month, day = (*parts, 1, 1)[:3]
    try:
        return date(year, month, day)
    except ValueError:  # 31 June
        return date(year, month, 1)
