"""The lexical index in Milvus: BM25 over the terms that our analysis finds, with the snapshot's own as its fallback.

A paper is a sparse vector: for each of its terms what BM25 makes of its count and of the paper's length. A query is one
too: for each of its terms the weight times the inverse document frequency, which the snapshot's index knows. Their
inner product is the score that Tantivy gives. Milvus's BM25 function would not do: it counts each word of a query in
whole numbers, so that compounds and "unlike" lose their weights, and milvus-lite takes the frequency of a word from a
part of the collection.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from retrieval_service.adapters.milvus_collection import MOST, WORDS, MilvusCollection, best_within
from retrieval_service.adapters.milvus_filter import expression_of
from retrieval_service.adapters.tantivy_index import MOST_OF_TERM, TantivyIndex, is_scored
from retrieval_service.deadline import check_deadline
from retrieval_service.filter import Clause, Filter, clauses_of
from retrieval_service.ports import Hits, Match, RowSet

_K1, _B = 1.2, 0.75  # Tantivy's
_WITHOUT_TERMS = {0: 1.0}  # a vector must have an entry; no term has the number 0


def _kept_lengths() -> list[int]:
    """Return the lengths that Tantivy keeps in a byte: each is the floor of those up to the next."""
    lengths, step = list(range(41)), 2
    while len(lengths) < 256:
        lengths += [lengths[-1] + step * place for place in range(1, 9)]
        step *= 2
    return lengths[:256]


_LENGTHS = _kept_lengths()


def term_number(term: str) -> int:
    """Return the number of a term in sparse vectors: of 32 bits, so that few of millions of terms share one."""
    return 1 + zlib.crc32(term.encode()) % (2**32 - 3)


def paper_weights(terms: Sequence[str], mean_length: float) -> dict[int, float]:
    """Return the sparse vector of a paper.

    Args:
        terms: Its terms, each as often as it occurs.
        mean_length: Mean number of terms of a paper.
    """
    length = _LENGTHS[bisect_right(_LENGTHS, len(terms)) - 1]
    norm = _K1 * (1 - _B + _B * length / mean_length)
    found: dict[int, float] = {}
    for term, count in Counter(terms).items():
        number = term_number(term)
        found[number] = found.get(number, 0.0) + count / (count + norm) * (_K1 + 1)
    return found or _WITHOUT_TERMS


class MilvusWords:
    """A lexical index of which Milvus ranks the papers; the snapshot's own index does all else.

    The snapshot's index also ranks where a score has other parts than words: phrases, and words that a filter requires.
    """

    def __init__(self, main: TantivyIndex, collection: MilvusCollection) -> None:
        """Take the snapshot's index, and a collection that has the words of its papers."""
        self._main, self._collection = main, collection

    def __len__(self) -> int:
        """Return the number of papers."""
        return len(self._main)

    def search(
        self, text: str, k: int, *, against: tuple[str, float] = ("", 0.0), admitted: Filter | None = None
    ) -> Hits:
        """Return the k admitted rows of greatest score for a text."""
        check_deadline()
        wanted = admitted or Filter()
        clauses = [*wanted.clauses, *(clause for joined in wanted.joined for clause in clauses_of(joined))]
        weights = None if any(map(is_scored, clauses)) else self._main.plain_weights(text, against=against)
        if weights and 0 < k <= MOST:
            found = self._collection.answer(lambda: self._find(weights, k, wanted))
            if found is not None:
                return found._replace(bounds=(0.0, MOST_OF_TERM * sum(weights.values())))
        return self._main.search(text, k, against=against, admitted=admitted)

    def informative_terms(self, text: str, *, against: tuple[str, float] = ("", 0.0)) -> Mapping[str, float]:
        """Return the terms that a search for a text looks up, with what each adds to a score; the greatest first."""
        return self._main.informative_terms(text, against=against)

    def unknown_share(self, text: str) -> float | None:
        """Return the share of a text's terms that no paper has, each term counted once; None without a term."""
        return self._main.unknown_share(text)

    def find_terms(self, texts: Sequence[str], terms: Collection[str]) -> list[list[Match]]:
        """Return the places in each text of the words that have one of some terms, in the order of the text."""
        return self._main.find_terms(texts, terms)

    def plain_word(self, word: str) -> str:
        """Return a word as patterns match it: in small letters, accents folded, not stemmed."""
        return self._main.plain_word(word)

    def find_rows(self, clauses: Sequence[Clause]) -> NDArray[np.bool_]:
        """Return the rows that meet all of the clauses, bool [papers]."""
        return self._main.find_rows(clauses)

    def values_without_terms(self, clause: Clause) -> tuple[str | int, ...]:
        """Return those of a clause's values that say nothing, as they have no term: "!" or an empty text."""
        return self._main.values_without_terms(clause)

    def _find(self, weights: Mapping[str, float], k: int, wanted: Filter) -> Hits | None:
        """Return the best rows; None if Milvus cannot answer the filter, or is at another snapshot."""
        told = expression_of(wanted)
        if told is None:
            return None
        query: dict[int, float] = {}
        for term, weight in weights.items():
            number = term_number(term)
            query[number] = query.get(number, 0.0) + weight
        ask = partial(self._ask, query)
        condition, others = told
        if not others:
            return ask(k, condition)
        mask = self._main.find_rows(others)
        return best_within(ask, RowSet(mask, int(np.count_nonzero(mask))), k, condition, exact=True)

    def _ask(self, query: dict[int, float], k: int, condition: str) -> Hits | None:
        return self._collection.ask(WORDS, query, k, {}, condition)
