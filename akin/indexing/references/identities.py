"""Find the row of a paper by the ids that sources of citations use."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from akin.papers import bare_doi, parse_arxiv_id

_ARXIV_DOI = "10.48550/arxiv."
_ARXIV_DOI_ADDRESS = f"https://doi.org/{_ARXIV_DOI}"
_LONGEST_CHAIN = 20  # works that were merged one after another


class CorpusRows:
    """The rows of a corpus by the ids and DOIs of its papers, in memory: some 200 bytes for each."""

    def __init__(self, catalogue: Path) -> None:
        """Read a catalogue."""
        with closing(sqlite3.connect(f"{catalogue.absolute().as_uri()}?mode=ro", uri=True)) as db:
            self._ids: dict[str, int] = dict(db.execute("SELECT id, row FROM paper"))
            dois = db.execute("SELECT doi, row FROM paper WHERE doi IS NOT NULL ORDER BY row DESC")
            # Of several papers with a DOI, the first row stays.
            self._dois: dict[str, int] = {doi.lower(): row for text, row in dois if (doi := bare_doi(text))}

    def __len__(self) -> int:
        """Return the number of papers."""
        return len(self._ids)

    def by_own_id(self, text: str | None) -> int | None:
        """Return the row of a paper by its own id, exactly as the corpus writes it."""
        return self._ids.get(text) if text else None

    def by_id(self, text: str) -> int | None:
        """Return the row of a paper by its own id, any form of an arXiv id, or a DOI; None if the corpus lacks it."""
        if (row := self._ids.get(text)) is not None:
            return row
        if (row := self.by_arxiv(text)) is not None:
            return row
        return self.by_doi(text)

    def by_arxiv(self, text: str | None) -> int | None:
        """Return the row of a paper by any form of its arXiv id, with a version or an address around it."""
        found = parse_arxiv_id(text) if text else None
        if found is None:
            return None
        row = self._ids.get(found.id)
        return self._dois.get(_ARXIV_DOI + found.id.lower()) if row is None else row

    def by_doi(self, text: str | None) -> int | None:
        """Return the row of a paper by its DOI; arXiv's own DOIs name the arXiv id."""
        if not text:
            return None
        lower = text.lower()
        if lower.startswith(_ARXIV_DOI_ADDRESS):
            return self.by_arxiv(lower.removeprefix(_ARXIV_DOI_ADDRESS))
        doi = bare_doi(lower)
        if doi is None:
            return None
        if doi.startswith(_ARXIV_DOI):
            return self.by_arxiv(doi.removeprefix(_ARXIV_DOI))
        return self._dois.get(doi)


class SourceIds:
    """The rows of the ids that one source gives to works.

    Several works may be one paper (a preprint and its journal version). A work that was matched to several rows gets
    the first of them, so that the order of records does not matter.
    """

    def __init__(self) -> None:
        """Begin without ids."""
        self._ids, self._rows = array("Q"), array("q")
        self._old, self._new = array("Q"), array("Q")
        self._sorted: tuple[NDArray[np.uint64], NDArray[np.int64]] | None = None

    def add(self, work: int, row: int) -> None:
        """Add a work that is the paper of a row."""
        self._ids.append(work)
        self._rows.append(row)

    def add_merger(self, old: int, new: int) -> None:
        """Add the id of a work that was merged into another one."""
        self._old.append(old)
        self._new.append(new)

    def rows_of(self, works: Iterable[int] | NDArray[Any]) -> NDArray[np.int64]:
        """Return the row of each work; -1 for one that is no paper of the corpus. No work may be added afterwards."""
        ids, rows = self._frozen()
        wanted = works if isinstance(works, np.ndarray) else np.fromiter(works, np.uint64)
        if not len(ids):
            return np.full(len(wanted), -1, np.int64)
        at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
        return np.where(ids[at] == wanted, rows[at], -1)

    def _frozen(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        if self._sorted is None:
            works, rows = np.asarray(self._ids, np.uint64), np.asarray(self._rows, np.int64)
            self._sorted = _sorted(works, rows)
            old, new = np.asarray(self._old, np.uint64), np.asarray(self._new, np.uint64)
            for _ in range(_LONGEST_CHAIN):
                found = self.rows_of(new)
                if not len(old) or not (found >= 0).any():
                    break
                works, rows = np.append(works, old[found >= 0]), np.append(rows, found[found >= 0])
                self._sorted = _sorted(works, rows)
                old, new = old[found < 0], new[found < 0]
        return self._sorted


def _sorted(works: NDArray[np.uint64], rows: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    order = np.lexsort((rows, works))
    ids, first = np.unique(works[order], return_index=True)
    return ids, rows[order][first]
