"""Keep freed memory from being lost between the threads' parts of it."""

from __future__ import annotations

import ctypes

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_ARENAS = 2


def limit_arenas() -> None:
    """Let threads share two arenas of malloc, where the C library is glibc; call it before there are threads.

    By default each thread has one, and what is freed in one is not used in another: each change of the snapshot, which
    another thread opens, took 4 MB more, until all arenas were as large as the largest.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(_ARENA_MAX, _ARENAS)
