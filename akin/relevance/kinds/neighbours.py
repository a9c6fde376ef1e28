"""Searches by an abstract for related papers, by evidence that the records themselves hold."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

from akin.papers import Paper, parse_arxiv_id
from akin.relevance.kinds.search import SHORTEST_PASSAGE, Pool, Search
from akin.relevance.kinds.words import content_words, same_text

_REPLY = re.compile(
    r"\W*(?:a\s)?(?:(?:comments?|remarks?|reply|replies|response|erratum|errata|corrigendum|addendum|corrections?|"
    r"discussion|rejoinder|rebuttal)\b(?:\s(?:on|to|of|and|for|the|paper|article|arxiv|erratum|remarks?)\b)*\W+)(.{10,})",
    re.IGNORECASE,
)
_PART = re.compile(
    r"(.{12,200}?)[\s.,:;(\[–—-]{1,4}(?:part\s|paper\s|no\.\s)?(i{1,3}|iv|vi{0,3}|ix|x|[1-9])(?!\w)(?:$|[\s.:,)\]–—-]+.*)",
    re.IGNORECASE,
)
_FEWEST_STEM_WORDS = 2
_ARXIV_ID = re.compile(r"(?<![\w./])(?:arxiv:)?(\d{4}\.\d{4,5}|[a-z-]{2,10}(?:\.[a-z]{2})?/\d{7})(?!\d)", re.IGNORECASE)
_MOST_PAPERS = 100
"""A name of more papers belongs to several people."""
_RARE = 500
"""A word is rare if at most one in so many titles has it, or five."""
_MOST_ANSWERS = 20

Pairs = dict[tuple[int, int], str]
"""Rule by which two papers belong together, by their places in the pool, the smaller one first."""


def neighbour_searches(pool: Pool, seed: int) -> Iterator[Search]:
    """Yield a search for each set of papers that belong together: an abstract, and the papers that belong to its paper.

    Of the papers that a chain of pairs connects, the one with most partners is the query (the first of them), its
    partners are the answers, and the remaining ones are left out of the corpus. The query's paper is not in the corpus.
    """
    del seed  # every set of papers gives one search
    partners: dict[int, set[int]] = defaultdict(set)
    for left, right in related_pairs(pool):
        partners[left].add(right)
        partners[right].add(left)
    for members in _connected(partners):
        fit = [place for place in members if len(pool.papers[place].abstract) >= SHORTEST_PASSAGE]
        if not fit:
            continue
        query = max(fit, key=lambda place: len(partners[place]))
        paper = pool.papers[query]
        answers = sorted(partners[query])
        if len(answers) > _MOST_ANSWERS:
            continue
        yield Search(
            paper,
            paper.abstract,
            None,
            tuple(pool.papers[place] for place in answers),
            tuple(pool.papers[place].id for place in members if place not in partners[query]),
        )


def related_pairs(pool: Pool) -> Pairs:
    """Return the pairs of papers that belong together, each with the first rule that says so.

    reply: a title is "Comment on", "Reply to", "Erratum" and the like, followed by the other title.
    series: two titles differ after a number ("… I: …", "… II: …"), and the papers share an author.
    cites: an abstract names the arXiv id of the other paper.
    authors: two papers share an author and three rare words of their titles, or two authors and two rare words; a word
    is rare if at most one in 500 titles has it, or five.

    Near-duplicates are no pairs.
    """
    found: Pairs = {}
    for rule in (_replies, _series, _citations, _same_authors):
        for left, right in rule(pool):
            pair = (min(left, right), max(left, right))
            one, other = (pool.papers[place].id for place in pair)
            if pair not in found and left != right and pool.duplicates[one] != pool.duplicates[other]:
                found[pair] = rule.__name__.strip("_")
    return found


def _replies(pool: Pool) -> Iterator[tuple[int, int]]:
    titles: dict[str, list[int]] = defaultdict(list)
    for place, paper in enumerate(pool.papers):
        titles[same_text(paper.title)].append(place)
    for place, paper in enumerate(pool.papers):
        if match := _REPLY.fullmatch(paper.title):
            original = titles.get(same_text(match[1]), [])
            if len(original) == 1:
                yield place, original[0]


def _series(pool: Pool) -> Iterator[tuple[int, int]]:
    series: dict[str, dict[str, int]] = defaultdict(dict)
    for place, paper in enumerate(pool.papers):
        match = _PART.fullmatch(paper.title)
        if match and len(content_words(match[1])) >= _FEWEST_STEM_WORDS:
            series[same_text(match[1])].setdefault(match[2].casefold(), place)
    names = [_names(paper) for paper in pool.papers]
    for parts in series.values():
        for left, right in combinations(parts.values(), 2):
            if names[left] & names[right]:
                yield left, right


def _citations(pool: Pool) -> Iterator[tuple[int, int]]:
    places = {paper.id: place for place, paper in enumerate(pool.papers)}
    for place, paper in enumerate(pool.papers):
        for cited in map(parse_arxiv_id, _ARXIV_ID.findall(paper.abstract)):
            if cited and cited.id in places:
                yield place, places[cited.id]


def _same_authors(pool: Pool) -> Iterator[tuple[int, int]]:
    most = max(5, len(pool.papers) // _RARE)
    rare = [{word for word in words if pool.title_counts[word] <= most} for words in pool.title_words]
    papers_of: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, paper in enumerate(pool.papers):
        for name in _names(paper):
            papers_of[name].append(place)
    authors: Counter[tuple[int, int]] = Counter()
    for places in papers_of.values():
        if len(places) <= _MOST_PAPERS:
            authors.update(pair for pair in combinations(places, 2) if len(rare[pair[0]] & rare[pair[1]]) >= 2)
    for (left, right), shared in authors.items():
        if shared + len(rare[left] & rare[right]) >= 4:
            yield left, right


def _names(paper: Paper) -> set[tuple[str, str]]:
    """Return family name and initial of each author."""
    return {
        (author.family.casefold(), author.given[0].casefold())
        for author in paper.authors
        if author.given and not author.collaboration
    }


def _connected(partners: dict[int, set[int]]) -> Iterator[list[int]]:
    seen: set[int] = set()
    for start in partners:
        if start in seen:
            continue
        members, waiting = [], [start]
        seen.add(start)
        while waiting:
            place = waiting.pop()
            members.append(place)
            waiting += partners[place] - seen
            seen |= partners[place]
        yield sorted(members)
