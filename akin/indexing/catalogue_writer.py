"""Write a catalogue: a new one, or a copy of another one that is changed."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from akin.papers import Paper
from retrieval_service.adapters.sqlite_catalogue import DAY_TYPE, DOI_INDEX, ROW_TYPE, papers_of, rows_of
from retrieval_service.errors import SnapshotInvalid
from retrieval_service.filter import day_of

# Filter columns are stored as whole arrays, so that a filter becomes a mask over all rows in a few array operations. A
# query over millions of records would take longer than the search itself.
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE paper (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, abstract TEXT NOT NULL,
    authors TEXT NOT NULL, categories TEXT NOT NULL, published TEXT, updated TEXT, doi TEXT, journal_ref TEXT,
    versions INTEGER NOT NULL
);
CREATE TABLE category (code TEXT PRIMARY KEY, papers INTEGER NOT NULL, rows BLOB NOT NULL) WITHOUT ROWID;
"""
_ADDED = (
    "comments TEXT",
    "withdrawn INTEGER NOT NULL DEFAULT 0",
    "authors_parsed INTEGER NOT NULL DEFAULT 0",
    "publication TEXT",
)
"""Columns of `paper` that earlier releases did not write."""

_WITHDRAWN = "\0withdrawn"
"""Key of the withdrawn papers among the categories, which it cannot be itself."""

_FETCHED = 900
_INSERT = "INSERT INTO paper VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"

_to_json = msgspec.json.encode


class CatalogueWriter:
    """Writes a new catalogue, or changes a copy of another one. For one thread at a time."""

    def __init__(self, path: Path, snapshot_id: str, *, continued: bool = False) -> None:
        """Create the file, or continue the copied file at this path, and store the id of the snapshot.

        Raises:
            SnapshotInvalid: the file to continue is not a catalogue.
        """
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._days: list[NDArray[np.int32]] = []
        self._rows: defaultdict[str, list[NDArray[np.uint32]]] = defaultdict(list)
        self._count = 0
        self._changed: set[int] = set()
        self._edited = False
        # The file is published complete or deleted: a journal would protect nothing.
        begin = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN;"
        try:
            if continued:
                self._db.executescript(begin)
                self._add_columns()
                self._continue()
            else:
                self._db.executescript(f"{begin} {_TABLES}")
                self._add_columns()
            self._db.execute("INSERT INTO about VALUES ('snapshot', ?)", (snapshot_id,))
        except (sqlite3.DatabaseError, KeyError, ValueError, TypeError) as error:
            self._db.close()
            if not continued:
                raise
            raise SnapshotInvalid(path, f"is not a catalogue that can be continued ({error})") from error

    def __len__(self) -> int:
        """Return the number of papers so far."""
        return self._count

    def rows(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of these papers by id; ids without a paper are left out."""
        return rows_of(self._db, ids)

    def papers(self, rows: Sequence[int]) -> list[Paper]:
        """Return the papers of these rows, in this order."""
        runs = (rows[at : at + _FETCHED] for at in range(0, len(rows), _FETCHED))
        return [paper for run in runs for paper in papers_of(self._db, run)]

    def add(self, papers: Sequence[Paper]) -> None:
        """Add papers as the next rows."""
        first = self._count
        self._db.executemany(_INSERT, (_record(row, paper) for row, paper in enumerate(papers, first)))
        self._days.append(_days_of(papers))
        for code, rows in _rows_by_category(range(first, first + len(papers)), papers).items():
            self._rows[code].append(rows)
        self._count += len(papers)

    def replace(self, row: int, paper: Paper) -> None:
        """Replace the paper of a row."""
        self.rewrite(row, paper)
        self._changed.add(row)
        self._edited = True

    def rewrite(self, row: int, paper: Paper) -> None:
        """Write the paper of a row in its present form; its day, its categories and its flag are as they were."""
        self._db.execute("DELETE FROM paper WHERE row = ?", (row,))
        self._db.execute(_INSERT, _record(row, paper))

    def withdraw(self, rows: Sequence[int]) -> list[int]:
        """Remove the papers of these rows, and move the last papers into their rows, so that there are no gaps.

        Returns:
            The rows that hold another paper now.
        """
        gone, before = set(rows), self._count
        for row in gone:
            self._db.execute("DELETE FROM paper WHERE row = ?", (row,))
        self._count -= len(gone)
        holes = sorted(row for row in gone if row < self._count)
        movers = [row for row in range(self._count, before) if row not in gone]
        for hole, mover in zip(holes, movers, strict=True):
            self._db.execute("UPDATE paper SET row = ? WHERE row = ?", (hole, mover))
        self._changed.update(holes)
        self._edited = True
        return holes

    def close(self) -> None:
        """Write the filter columns and close the file."""
        days = np.concatenate(self._days)[: self._count] if self._days else np.empty(0, DAY_TYPE)
        columns = {code: np.concatenate(parts) for code, parts in self._rows.items()}
        if self._edited:
            days, columns = self._recalculate(days, columns)
        self._db.execute("INSERT INTO about VALUES ('papers', ?)", (self._count,))
        self._db.execute("INSERT INTO about VALUES ('days', ?)", (days.tobytes(),))
        withdrawn = columns.pop(_WITHDRAWN, np.empty(0, ROW_TYPE))
        self._db.execute("INSERT INTO about VALUES ('withdrawn', ?)", (withdrawn.tobytes(),))
        self._db.executemany(
            "INSERT INTO category VALUES (?,?,?)",
            ((code, len(rows), rows.tobytes()) for code, rows in sorted(columns.items()) if len(rows)),
        )
        self._db.execute(DOI_INDEX)
        self._db.execute("COMMIT")
        self._db.close()

    def abandon(self) -> None:
        """Close the file without writing the filter columns."""
        self._db.close()

    def _add_columns(self) -> None:
        known = {name for _, name, *_ in self._db.execute("PRAGMA table_info(paper)")}
        for column in (column for column in _ADDED if column.split()[0] not in known):
            self._db.execute(f"ALTER TABLE paper ADD COLUMN {column}")

    def _continue(self) -> None:
        about = dict(self._db.execute("SELECT name, value FROM about"))
        self._count = int(about["papers"])
        self._days.append(np.frombuffer(about["days"], DAY_TYPE))
        self._rows[_WITHDRAWN].append(np.frombuffer(about.get("withdrawn", b""), ROW_TYPE))
        for code, rows in self._db.execute("SELECT code, rows FROM category"):
            self._rows[code].append(np.frombuffer(rows, ROW_TYPE))
        self._db.execute("DELETE FROM about")
        self._db.execute("DELETE FROM category")

    def _recalculate(
        self, days: NDArray[np.int32], columns: dict[str, NDArray[np.uint32]]
    ) -> tuple[NDArray[np.int32], dict[str, NDArray[np.uint32]]]:
        """Return the filter columns, with the rows whose paper was replaced or moved calculated again."""
        changed = sorted(row for row in self._changed if row < self._count)
        papers = self.papers(changed)
        days = days.copy()
        days[changed] = _days_of(papers)
        longest = max((int(rows.max()) + 1 for rows in columns.values() if len(rows)), default=0)
        stale = np.zeros(max(self._count, longest), np.bool_)
        stale[changed] = True
        stale[self._count :] = True
        having, nothing = _rows_by_category(changed, papers), np.empty(0, ROW_TYPE)
        updated = {}
        for code in {*columns, *having}:
            kept = columns.get(code, nothing)
            updated[code] = np.sort(np.concatenate([kept[~stale[kept]], having.get(code, nothing)]))
        return days, updated


def _rows_by_category(rows: Iterable[int], papers: Sequence[Paper]) -> dict[str, NDArray[np.uint32]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, paper in zip(rows, papers, strict=True):
        for code in dict.fromkeys(paper.categories):
            found[code].append(row)
        if paper.withdrawn:
            found[_WITHDRAWN].append(row)
    return {code: np.asarray(having, ROW_TYPE) for code, having in found.items()}


def _days_of(papers: Sequence[Paper]) -> NDArray[np.int32]:
    days = (day_of(paper) for paper in papers)
    return np.fromiter((day.toordinal() if day else 0 for day in days), DAY_TYPE, len(papers))


def _record(row: int, paper: Paper) -> tuple[Any, ...]:
    return (
        *(row, paper.id, paper.title, paper.abstract),
        *(_to_json(paper.authors).decode(), _to_json(paper.categories).decode()),
        *(paper.published and paper.published.isoformat(), paper.updated and paper.updated.isoformat()),
        *(paper.doi, paper.journal_ref, paper.versions),
        *(paper.comments, paper.withdrawn, paper.authors_parsed),
        _to_json(paper.publication).decode() if paper.publication else None,
    )
