"""Rank by learned weights of words instead of BM25, in a lexical index that was built with such weights.

A model gives each paper weights for words, also for words that it does not have. A paper's score is the sum of its
weights for the words of the query; no model reads the query. Weights are rounded to `LEVELS` steps. The index has a
term for each bit of a step that is set, and a search adds the bits up, so that Tantivy's filters, deletions and merges
hold for them as for words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from tantivy import Query, Schema, Searcher

from retrieval_service.errors import SnapshotInvalid

FIELD = "learned"
LEARNED = "learned.json"
_BITS = 8
LEVELS = (1 << _BITS) - 1
"""Step of the greatest weight; 0 is no weight."""


class Learned(msgspec.Struct, frozen=True):
    """Record of the weights that an index was built with, in its file `LEARNED`.

    Attributes:
        greatest: the greatest weight of all.
        source: name of the file of weights.
        sha256: digest of that file.
    """

    greatest: float
    source: str
    sha256: str


def read_learned(directory: Path) -> Learned | None:
    """Return the record of an index's learned weights; None if it ranks by BM25.

    Raises:
        SnapshotInvalid: The file is damaged.
    """
    path = directory / LEARNED
    try:
        return msgspec.json.decode(path.read_bytes(), type=Learned)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise SnapshotInvalid(path, f"cannot be read ({error})") from error


def bit_terms(word: str, level: int) -> Iterator[str]:
    """Yield the terms of a word's weight, a step from 1 to `LEVELS`."""
    return (_term(word, bit) for bit in range(_BITS) if level >> bit & 1)


class LearnedWords:
    """The learned weights of an opened index."""

    def __init__(self, learned: Learned, schema: Schema, searcher: Searcher) -> None:
        """Take the index's record, schema and searcher."""
        self._greatest = learned.greatest
        self._schema = schema
        self._searcher = searcher

    def queries(self, words: Mapping[str, float]) -> tuple[list[Query], float]:
        """Return queries whose scores add up to the sum of a paper's weights, and the greatest possible sum.

        Args:
            words: the query's words, as the index's analyzer makes them, each with its factor.
        """
        found: list[Query] = []
        greatest = 0.0
        for word, factor in words.items():
            bits = [bit for bit in range(_BITS) if self._searcher.doc_freq(FIELD, _term(word, bit))]
            for bit in bits:
                query = Query.term_query(self._schema, FIELD, _term(word, bit), "basic")
                found.append(Query.const_score_query(query, factor * self._greatest / LEVELS * (1 << bit)))
            if bits:
                greatest += factor * self._greatest
        return found, greatest


def _term(word: str, bit: int) -> str:
    return f"{word} {bit}"
