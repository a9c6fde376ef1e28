"""Letting go of the pages of a mapped file that were only read on the way."""

from __future__ import annotations

import ctypes
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_MADV_DONTNEED = 4


def forget_pages(path: Path) -> None:
    """Takes a file's pages out of this process's memory, where the file is mapped read-only; they come back when used.

    FAISS copies packed lists out of the mapping when it reads an index, and would keep both in memory. Where the
    system has no such call, nothing is done.
    """
    if not _MAPS.exists():
        return
    advise = ctypes.CDLL(None, use_errno=True).madvise
    advise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    name = str(path.resolve())
    for line in _MAPS.read_text().splitlines():
        place, rights, *_, mapped = line.split(maxsplit=5)
        # Pages that were written to would be lost.
        if mapped == name and "w" not in rights:
            first, end = (int(address, 16) for address in place.split("-"))
            advise(first, end - first, _MADV_DONTNEED)
