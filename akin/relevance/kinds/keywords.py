"""Searches by a few keywords: those that the authors gave, or the rarest words of a title."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from random import Random

from akin.papers import Paper
from akin.relevance.kinds.search import SHORTEST_PASSAGE, Pool, Search
from akin.relevance.kinds.words import content_words, same_text, singular

_GIVEN = re.compile(
    r"(?:\\textit\{|\\textbf\{|\\emph\{|\\)?\b(?:key ?-?words?(?: and phrases)?|index terms)\}?"
    r"\s*[:—–-]+\s*+([^\n]{5,400})$",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[,;·•]|\s[-–—]\s|\\and\b")
_MOST_GIVEN = 4
_LONGEST_GIVEN = 5  # words of one keyword
_FEWEST, _USUAL, _MOST = 2, 3, 4
_MOST_HOLDERS = 5
_USED = 20_000


def keyword_searches(pool: Pool, seed: int) -> Iterator[Search]:
    """Yield a search for each paper that a few keywords tell from nearly all others.

    The query is the authors' own first four keywords if the abstract ends with a list of them, which is then taken out
    of the passage. Otherwise it is three or four words of the title (drawn; two where there are no more): the rarest
    that at least one in 20,000 papers uses (two at least; rarer ones are names and misspellings), in the title's order,
    without adverbs and participles. The passage is then the abstract without the title, as nobody's keywords are all
    in the paper; it has one of them at least. A word and its plural count as one.

    A paper is left out if more than five others hold all the words. Every paper that holds all of them in its title is
    relevant too; other holders are left out of the corpus.
    """
    forms = [title | abstract for title, abstract in zip(pool.title_forms, pool.abstract_forms, strict=True)]
    counts = Counter(form for held in forms for form in held)
    fewest = max(2, len(pool.papers) // _USED)
    random = Random(seed)
    chosen: dict[int, tuple[str, frozenset[str]]] = {}
    for place, paper in enumerate(pool.papers):
        size = random.randint(_USUAL, _MOST)
        if len(paper.abstract) < SHORTEST_PASSAGE:
            continue
        query = (_given_keywords(paper) or (_rarest(pool, place, counts, size, fewest), ""))[0]
        words = frozenset(map(singular, content_words(query)))
        if len(words) >= _FEWEST:
            chosen[place] = query, words
    holders = _holders(forms, {words for _, words in chosen.values()})
    seen: set[frozenset[str]] = set()
    for place, (query, words) in chosen.items():
        others = [other for other in holders[words] if other != place]
        if len(others) > _MOST_HOLDERS or words in seen:
            continue
        seen.add(words)
        paper = pool.papers[place]
        given = _given_keywords(paper)
        related = [other for other in others if words <= pool.title_forms[other]]
        yield Search(
            paper,
            query,
            (paper.title, given[1]) if given else ("", paper.abstract),
            tuple(pool.papers[other] for other in related),
            tuple(pool.papers[other].id for other in others if other not in related),
        )


def _given_keywords(paper: Paper) -> tuple[str, str] | None:
    """Return the authors' first keywords and the abstract without the list; None if the abstract ends without one."""
    match = _GIVEN.search(paper.abstract)
    if match is None or match.start() < SHORTEST_PASSAGE:
        return None
    keywords = [" ".join(part.strip(" .{}$\\").split()) for part in _BETWEEN.split(match[1])]
    keywords = [part for part in keywords if part and len(part.split()) <= _LONGEST_GIVEN and "\\" not in part]
    query = " ".join(dict.fromkeys(keywords[:_MOST_GIVEN]))
    if len(keywords) < _FEWEST or same_text(query) == same_text(paper.title):
        return None
    return query, paper.abstract[: match.start()].rstrip()


def _rarest(pool: Pool, place: int, counts: Counter[str], size: int, fewest: int) -> str:
    words = [word for word in pool.title_words[place] if not word.endswith(("ly", "ed"))]
    used = [word for word in words if counts[singular(word)] >= fewest]
    rarest = set(sorted(used, key=lambda word: counts[singular(word)])[:size])
    if not pool.abstract_forms[place].intersection(map(singular, rarest)):
        return ""
    return " ".join(word for word in words if word in rarest)


def _holders(forms: list[frozenset[str]], chosen: Collection[frozenset[str]]) -> dict[frozenset[str], list[int]]:
    """Return the places of the papers that hold all words of a set, for each set of words."""
    places: dict[str, set[int]] = defaultdict(set)
    needed = frozenset().union(*chosen)
    for place, held in enumerate(forms):
        for word in held & needed:
            places[word].add(place)
    return {words: sorted(set.intersection(*sorted((places[word] for word in words), key=len))) for words in chosen}
