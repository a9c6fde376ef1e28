"""The catalogue: the papers and the columns that filters read, in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.papers import Author, Paper
from akin.papers.authors import listed_authors
from akin.papers.publication import Publication
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.filter import CATALOGUE_FIELDS, Clause, Field, Filter
from retrieval_service.ports import Rows, RowSet

DAY_TYPE, ROW_TYPE = np.dtype("<i4"), np.dtype("<u4")
DOI_INDEX = "CREATE INDEX IF NOT EXISTS paper_doi ON paper (lower(doi)) WHERE doi IS NOT NULL"
"""Statement for the index of DOIs; catalogues of earlier releases have none."""

_FILTERS_KEPT = 16
_CATEGORIES_KEPT = 256  # more than arXiv has; each is kept as a bit for each paper
_MOST_PARAMETERS = 900  # old builds of SQLite take at most 999

_codes = msgspec.json.Decoder(tuple[str, ...]).decode
_publication = msgspec.json.Decoder(Publication).decode
_divided = msgspec.json.Decoder(tuple[Author, ...]).decode


class SqliteCatalogue:
    """A catalogue opened for reading; any number of threads may use it.

    Attributes:
        snapshot_id: The id of the snapshot that the catalogue was written for.
        categories: Every category in the corpus with the number of its papers, the largest first.
        span: The days of the oldest and of the newest paper.
        days: The day of each row as an ordinal, int32 [papers]; 0 for a paper without a date.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            SnapshotInvalid: The file is not a catalogue, or is damaged.
        """
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        try:
            about = dict(self._db.execute("SELECT name, value FROM about"))
            counts = self._db.execute("SELECT code, papers FROM category ORDER BY papers DESC, code").fetchall()
            self.snapshot_id = str(about["snapshot"])
            self._count = int(about["papers"])
            self.days = np.frombuffer(about["days"], DAY_TYPE)
            self._withdrawn = np.zeros(self._count, np.bool_)
            self._withdrawn[np.frombuffer(about.get("withdrawn", b""), ROW_TYPE)] = True
            self._has_dois = "paper_doi" in {name for _, name, *_ in self._db.execute("PRAGMA index_list(paper)")}
        except (sqlite3.Error, KeyError, IndexError, ValueError, TypeError) as error:
            self.close()
            raise SnapshotInvalid(path, f"is not a catalogue that can be read ({error})") from error
        if len(self.days) != self._count:
            self.close()
            raise SnapshotInvalid(path, f"has {len(self.days)} days for {self._count} papers")
        self.categories: Mapping[str, int] = MappingProxyType(dict(counts))
        self._names = tuple(self.categories)
        self.span = _span(self.days)
        self._matching = lru_cache(_FILTERS_KEPT)(self._match)
        self._bits = lru_cache(_CATEGORIES_KEPT)(self._read_bits)

    def __len__(self) -> int:
        """Return the number of papers."""
        return self._count

    def ids(self) -> list[str]:
        """Return the id of each row."""
        return [name for (name,) in self._db.execute("SELECT id FROM paper ORDER BY row")]

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of the ids that the corpus has."""
        return rows_of(self._db, ids)

    def rows_by_doi(self, dois: Sequence[str]) -> dict[str, int]:
        """Return the rows of the papers that have one of some bare DOIs, by DOI; none in an earlier catalogue."""
        if not self._has_dois:
            return {}
        statement = "SELECT min(row) FROM paper WHERE doi IS NOT NULL AND lower(doi) = lower(?)"
        found = {doi: self._db.execute(statement, (doi,)).fetchone()[0] for doi in dict.fromkeys(dois)}
        return {doi: row for doi, row in found.items() if row is not None}

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        """Return the papers of some rows, in the order of the rows."""
        return papers_of(self._db, rows)

    def texts(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """Return title and abstract of some rows, in the order of the rows, with one statement."""
        marks = ",".join("?" * len(rows))
        found = self._db.execute(f"SELECT row, title, abstract FROM paper WHERE row IN ({marks})", list(map(int, rows)))
        texts = {row: (title, abstract) for row, title, abstract in found}
        return [texts[row] for row in rows]

    def count_categories_of(self, rows: Rows) -> dict[str, int]:
        """Return the number of papers in each category, of some rows."""
        ends, codes = self._categories_of_rows
        lengths = ends[rows + 1] - ends[rows]
        places = np.repeat(ends[rows + 1] - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
        counts = np.bincount(codes[places])
        return {self._names[number]: int(counts[number]) for number in np.flatnonzero(counts)}

    def count_categories(self, within: RowSet) -> dict[str, int]:
        """Return the number of a set's papers in each category of the corpus."""
        bits = np.packbits(within.mask)
        return {code: int(np.bitwise_count(bits & self._bits(code)).sum()) for code in self.categories}

    def find_rows(self, wanted: Filter) -> RowSet:
        """Return the rows that meet a filter's days and clauses on `CATALOGUE_FIELDS`; the last results are cached."""
        return self._matching(wanted)

    def close(self) -> None:
        """Close every thread's connection; nothing may be read afterwards."""
        while self._connections:
            self._connections.pop().close()

    def _match(self, wanted: Filter) -> RowSet:
        mask = np.ones(self._count, np.bool_)
        for clause in wanted.clauses:
            if clause.field in CATALOGUE_FIELDS:
                mask &= self._rows_with_any_value(clause) != clause.excluded
        if wanted.first or wanted.last:
            mask &= self._rows_between((wanted.first or date.min).toordinal(), (wanted.last or date.max).toordinal())
        asked = all(clause.field in CATALOGUE_FIELDS for clause in wanted.clauses) and not wanted.joined
        return RowSet(mask, int(np.count_nonzero(mask)), wanted if asked else None)

    def _rows_with_any_value(self, clause: Clause) -> NDArray[np.bool_]:
        if clause.field is Field.WITHDRAWN:
            return self._withdrawn
        if clause.field is Field.ROW:
            mask = np.zeros(self._count, np.bool_)
            mask[list(map(int, clause.values))] = True
            return mask
        if clause.field is Field.DAY:
            first, last = map(int, clause.values)
            return self._rows_between(first, last)
        bits = np.zeros(-(-self._count // 8), np.uint8)
        for code in clause.values:
            bits |= self._bits(str(code))
        return np.unpackbits(bits, count=self._count).view(np.bool_)

    def _rows_between(self, first: int, last: int) -> NDArray[np.bool_]:
        mask = self.days >= first
        mask &= self.days <= last
        return mask

    @cached_property
    def _categories_of_rows(self) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
        """Beginning and end of each row's categories in an array, and that array of numbers in `_names`.

        They take about 8 bytes a paper.
        """
        stored = dict(self._db.execute("SELECT code, rows FROM category"))
        having = [np.frombuffer(stored[code], ROW_TYPE) for code in self._names]
        rows = np.concatenate([np.empty(0, ROW_TYPE), *having])
        codes = np.repeat(np.arange(len(having), dtype=np.uint16), list(map(len, having)))
        ends = np.zeros(self._count + 1, np.int32)
        np.cumsum(np.bincount(rows, minlength=self._count), out=ends[1:])
        return ends, codes[np.argsort(rows, kind="stable")]

    def _read_bits(self, code: str) -> NDArray[np.uint8]:
        """Return the rows that have a category, a bit each."""
        mask = np.zeros(self._count, np.bool_)
        for (rows,) in self._db.execute("SELECT rows FROM category WHERE code = ?", (code,)):
            mask[np.frombuffer(rows, ROW_TYPE)] = True
        return np.packbits(mask)

    @property
    def _db(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # A published catalogue never changes, so `immutable` makes SQLite skip its locks.
            address = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._local.connection = connection
            self._connections.append(connection)
        return connection


def newest_day(path: Path) -> date | None:
    """Return the day of the newest paper in a catalogue; None if no paper has a day.

    Raises:
        SnapshotInvalid: The file is not a catalogue, or is damaged.
    """
    catalogue = SqliteCatalogue(path)
    catalogue.close()
    return catalogue.span[1]


def rows_of(db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return the rows of the ids that are in a catalogue."""
    found: dict[str, int] = {}
    for at in range(0, len(ids), _MOST_PARAMETERS):
        some = list(ids[at : at + _MOST_PARAMETERS])
        found.update(db.execute(f"SELECT id, row FROM paper WHERE id IN ({','.join('?' * len(some))})", some))
    return found


def papers_of(db: sqlite3.Connection, rows: Sequence[int]) -> list[Paper]:
    """Return the papers of some rows, in the order of the rows, with one statement."""
    if not rows:
        return []
    marks = ",".join("?" * len(rows))
    found = db.execute(f"SELECT * FROM paper WHERE row IN ({marks})", list(map(int, rows)))
    papers = {record[0]: _paper(*record[1:]) for record in found}
    return [papers[row] for row in rows]


def _paper(*fields: Any) -> Paper:
    # Catalogues of earlier releases lack the last columns.
    paper_id, title, abstract, authors, categories, published, updated, doi, journal_ref, versions, *added = fields
    comments, withdrawn, authors_parsed, publication = (*added, None)[:4] if added else (None, False, False, None)
    return Paper(
        *(paper_id, title, abstract, _authors(authors), _codes(categories)),
        *(published and date.fromisoformat(published), updated and date.fromisoformat(updated)),
        *(doi, journal_ref, versions, comments),
        withdrawn=bool(withdrawn),
        authors_parsed=bool(authors_parsed),
        publication=_publication(publication) if publication else msgspec.UNSET,
    )


def _authors(stored: str) -> tuple[Author, ...]:
    # Catalogues of earlier releases hold names that are not divided.
    return listed_authors(_codes(stored)) if stored.startswith('["') else _divided(stored)


def _span(days: NDArray[np.int32]) -> tuple[date | None, date | None]:
    known = days[days > 0]
    if not len(known):
        return None, None
    return date.fromordinal(int(known.min())), date.fromordinal(int(known.max()))
