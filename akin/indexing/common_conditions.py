"""Choose the conditions that get a bitmap (`retrieval_service.adapters.common_rows`), from a sample of the papers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from retrieval_service.adapters.common_rows import Condition

FieldTerms = tuple[str, tuple[str, ...]]
"""A field of a paper with all of its terms, in order."""

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


def likely_conditions(sample: Sequence[Sequence[FieldTerms]], papers: int) -> list[Condition]:
    """Return the conditions that enough papers of a sample meet to have a bitmap, the most common first.

    Args:
        sample: The fields of each paper. A field may come several times.
        papers: The number of papers that the sample was taken of.
    """
    found: list[tuple[int, Condition]] = []
    common: set[FieldTerms] = set()
    for length in range(1, _LONGEST_PHRASE + 1):
        counts: Counter[FieldTerms] = Counter()
        for fields in sample:
            counts.update({phrase for field in fields for phrase in _phrases(field, length, common)})
        least, in_phrase = (
            max(2.0, _CHANCE * len(sample) * min_papers(papers, words) / max(papers, 1))
            for words in (length, length + 1)
        )
        found += [(count, (name, tuple(enumerate(terms)))) for (name, terms), count in counts.items() if count >= least]
        common = {phrase for phrase, count in counts.items() if count >= in_phrase}
        if not common:
            break
    found.sort(key=lambda counted: (-counted[0], counted[1]))
    return [condition for _, condition in found[:_MOST]]


def _phrases(field: FieldTerms, length: int, common: set[FieldTerms]) -> Iterator[FieldTerms]:
    """Yield the phrases of a length in a field whose beginning and end, one term shorter, are common."""
    name, terms = field
    for phrase in zip(*(terms[at:] for at in range(length)), strict=False):
        if length == 1 or ((name, phrase[:-1]) in common and (name, phrase[1:]) in common):
            yield name, phrase
