"""Sort pairs of rows into lists, with a bounded part of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval_service.adapters.reference_arrays import END_TYPE, ROW_TYPE

PARTS = 64
"""Files that pairs are divided into. Of 100 million pairs, one holds some 13 MB, and the fullest a few times that."""

_KEY = np.dtype("<u8")
_LOW = np.uint64(0xFFFFFFFF)


class PairFiles:
    """Pairs of rows on the disk, divided by the first row of each; the order in which they are added is lost."""

    def __init__(self, folder: Path, papers: int) -> None:
        """Make a folder for pairs of so many papers."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._span = -(-papers // PARTS) or 1

    def add(self, first: NDArray[Any], second: NDArray[Any]) -> None:
        """Add pairs; a pair may be added any number of times."""
        if not len(first):
            return
        keys = (first.astype(np.uint64) << np.uint64(32)) | second.astype(np.uint64)
        part = (first // self._span).astype(np.uint8)
        order = np.argsort(part, kind="stable")
        numbers, begins = np.unique(part[order], return_index=True)
        for number, some in zip(numbers.tolist(), np.split(keys[order], begins[1:]), strict=True):
            with (self._folder / str(number)).open("ab") as file:
                file.write(some.astype(_KEY).tobytes())

    def parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], int]]:
        """Yield the pairs by their first row and then their second, each once, with the number of repeated ones.

        Each part is removed when it was read.
        """
        for number in range(PARTS):
            path = self._folder / str(number)
            if path.exists():
                keys = np.fromfile(path, _KEY)
                path.unlink()
                given = len(keys)
                keys = np.unique(keys)
                first, second = (keys >> np.uint64(32)).astype(np.int64), (keys & _LOW).astype(np.int64)
                yield first, second, given - len(keys)


def write_lists(
    pairs: PairFiles, folder: Path, name: str, papers: int, transposed: PairFiles | None = None
) -> tuple[NDArray[np.int64], int]:
    """Write the list of each row; return the lengths of the lists, int64 [papers], and the number of repeated pairs.

    Args:
        pairs: the pairs: a row, and what its list has.
        folder: folder of the arrays.
        name: name of the two files, without their endings.
        papers: number of rows.
        transposed: gets each pair the other way round.
    """
    lengths = np.zeros(papers, np.int64)
    repeated = 0
    with (folder / f"{name}.rows").open("wb") as file:
        for first, second, again in pairs.parts():
            lengths += np.bincount(first, minlength=papers)
            repeated += again
            file.write(second.astype(ROW_TYPE).tobytes())
            if transposed is not None:
                transposed.add(second, first)
    (folder / f"{name}.ends").write_bytes(np.cumsum(lengths).astype(END_TYPE).tobytes())
    return lengths, repeated
