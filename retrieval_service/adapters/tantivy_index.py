"""The lexical index: BM25 with Tantivy over title and abstract, within a filter.

Ranking uses one field, `text`, that holds title and abstract together, as that ranks better than the sum of two. Title
and abstract are indexed once more, with the positions of their words, for filters.
`akin.indexing.lexical_writer` writes the index.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tantivy import Index, Occur, Order, Query

from retrieval_service.adapters.common_rows import CommonRows
from retrieval_service.adapters.compounds import LONGEST_RANKED, WEIGHT, CompoundSpellings
from retrieval_service.adapters.english import ENGLISH, EVERY_WORD, english_analyzer, word_analyzer
from retrieval_service.adapters.joined_queries import joined_query
from retrieval_service.adapters.learned_words import LearnedWords, read_learned
from retrieval_service.adapters.spellings import find_compounds, pair_letters
from retrieval_service.adapters.tantivy_filter import ClauseQueries, ClauseRows, best_of_queries
from retrieval_service.adapters.tex import to_plain_text
from retrieval_service.adapters.word_forms import WordForms
from retrieval_service.deadline import check_deadline
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.filter import Clause, Field, Filter, clauses_of
from retrieval_service.ports import Hits, Match

_FIELDS = ("title", "abstract")
_QUERIES_KEPT = 16  # whose terms are looked up once for ranking and for highlights
_LEAST_TERMS = 6  # used at any cost: a short question has as many
# A query that reads more entries than `_CHEAP_POSTINGS` takes several milliseconds. From there on a term is used only
# until the terms carry this share of the query's information.
_CHEAP_POSTINGS, _ENOUGH = 500_000, 0.95
MOST_OF_TERM = 2.2
"""What Tantivy's BM25 multiplies the inverse document frequency by at most: its k1 of 1.2, plus 1."""

LOCK_FILES = frozenset({".tantivy-writer.lock", ".tantivy-meta.lock"})
"""Empty files that Tantivy makes in the directory of an index that is written or opened."""


class TantivyIndex:
    """A lexical index opened for searching."""

    def __init__(self, directory: Path, *, terms: int = 64, postings: int = 3_000_000) -> None:
        """Open the index.

        Args:
            directory: The index's directory.
            terms: The most terms that a query looks up.
            postings: The most entries that a query reads, in all its terms together.

        Raises:
            SnapshotInvalid: The directory has no lexical index, or a damaged one.
        """
        index = open_index(directory)
        self._index = index
        self._searcher = index.searcher()
        self._schema = index.schema
        self._analyzer = english_analyzer()
        self._compounds = CompoundSpellings(self._searcher)
        learned = read_learned(directory)
        self._learned = LearnedWords(learned, self._schema, self._searcher) if learned else None
        self._clauses = ClauseQueries(index.schema, self._searcher)
        self._rows = ClauseRows(self._searcher, index.schema, self._clauses, CommonRows(directory))
        self._forms = WordForms(self._terms_of)
        self._weights = lru_cache(_QUERIES_KEPT)(self._weigh)
        self._terms = terms
        self._postings = postings

    @property
    def learned(self) -> bool:
        """Return True if words are ranked by learned weights."""
        return self._learned is not None

    def __len__(self) -> int:
        """Return the number of papers."""
        return int(self._searcher.num_docs)

    def search(
        self, text: str, k: int, *, against: tuple[str, float] = ("", 0.0), admitted: Filter | None = None
    ) -> Hits:
        """Return the k admitted rows of greatest score for a text: BM25, or the sum of learned weights."""
        check_deadline()
        admitted = admitted or Filter()
        ranking, greatest = self._ranking(text, against)
        # BM25 of a filter's words has another scale than learned weights.
        words_count = self._learned is None or not ranking
        scored: list[tuple[Occur, Query]] = []
        silent: list[tuple[Occur, Query]] = []
        for clause in admitted.clauses:
            query = self._clauses.query(clause)
            if query is not None and words_count and is_scored(clause):
                scored.append((Occur.Must, query))
            elif query is not None:
                occur = Occur.MustNot if clause.excluded else Occur.Must
                silent.append((occur, Query.const_score_query(query, 0.0)))
        for joined in admitted.joined:
            query = joined_query(self._clauses, joined)
            if words_count and any(map(is_scored, clauses_of(joined))):
                scored.append((Occur.Must, query))
            else:
                silent.append((Occur.Must, Query.const_score_query(query, 0.0)))
        if days := self._clauses.days(admitted):
            silent.append((Occur.Must, Query.const_score_query(days, 0.0)))
        if k <= 0 or not (ranking or scored or (silent and not text.strip())):
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        if not (ranking or scored):
            return self._newest([*silent, (Occur.Must, Query.all_query())], k)
        parts = [*scored, *silent]
        if ranking:
            terms = Query.boolean_query([(Occur.Should, query) for query in ranking])
            if not parts:
                return self._best(terms, k, greatest)
            parts.append((Occur.Should if scored else Occur.Must, terms))
        return self._best(Query.boolean_query(parts), k, greatest)

    def informative_terms(self, text: str, *, against: tuple[str, float] = ("", 0.0)) -> dict[str, float]:
        """Return the terms that a search for a text looks up, with what each adds to a score; the greatest first."""
        return {term: information for term, _, information in self._weights(text, against)}

    def plain_weights(self, text: str, *, against: tuple[str, float] = ("", 0.0)) -> dict[str, float] | None:
        """Return what each term adds to a score; None if a score for this text has other parts too.

        These are phrases, for words that papers write as two, and learned weights.
        """
        if self._learned is not None or self._open_compounds(text):
            return None
        return self.informative_terms(text, against=against)

    def mean_length(self, term: str) -> float:
        """Return the mean number of terms of a paper, as BM25 takes it; some paper has this term.

        Tantivy tells it only in the explanation of a score.
        """
        query = self._term(term, 1.0)
        ((_, address),) = self._searcher.search(query, 1, count=False).hits
        parts = [json.loads(query.explain(self._searcher, address).to_json())]
        while not parts[-1]["description"].startswith("avgdl"):
            parts += parts.pop().get("details", [])
        return float(parts[-1]["value"])

    def unknown_share(self, text: str) -> float | None:
        """Return the share of a text's terms that no paper has, each term counted once; None without a term."""
        terms = set(self._analyzer.analyze(pair_letters(to_plain_text(text))))
        return sum(not self._searcher.doc_freq("text", term) for term in terms) / len(terms) if terms else None

    def find_terms(self, texts: Sequence[str], terms: Collection[str]) -> list[list[Match]]:
        """Return the places in each text of the words that have one of some terms, in the order of the text."""
        return self._forms.find(texts, terms)

    def plain_word(self, word: str) -> str:
        """Return a word as patterns match it: in small letters, accents folded, not stemmed."""
        return self._clauses.plain_word(word)

    def find_rows(self, clauses: Sequence[Clause]) -> NDArray[np.bool_]:
        """Return the rows that meet all of the clauses, bool [papers].

        Raises:
            DeadlineExceeded: The deadline has passed.
        """
        return self._rows.find_rows(clauses)

    def values_without_terms(self, clause: Clause) -> tuple[str | int, ...]:
        """Return those of a clause's values that say nothing, as they have no term: "!" or an empty text."""
        return self._clauses.values_without_terms(clause)

    def _terms_of(self, word: str) -> tuple[str, ...]:
        return tuple(self._analyzer.analyze(pair_letters(to_plain_text(word))))

    def _ranking(self, text: str, against: tuple[str, float]) -> tuple[list[Query], float]:
        """Return the queries whose scores add up to a paper's score for a text, and the greatest possible sum."""
        if self._learned is not None:
            words = {term: min(count, 1.0) for term, count in self._counts(text, against).items()}
            rarest = sorted(words, key=lambda term: int(self._searcher.doc_freq("text", term)))[: self._terms]
            return self._learned.queries({term: words[term] for term in rarest})
        weights = self._weights(text, against)
        ranking = [self._term(term, weight) for term, weight, _ in weights]
        ranking += self._open_compounds(text)
        return ranking, MOST_OF_TERM * sum(information for *_, information in weights)

    def _best(self, query: Query, k: int, greatest: float) -> Hits:
        hits = self._searcher.search(query, k, count=False).hits
        rows = np.asarray(self._searcher.fast_field_values("row", [address for _, address in hits]), np.int64)
        scores = np.asarray([score for score, _ in hits], np.float32)
        order = np.lexsort((rows, -scores))
        return Hits(rows[order], scores[order], (0.0, greatest))

    def _newest(self, parts: Sequence[tuple[Occur, Query]], k: int) -> Hits:
        """Return the newest rows, for a filter without words to rank by."""
        query = Query.boolean_query(list(parts))
        hits = self._searcher.search(query, k, count=False, order_by_field="day", order=Order.Desc).hits
        rows = np.asarray(self._searcher.fast_field_values("row", [address for _, address in hits]), np.int64)
        return Hits(rows, np.ones(len(rows), np.float32))

    def _weigh(self, text: str, against: tuple[str, float]) -> list[tuple[str, float, float]]:
        """Return the query's most informative terms, each with its count in the query and its information.

        The information of a term is what it adds to the score of a paper that has it: its count in the query times its
        inverse document frequency in BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework"). Its
        cost is the number of papers that have it, as each is an entry to read.
        """
        papers = len(self)
        informative: list[tuple[float, str, float, int]] = []
        for term, count in self._counts(text, against).items():
            if having := self._searcher.doc_freq("text", term):
                rarity = log(1 + (papers - having + 0.5) / (having + 0.5))
                informative.append((-count * rarity, term, float(count), having))
        informative.sort()
        enough = _ENOUGH * sum(information for information, *_ in informative)
        chosen: list[tuple[str, float, float]] = []
        read, known = 0, 0.0
        for information, term, weight, having in informative:
            fits = read + having <= self._postings and (read + having <= _CHEAP_POSTINGS or known > enough)
            if len(chosen) < _LEAST_TERMS or (fits and len(chosen) < self._terms):
                chosen.append((term, weight, -information))
                read += having
                known += information
        return chosen

    def _counts(self, text: str, against: tuple[str, float]) -> dict[str, float]:
        plain = to_plain_text(text)
        counts = self._term_counts(plain, *self._compounds.joined_pairs(plain))
        unwanted, weight = against
        if not unwanted:
            return counts
        for term, count in self._term_counts(to_plain_text(unwanted)).items():
            counts[term] = counts.get(term, 0.0) - weight * count
        return {term: count for term, count in counts.items() if count > 0}

    def _term_counts(self, plain: str, *joined: str) -> dict[str, float]:
        """Return the count of each term of a plain text; compounds as one word, and joined words, count `WEIGHT`."""
        counts: dict[str, float] = dict(Counter(self._analyzer.analyze(pair_letters(plain))))
        for term in self._analyzer.analyze(" ".join([*find_compounds(plain).joined, *joined])):
            counts.setdefault(term, WEIGHT)
        return counts

    def _open_compounds(self, text: str) -> list[Query]:
        """Return a query for each word of a short text that papers write as two words."""
        if text.count(" ") > LONGEST_RANKED:
            return []
        found = []
        for terms in self._compounds.open_phrases(to_plain_text(text)):
            phrases = [Query.phrase_query(self._schema, field, list(terms)) for field in _FIELDS]
            found.append(Query.boost_query(best_of_queries(phrases), WEIGHT))
        return found

    def _term(self, term: str, weight: float) -> Query:
        query = Query.term_query(self._schema, "text", term, "freq")
        return query if weight == 1 else Query.boost_query(query, weight)


def open_index(directory: Path) -> Index:
    """Return the Tantivy index in a directory, without a watcher for commits.

    Raises:
        SnapshotInvalid: The directory has no lexical index, or a damaged one.
    """
    try:
        index = Index.open(str(directory))
        register_analyzers(index)
        index.config_reader("manual")
        index.reload()
    except (ValueError, OSError) as error:
        raise SnapshotInvalid(directory, f"is not a lexical index that can be read ({error})") from error
    return index


def register_analyzers(index: Index) -> None:
    """Give an index the analyzers that its fields name."""
    index.register_tokenizer(ENGLISH, english_analyzer())
    index.register_tokenizer(EVERY_WORD, word_analyzer())


def is_scored(clause: Clause) -> bool:
    """Return True if a clause adds to the score: one that requires words does."""
    return not clause.excluded and clause.field in (Field.TITLE, Field.ABSTRACT, Field.ANYWHERE)
