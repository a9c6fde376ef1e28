"""The references between the papers of a snapshot, as arrays that are mapped into memory.

    references/cites.ends      uint64 [papers]: where the list of each row ends in cites.rows
    references/cites.rows      uint32 [pairs]: the rows that each row cites, ascending
    references/cited-by.ends   the same the other way round
    references/cited-by.rows
    references/totals          uint32 [papers]: citations of each row, at least those within the corpus

All numbers are little-endian. Reading a list touches a few pages of the files, and nothing else is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval_service.errors import SnapshotInvalid
from retrieval_service.ports import Rows

FOLDER = "references"
CITES, CITED_BY, TOTALS = "cites", "cited-by", "totals"
ROW_TYPE, END_TYPE = np.dtype("<u4"), np.dtype("<u8")


class ReferenceArrays:
    """The references of an opened snapshot; any number of threads may use them.

    Attributes:
        totals: Citations of each row, uint32 [papers].
    """

    def __init__(self, directory: Path, papers: int) -> None:
        """Map the files of a snapshot.

        Raises:
            SnapshotInvalid: A file is missing, or is not of a snapshot with so many papers.
        """
        self._folder = directory / FOLDER
        self._papers = papers
        self._cites = self._lists(CITES)
        self._cited_by = self._lists(CITED_BY)
        self.totals: NDArray[np.uint32] = self._mapped(TOTALS, ROW_TYPE)
        self._require(TOTALS, len(self.totals), papers)
        self._require(f"{CITED_BY}.rows", len(self), len(self._cites[1]))

    def __len__(self) -> int:
        """Return the number of pairs of a citing and a cited paper."""
        return len(self._cited_by[1])

    def cites(self, row: int) -> Rows:
        """Return the rows that a row cites, ascending."""
        return _part(self._cites, row)

    def cited_by(self, row: int) -> Rows:
        """Return the rows that cite a row, ascending."""
        return _part(self._cited_by, row)

    def counts(self, row: int) -> tuple[int, int, int]:
        """Return the citations of a row, those within the corpus, and the papers of the corpus that it cites."""
        return int(self.totals[row]), len(_span(self._cited_by[0], row)), len(_span(self._cites[0], row))

    def pairs(self, first: int, end: int) -> tuple[Rows, Rows]:
        """Return the pairs whose citing row is from `first` to before `end`: citing and cited rows."""
        ends, rows = self._cites
        begins = np.concatenate([[ends[first - 1] if first else 0], ends[first:end]]).astype(np.int64)
        lengths = begins[1:] - begins[:-1]
        return np.repeat(np.arange(first, end), lengths), np.asarray(rows[begins[0] : begins[-1]], np.int64)

    def _lists(self, name: str) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        ends, rows = self._mapped(f"{name}.ends", END_TYPE), self._mapped(f"{name}.rows", ROW_TYPE)
        self._require(f"{name}.ends", len(ends), self._papers)
        self._require(f"{name}.rows", len(rows), int(ends[-1]) if len(ends) else 0)
        return ends, rows

    def _require(self, name: str, found: int, right: int) -> None:
        if found != right:
            raise SnapshotInvalid(
                self._folder / name,
                f"has {found:,} numbers, not {right:,}: it is of another snapshot; import the references again",
            )

    def _mapped(self, name: str, kind: np.dtype[Any]) -> NDArray[Any]:
        path = self._folder / name
        try:
            size = path.stat().st_size
            if size % kind.itemsize:
                raise SnapshotInvalid(path, f"has {size} bytes, which is not a multiple of {kind.itemsize}")
            # A file without content cannot be mapped.
            return np.memmap(path, kind, "r") if size else np.empty(0, kind)
        except OSError as error:
            raise SnapshotInvalid(path, f"cannot be read ({error.strerror})") from error


def _part(lists: tuple[NDArray[np.uint64], NDArray[np.uint32]], row: int) -> Rows:
    ends, rows = lists
    span = _span(ends, row)
    return np.asarray(rows[span.start : span.stop], np.int64)


def _span(ends: NDArray[np.uint64], row: int) -> range:
    return range(int(ends[row - 1]) if row else 0, int(ends[row]))
