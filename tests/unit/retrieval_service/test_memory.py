"""Test the limit of malloc's arenas, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retrieval_service import memory

THREADS = """
import ctypes, threading
from retrieval_service.memory import limit_arenas
{limit}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
held, done = [], threading.Barrier(9)
def take():
    held.append(libc.malloc(100_000))
    done.wait()
threads = [threading.Thread(target=take) for _ in range(8)]
[one.start() for one in threads]
done.wait()
# Arenas other than the main one lie at multiples of 64 MiB.
print(len({{address >> 26 for address in held}}))
"""


def arenas(limit: str) -> int:
    code = THREADS.format(limit=limit)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc")
def test_threads_share_two_arenas() -> None:
    assert arenas("pass") > 2
    assert arenas("limit_arenas()") <= 2


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    memory.limit_arenas()
