"""In-memory implementations of the ports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from akin.papers import Paper
from retrieval_service.adapters.word_forms import WordForms
from retrieval_service.errors import Unavailable
from retrieval_service.filter import Field, Filter, day_of
from retrieval_service.ports import EmbeddingBatch, EncoderIdentity, Hits, RowSet, TextRole
from retrieval_service.search.engine import SearchEngine
from retrieval_service.search.fusion import min_max


class ListCatalogue:
    """A catalogue of the papers in a list."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self.all = list(papers)
        self.fetches = 0

    @property
    def categories(self) -> Mapping[str, int]:
        codes = [code for paper in self.all for code in paper.categories]
        return {code: codes.count(code) for code in codes}

    @property
    def span(self) -> tuple[date | None, date | None]:
        return None, None

    def __len__(self) -> int:
        return len(self.all)

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        return {paper.id: row for row, paper in enumerate(self.all) if paper.id in ids}

    def rows_by_doi(self, dois: Sequence[str]) -> dict[str, int]:
        return {doi: row for row, paper in enumerate(self.all) for doi in dois if doi == paper.doi}

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        self.fetches += 1
        return [self.all[row] for row in rows]

    def texts(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        return [(self.all[row].title, self.all[row].abstract) for row in rows]

    def count_categories_of(self, rows: Any) -> dict[str, int]:
        return self.count_categories(RowSet(np.isin(np.arange(len(self.all)), rows), len(rows)))

    def count_categories(self, within: RowSet) -> dict[str, int]:
        return {
            code: sum(
                code in paper.categories for paper, admitted in zip(self.all, within.mask, strict=True) if admitted
            )
            for code in self.categories
        }

    @property
    def days(self) -> Any:
        days = [day_of(paper) for paper in self.all]
        return np.asarray([day.toordinal() if day else 0 for day in days], np.int32)

    def find_rows(self, wanted: Filter) -> RowSet:
        mask = np.asarray(
            [
                all(
                    bool(set(clause.values) & {*paper.categories, row}) != clause.excluded
                    for clause in wanted.clauses
                    if clause.field in (Field.CATEGORY, Field.ROW)
                )
                and (wanted.first is None or (day_of(paper) or date.min) >= wanted.first)
                for row, paper in enumerate(self.all)
            ]
        )
        return RowSet(mask, int(mask.sum()))


class Scripted:
    """An index, vector or lexical, that returns given scores and records its calls."""

    dim = 2

    def __init__(self, scores: Mapping[int, float]) -> None:
        self.scores = scores
        self.asked: list[tuple[Any, int]] = []
        self.more: list[dict[str, Any]] = []
        self.meeting: set[int] = set()

    def __len__(self) -> int:
        return len(self.scores)

    def search(self, what: Any, k: int, **more: Any) -> Hits:
        self.asked.append((what, k))
        self.more.append(more)
        best = sorted(self.scores.items(), key=lambda item: -item[1])[:k]
        return Hits(np.asarray([row for row, _ in best], np.int64), np.asarray([s for _, s in best], np.float32))

    def vectors(self, rows: Sequence[int]) -> Any:
        """Return unit vectors, ten degrees apart."""
        angles = np.radians(10.0 * np.asarray(rows, np.float32))
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def informative_terms(self, text: str, *, against: tuple[str, float] = ("", 0.0)) -> dict[str, float]:
        """Return the words of a text, each with the information 1."""
        return dict.fromkeys((term for word in text.split() for term in self.terms_of(word)), 1.0)

    def terms_of(self, word: str) -> tuple[str, ...]:
        """Return the word in small letters without a final s; none for "the"."""
        return () if word.lower() == "the" else (word.lower().strip(".").removesuffix("s"),)

    def find_terms(self, texts: Sequence[str], terms: Any) -> Any:
        return WordForms(self.terms_of).find(texts, terms)

    def plain_word(self, word: str) -> str:
        return word.lower()

    def find_rows(self, clauses: Sequence[Any]) -> Any:
        return np.asarray([row in self.meeting for row in range(6)])

    def values_without_terms(self, clause: Any) -> tuple[str, ...]:
        return tuple(value for value in clause.values if not str(value).isascii())


class Corpus:
    """A corpus for the engine."""

    def __init__(self, papers: Sequence[Paper], dense: Mapping[int, float], lexical: Mapping[int, float]) -> None:
        self.catalogue = ListCatalogue(papers)
        self.vectors = Scripted(dense)
        self.lexical = Scripted(lexical)
        self.covered = None
        self.references: Any = None
        self.manifest = SimpleNamespace(id="snapshot", encoder=SimpleNamespace(version=1, digest="d"))
        self.trouble: Unavailable | None = None
        self.embedded: list[str] = []
        self.embedded_papers: list[list[str]] = []
        self.roles: list[TextRole] = []
        self.sentences: list[list[str]] = []

    async def embed(self, text: str, role: TextRole = "query") -> tuple[EmbeddingBatch, EncoderIdentity]:
        if self.trouble is not None:
            raise self.trouble
        self.embedded.append(text)
        self.roles.append(role)
        tokens = np.asarray([len(text.split())], np.int32)
        return EmbeddingBatch(np.asarray([[1.0, 0.0]], np.float32), tokens), EncoderIdentity(1, "d", 2, max_length=5)

    async def embed_papers(self, texts: Sequence[str]) -> Any:
        """Return the vector (1, 0) for each text, and record the texts as one call."""
        if self.trouble is not None:
            raise self.trouble
        self.embedded_papers.append(list(texts))
        return np.tile(np.asarray([[1.0, 0.0]], np.float32), (len(texts), 1))

    async def embed_sentences(self, texts: Sequence[str]) -> Any:
        """Return a vector near to the query's for sentences with an exclamation mark only."""
        if self.trouble is not None:
            raise self.trouble
        self.sentences.append(list(texts))
        return np.asarray([[1.0, 0.0] if "!" in text else [0.0, 1.0] for text in texts], np.float32)


@pytest.fixture
def fakes() -> SimpleNamespace:
    papers = [
        Paper(f"2001.0000{n}", f"Title {n}", f"Abstract {n}", categories=("cs.LG",) if n % 2 else ("hep-th",))
        for n in range(1, 7)
    ]
    return SimpleNamespace(papers=papers, Corpus=Corpus, ListCatalogue=ListCatalogue)


@pytest.fixture
def engine() -> Any:
    with ThreadPoolExecutor(2) as executor:
        yield SearchEngine(executor, min_max, 100)
