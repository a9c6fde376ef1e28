"""The catalogue: the papers themselves and the columns filters go by, in one SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from papers import Paper
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Clause, Field, Filter, RowSet, day_of

# Filter columns are kept as whole arrays: a filter becomes a mask over all rows in a few array operations, where a
# query over millions of records would take longer than the search it narrows.
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE paper (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, abstract TEXT NOT NULL,
    authors TEXT NOT NULL, categories TEXT NOT NULL, published TEXT, updated TEXT, doi TEXT, journal_ref TEXT,
    versions INTEGER NOT NULL
);
CREATE TABLE category (code TEXT PRIMARY KEY, papers INTEGER NOT NULL, rows BLOB NOT NULL) WITHOUT ROWID;
"""
_INSERT = "INSERT INTO paper VALUES (?,?,?,?,?,?,?,?,?,?,?)"
_COLUMNS = "id, title, abstract, authors, categories, published, updated, doi, journal_ref, versions"
_DAY, _ROW = np.dtype("<i4"), np.dtype("<u4")
_FILTERS_KEPT = 16
_MOST_PARAMETERS = 900  # SQLite takes a thousand in its oldest builds

_to_json = msgspec.json.encode
_names = msgspec.json.Decoder(tuple[str, ...]).decode


class CatalogueWriter:
    """Writes a catalogue into a file that does not exist yet; not safe for use by two threads at once."""

    def __init__(self, path: Path, snapshot_id: str) -> None:
        """Makes the file and notes whose catalogue it is."""
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # What is written here is published whole or thrown away: a journal would protect nothing.
        self._db.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN; {_TABLES}")
        self._db.execute("INSERT INTO about VALUES ('snapshot', ?)", (snapshot_id,))
        self._days: list[NDArray[np.int32]] = []
        self._rows: defaultdict[str, list[NDArray[np.uint32]]] = defaultdict(list)
        self._count = 0

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are taken."""
        return set(_rows_of(self._db, ids))

    def add(self, papers: Sequence[Paper]) -> None:
        """Adds papers as the next rows."""
        first = self._count
        self._db.executemany(_INSERT, (_record(row, paper) for row, paper in enumerate(papers, first)))
        days = (day_of(paper) for paper in papers)
        self._days.append(np.fromiter((day.toordinal() if day else 0 for day in days), _DAY, len(papers)))
        by_category: defaultdict[str, list[int]] = defaultdict(list)
        for row, paper in enumerate(papers, first):
            for code in dict.fromkeys(paper.categories):
                by_category[code].append(row)
        for code, rows in by_category.items():
            self._rows[code].append(np.asarray(rows, _ROW))
        self._count += len(papers)

    def close(self) -> None:
        """Writes the filter columns and closes the file."""
        days = np.concatenate(self._days) if self._days else np.empty(0, _DAY)
        self._db.execute("INSERT INTO about VALUES ('papers', ?)", (self._count,))
        self._db.execute("INSERT INTO about VALUES ('days', ?)", (days.tobytes(),))
        merged = ((code, np.concatenate(parts)) for code, parts in sorted(self._rows.items()))
        self._db.executemany(
            "INSERT INTO category VALUES (?,?,?)", ((code, len(rows), rows.tobytes()) for code, rows in merged)
        )
        self._db.execute("COMMIT")
        self._db.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        self._db.close()


class SqliteCatalogue:
    """A catalogue opened for reading, which any number of threads may use."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            SnapshotInvalid: it is no catalogue, or is damaged.
        """
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        try:
            about = dict(self._db.execute("SELECT name, value FROM about"))
            counts = self._db.execute("SELECT code, papers FROM category ORDER BY papers DESC, code").fetchall()
            self.snapshot_id = str(about["snapshot"])
            self._count = int(about["papers"])
            self._days = np.frombuffer(about["days"], _DAY)
        except (sqlite3.Error, KeyError, ValueError, TypeError) as error:
            self.close()
            raise SnapshotInvalid(path, f"is not a catalogue that can be read ({error})") from error
        if len(self._days) != self._count:
            self.close()
            raise SnapshotInvalid(path, f"has {len(self._days)} days for {self._count} papers")
        self._categories: Mapping[str, int] = MappingProxyType(dict(counts))
        self._span = _span(self._days)
        self._matching = lru_cache(_FILTERS_KEPT)(self._match)

    @property
    def categories(self) -> Mapping[str, int]:
        """Every category in the corpus with the number of its papers, the largest first."""
        return self._categories

    @property
    def span(self) -> tuple[date | None, date | None]:
        """The days of the oldest and of the newest paper."""
        return self._span

    def __len__(self) -> int:
        """Number of papers."""
        return self._count

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """The rows of those of the ids that the corpus has."""
        return _rows_of(self._db, ids)

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        """The papers of these rows, in the order asked, fetched in one statement."""
        if not rows:
            return []
        marks = ",".join("?" * len(rows))
        found = self._db.execute(f"SELECT row, {_COLUMNS} FROM paper WHERE row IN ({marks})", list(map(int, rows)))
        papers = {record[0]: _paper(*record[1:]) for record in found}
        return [papers[row] for row in rows]

    def matching(self, wanted: Filter) -> RowSet:
        """The rows admitted by days, categories and rows; the last few are remembered, for the next page."""
        return self._matching(wanted)

    def close(self) -> None:
        """Closes every thread's connection; nothing may be read any more."""
        while self._opened:
            self._opened.pop().close()

    def _match(self, wanted: Filter) -> RowSet:
        mask = np.ones(self._count, np.bool_)
        for clause in wanted.clauses:
            if clause.field in (Field.CATEGORY, Field.ROW):
                mask &= self._having(clause) != clause.excluded
        if wanted.first or wanted.last:
            mask &= self._days >= (wanted.first or date.min).toordinal()
            mask &= self._days <= (wanted.last or date.max).toordinal()
        return RowSet(mask, int(np.count_nonzero(mask)))

    def _having(self, clause: Clause) -> NDArray[np.bool_]:
        mask = np.zeros(self._count, np.bool_)
        if clause.field is Field.ROW:
            mask[list(map(int, clause.values))] = True
            return mask
        for code in clause.values:
            for (rows,) in self._db.execute("SELECT rows FROM category WHERE code = ?", (code,)):
                mask[np.frombuffer(rows, _ROW)] = True
        return mask

    @property
    def _db(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # `immutable` spares the locks: a published catalogue never changes.
            address = f"{self._path.absolute().as_uri()}?mode=ro&immutable=1"
            connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._local.connection = connection
            self._opened.append(connection)
        return connection


def _rows_of(db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for at in range(0, len(ids), _MOST_PARAMETERS):
        some = list(ids[at : at + _MOST_PARAMETERS])
        found.update(db.execute(f"SELECT id, row FROM paper WHERE id IN ({','.join('?' * len(some))})", some))
    return found


def _record(row: int, paper: Paper) -> tuple[Any, ...]:
    return (
        *(row, paper.id, paper.title, paper.abstract),
        *(_to_json(paper.authors).decode(), _to_json(paper.categories).decode()),
        *(paper.published and paper.published.isoformat(), paper.updated and paper.updated.isoformat()),
        *(paper.doi, paper.journal_ref, paper.versions),
    )


def _paper(*fields: Any) -> Paper:
    paper_id, title, abstract, authors, categories, published, updated, doi, journal_ref, versions = fields
    return Paper(
        *(paper_id, title, abstract, _names(authors), _names(categories)),
        *(published and date.fromisoformat(published), updated and date.fromisoformat(updated)),
        *(doi, journal_ref, versions),
    )


def _span(days: NDArray[np.int32]) -> tuple[date | None, date | None]:
    known = days[days > 0]
    if not len(known):
        return None, None
    return date.fromordinal(int(known.min())), date.fromordinal(int(known.max()))
