"""Telling by an index's own codes if a row holds the vector that it should."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval_service.adapters.faiss_index import FaissIndex
from retrieval_service.ports import Rows, Vectors

# Coding is repeatable: what differs by more than rounding is another vector's code ...
_ROUNDING = 1e-3
# ... or one just as near to the vector, where two lists are equally near to it, or where coding draws at random.
_AS_NEAR = 1.25


def holds(index: FaissIndex, rows: Rows, vectors: Vectors) -> NDArray[np.bool_] | None:
    """Return for each row, bool [n], if its code is that of a vector; None where the rows cannot be read back.

    The vector is coded as the index codes, and decoded. Its row must hold the same, or, which comes to the same in a
    search, a code that is as near to the vector as its own.

    Args:
        index: any that is served.
        rows: int64 [n].
        vectors: float32 [n, dim], what they should hold.
    """
    if not index.readable:
        return None
    held = index.vectors(rows)  # type: ignore[arg-type]  # an array of rows is a sequence to FAISS
    coder = index.row_coder
    coded = coder.sa_decode(coder.sa_encode(np.ascontiguousarray(vectors)))
    apart, error, expected = (
        np.linalg.norm(one - other, axis=1) for one, other in ((held, coded), (held, vectors), (coded, vectors))
    )
    return np.asarray((apart <= _ROUNDING) | (error <= _AS_NEAR * expected + _ROUNDING), np.bool_)
