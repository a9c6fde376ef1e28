"""Exact search with torch: all vectors in half precision on one GPU, every one compared with the query.

2.5 million vectors of 384 dimensions take 1.9 GB. The query is in half precision too where all vectors are compared;
the best are then compared again with the whole query, so that the order is that of an exact search over the stored
vectors. Filters are masks on the same device.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from retrieval_service.adapters.gpu_index import InMemory, stored_parts
from retrieval_service.adapters.micro_batches import Found, MicroBatches
from retrieval_service.ports import Elsewhere, Hits, RowSet, Vectors

_SCORES = 2**28
"""The most scores at a time: a gigabyte."""

_SPARE = 32
"""Rows beyond k that are compared again: more than a query's rounding can put before the k-th."""


class TorchExactIndex:
    """Index of unit vectors on a device, searched exactly; thread-safe.

    Attributes:
        status: Always None: there is no other index to fall back to (gpu_index.py has one).
        place: Words for where and how vectors are searched.
    """

    elsewhere: Elsewhere = "gpu"

    def __init__(self, matrix: Any, *, slice_rows: int | None = None, place: str = "exact, torch") -> None:
        """Take a matrix of half precision, [vectors, dim], on its device.

        Args:
            matrix: The vectors.
            slice_rows: The number of vectors that are compared at once; None for as many as memory suggests.
            place: Words for where and how vectors are searched.
        """
        self.status: str | None = None
        self.place = place
        self._matrix = matrix
        self._slice_rows = slice_rows
        self._score = _scorer(matrix)
        self._device = threading.Lock()
        self._mask: tuple[RowSet, Any] | None = None
        self._worker = MicroBatches(lambda vectors, k, _: self.search_batch(vectors, k), most=256)

    @classmethod
    def of(cls, main: InMemory, device: str, *, place: str = "exact, torch") -> TorchExactIndex:
        """Copy the stored vectors of an index to a device, a part at a time."""
        matrix = torch.empty(len(main), main.dim, dtype=torch.float16, device=device)
        for at, vectors in stored_parts(main):
            matrix[at : at + len(vectors)] = torch.from_numpy(np.ascontiguousarray(vectors))
        return cls(matrix, place=place)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return int(self._matrix.shape[1])

    def __len__(self) -> int:
        """Return the number of vectors."""
        return int(self._matrix.shape[0])

    def can_answer(self, k: int, within: RowSet | None, nprobe: int | None) -> bool:
        """Return True: every k and every filter is answered."""
        return True

    def search(self, vector: Vectors, k: int, *, within: RowSet | None = None, nprobe: int | None = None) -> Hits:
        """Return the k admitted rows of greatest inner product with a vector [dim]; there are no lists to probe."""
        filtered = within is not None and within.count < len(self)
        k = min(k, within.count if within is not None else len(self))
        if k <= 0:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        if not filtered:
            return self._worker.search(vector, k)
        scores, rows = self.search_batch(vector.reshape(1, -1), k, within=within)
        return Hits(rows[0], scores[0])

    def search_batch(self, vectors: Vectors, k: int, *, within: RowSet | None = None) -> Found:
        """Return scores and rows, [n, k] each, of the k admitted rows nearest to each vector; there must be so many.

        Equal scores are in the order of the rows.
        """
        step = self._slice_rows or max(k, _SCORES // len(vectors))
        with self._device, torch.inference_mode():
            queries = torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).to(self._matrix.device)
            mask = None if within is None else self._mask_of(within)
            scores, rows = [], []
            for at in range(0, len(self), step):
                part = self._score(queries, self._matrix[at : at + step])
                if mask is not None:
                    part = part.masked_fill_(~mask[at : at + step], -torch.inf)
                best = part.topk(min(k + _SPARE, part.shape[1]), dim=1)
                scores.append(best.values)
                rows.append(best.indices + at)
            some = torch.cat(scores, dim=1)
            best = some.topk(min(k + _SPARE, some.shape[1]), dim=1)
            candidates = torch.cat(rows, dim=1).gather(1, best.indices)
            again = torch.bmm(self._matrix[candidates].float(), queries.unsqueeze(2)).squeeze(2)
            found = again.masked_fill(best.values == -torch.inf, -torch.inf).cpu().numpy()
            which = candidates.cpu().numpy()
        order = np.lexsort((which, -found), axis=1)[:, :k]
        return np.take_along_axis(found, order, 1), np.take_along_axis(which, order, 1)

    def vectors(self, rows: Sequence[int]) -> Vectors:
        """Return the stored vectors of some rows, float32 [n, dim]."""
        wanted = torch.as_tensor(np.asarray(rows, np.int64), device=self._matrix.device)
        found: Vectors = self._matrix[wanted].float().cpu().numpy()
        return found

    def close(self) -> None:
        """End the worker and release the memory."""
        self._worker.close()
        self._mask = None
        self._matrix = self._matrix[:0]

    def _mask_of(self, within: RowSet) -> Any:
        """Return a filter's mask on the device; the last one is kept, as a search pages through one filter."""
        if self._mask is None or self._mask[0] is not within:
            self._mask = (within, torch.from_numpy(within.mask).to(self._matrix.device))
        return self._mask[1]


def _scorer(matrix: Any) -> Callable[[Any, Any], Any]:
    """Return a function that gives the scores of queries and vectors in single precision, [queries, vectors]."""
    if matrix.is_cuda:
        return lambda queries, part: torch.mm(queries.half(), part.T, out_dtype=torch.float32)
    return lambda queries, part: queries.half().float() @ part.T.float()
