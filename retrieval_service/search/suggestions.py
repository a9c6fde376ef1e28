"""Offer conditions for constraints that a query states in plain words: "since 2022", "by Hinton", "in cs.LG".

They are offered only: the query is searched as it is. Each is a query in the query language, so that it works wherever
a query does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from retrieval_service.filter import Clause, Field
from retrieval_service.ports import Corpus
from retrieval_service.search.answer import Suggestion
from retrieval_service.search.operators import parse_query
from retrieval_service.search.planner import SearchPlan
from retrieval_service.search.request import SearchRequest, Sort
from retrieval_service.search.sentences import Sentence, sentence

MOST_WORDS = 12
"""Words. A longer query is a title or a text, in which such words seldom are constraints."""

_LONGEST = 300  # characters, above which a query has no conditions
_MOST = 5
_YEAR = r"((?:19|20)[0-9][0-9])"
_SPAN = re.compile(rf"\b(?:(?:from|between|in|of)\s+)?{_YEAR}\s*(?:-|\u2013|to|and|until)\s*{_YEAR}\b", re.IGNORECASE)
_SINCE = re.compile(
    rf"\b(?:since|after|from|starting\s+(?:in|from))\s+{_YEAR}\b(?!\s*(?:-|\u2013|to\b))", re.IGNORECASE
)
_BEFORE = re.compile(rf"\bbefore\s+{_YEAR}\b", re.IGNORECASE)
_UNTIL = re.compile(rf"\b(?:until|till|up\s+to)\s+{_YEAR}\b", re.IGNORECASE)
_IN = re.compile(rf"(?:\b(?:in|during)\s+{_YEAR}\b|(?<=\s){_YEAR}\s*$)(?!\s*[-\u2013])", re.IGNORECASE)
_LAST = re.compile(r"\b(?:in\s+|of\s+|from\s+)?(?:the\s+)?(?:last|past)\s+([0-9]{1,2})\s+years\b", re.IGNORECASE)
_NAME = r"[^\W\d_][^\W\d_.'\u2019-]*(?:[.'\u2019-]+[^\W\d_]+)*\.?"
_BY = re.compile(rf"\bby\s+({_NAME}(?:\s+{_NAME}){{0,2}})", re.IGNORECASE)
_ET_AL = re.compile(rf"\b({_NAME})\s+et\.?\s+al\b\.?", re.IGNORECASE)
_CODE = re.compile(r"(?<![\w.:])(?:in\s+)?([a-z][a-z-]+\.[a-z][a-z-]+)(?![\w.])", re.IGNORECASE)
_NEWEST = re.compile(r"\b(?:the\s+)?(?:latest|newest|most\s+recent)\b", re.IGNORECASE)
_FILLER = re.compile(
    r"(?:papers?|articles?|works?|publications?|research|on|about|of|in|the|and|[\W_])*+", re.IGNORECASE
)


@dataclass(frozen=True)
class _Found:
    """A constraint, its place in the query, and the condition and the order that mean the same."""

    label: Sentence
    place: tuple[int, int]
    condition: str = ""
    sort: Sort | None = None


def suggestions(request: SearchRequest, plan: SearchPlan, corpus: Corpus) -> list[Suggestion]:
    """Return the conditions to offer for a query; none for an abstract, for papers, and for more than twelve words."""
    text = request.text or ""
    if request.abstract is not None or not request.operators or not plan.words or len(text) > _LONGEST:
        return []
    if len(text.split()) > MOST_WORDS:
        return []
    found = []
    for one in (*_years(text, corpus), *_authors(text, corpus), *_categories(text, corpus), *_orders(text)):
        start, end = one.place
        # What is within a condition is no longer among the words, or is within a phrase.
        if text[start:end].strip() in plan.words and text.count('"', 0, start) % 2 == 0:
            offered = _offer(text, one)
            if not one.condition or _acts(offered.query, one.condition):
                found.append(offered)
    return found[:_MOST]


def _acts(query: str, condition: str) -> bool:
    """Return True if a query has a condition of its own: it has none if it is too long, or ends with `NOT` or `OR`."""
    return condition in (operator.text for operator in parse_query(query).operators)


def _offer(text: str, found: _Found) -> Suggestion:
    start, end = found.place
    rest = " ".join(f"{text[:start]} {text[end:]}".split())
    if _FILLER.fullmatch(rest) and found.condition:
        rest = ""
    query = " ".join(filter(None, [rest, found.condition]))
    offered = Suggestion(label=str(found.label), coded=found.label.coded(), query=query)
    if found.sort is not None:
        offered.parameters = {"sort": found.sort.value}
    return offered


def _years(text: str, corpus: Corpus) -> Iterator[_Found]:
    """Yield the first constraint on years."""
    newest = corpus.catalogue.span[1]
    ways: list[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[Sentence, str] | None]]] = [
        (_SPAN, lambda years: _span(*sorted((years[1], years[2])))),
        (_SINCE, lambda year: _year("since", year[1])),
        (_BEFORE, lambda year: _year("before", year[1])),
        (_UNTIL, lambda year: _year("until", year[1])),
        (_IN, lambda year: (sentence("offer_in_year", year=year[1] or year[2]), f"year:{year[1] or year[2]}")),
        (_LAST, lambda count: _since_last(int(count[1]), newest.year) if newest else None),
    ]
    for pattern, offer in ways:
        match = pattern.search(text)
        if match and (offered := offer(match)):
            yield _Found(offered[0], match.span(), offered[1])
            return


def _year(field: str, year: str) -> tuple[Sentence, str]:
    return sentence(f"offer_{field}", year=year), f"{field}:{year}"


def _span(first: str, last: str) -> tuple[Sentence, str]:
    return sentence("offer_span", first=first, last=last), f"year:{first}-{last}"


def _since_last(count: int, newest: int) -> tuple[Sentence, str] | None:
    return _year("since", str(newest - count)) if count else None


def _authors(text: str, corpus: Corpus) -> Iterator[_Found]:
    """Yield the longest name behind "by", or before "et al.", of which the corpus has an author."""
    for match in (_BY.search(text), _ET_AL.search(text)):
        if match is None:
            continue
        words = list(re.finditer(r"\S+", match[1]))
        for count in range(len(words), 0, -1):
            name = match[1][: words[count - 1].end()].rstrip(".")
            if name and bool(corpus.lexical.find_rows([Clause(Field.AUTHOR, (name,))]).any()):
                is_whole = count == len(words)
                end = match.end() if is_whole else match.start(1) + words[count - 1].end()
                yield _Found(sentence("offer_by", name=name), (match.start(), end), f'au:"{name}"')
                return


def _categories(text: str, corpus: Corpus) -> Iterator[_Found]:
    codes = {code.lower(): code for code in corpus.catalogue.categories}
    for match in _CODE.finditer(text):
        if code := codes.get(match[1].lower()):
            yield _Found(sentence("offer_in", name=code), match.span(), f"cat:{code}")
            return


def _orders(text: str) -> Iterator[_Found]:
    if match := _NEWEST.search(text):
        yield _Found(sentence("offer_newest"), match.span(), sort=Sort.NEWEST)
