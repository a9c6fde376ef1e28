"""Choose the conditions that get a bitmap (`retrieval_service.adapters.common_rows`), from a sample of the papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from retrieval_service.adapters.common_rows import Condition, Terms

FEWEST = 5_000
"""Papers. A condition that at most so many meet has no bitmap, however small the corpus."""

SHARE = 1 / 32
"""Share of all papers that must have a term. Many terms reach a smaller share."""

SHARE_OF_PHRASES = 1 / 256
"""Share of all papers that must have a phrase. Few phrases reach it, and a phrase takes longer to search for."""

SAMPLED = 8_000
"""Papers in the sample."""

_CHANCE = 0.75  # a sample may contain less of a condition than its share of the papers
_MOST = 4_096  # conditions
_LONGEST_PHRASE = 4


def min_papers(papers: int, words: int = 1) -> int:
    """Return the least number of papers that must meet a condition of so many words for it to have a bitmap."""
    return max(FEWEST, round((SHARE if words == 1 else SHARE_OF_PHRASES) * papers))


def likely_conditions(sample: Sequence[Sequence[Condition]], papers: int) -> list[Condition]:
    """Return the conditions that enough papers of a sample meet to have a bitmap, the most common first.

    Args:
        sample: The fields of each paper: all terms in order, each with its place. A field may come several times.
        papers: The number of papers that the sample was taken of.
    """
    found: list[tuple[int, Condition]] = []
    common: set[Condition] = set()
    for length in range(1, _LONGEST_PHRASE + 1):
        counts: Counter[Condition] = Counter()
        for fields in sample:
            counts.update({phrase for field in fields for phrase in _phrases(field, length, common)})
        least, in_phrase = (
            max(2.0, _CHANCE * len(sample) * min_papers(papers, words) / max(papers, 1))
            for words in (length, length + 1)
        )
        found += [(count, condition) for condition, count in counts.items() if count >= least]
        common = {condition for condition, count in counts.items() if count >= in_phrase}
        if not common:
            break
    found.sort(key=lambda counted: (-counted[0], counted[1]))
    return [condition for _, condition in found[:_MOST]]


def _phrases(field: Condition, length: int, common: set[Condition]) -> Iterator[Condition]:
    """Yield the phrases of a length in a field whose beginning and end, one term shorter, are common."""
    name, terms = field
    for at in range(len(terms) - length + 1):
        part = terms[at : at + length]
        if length == 1 or (_condition(name, part[:-1]) in common and _condition(name, part[1:]) in common):
            yield _condition(name, part)


def _condition(name: str, terms: Terms) -> Condition:
    return name, tuple((place - terms[0][0], term) for place, term in terms)
