"""How many threads FAISS takes for a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss


def use_one_thread() -> None:
    """Has FAISS use one thread for what the calling thread asks: requests run beside each other, not inside."""
    faiss.omp_set_num_threads(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """FAISS with one thread for what is asked inside."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
