from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from retrieval_service.adapters.faiss_index import forget_pages


def resident_kb(path: Path) -> int:
    """Return how many KiB of a mapped file are in this process's memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = next(place for place, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) for line in lines[at:] if line.startswith("Rss:"))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="the system has no smaps")
def test_pages_go_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a file"
    content = bytes(range(256)) * 4096
    path.write_bytes(content)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ) as mapped:
        assert mapped[:] == content
        assert resident_kb(path) >= 1024
        forget_pages(path)
        assert resident_kb(path) == 0
        assert mapped[:] == content
    forget_pages(tmp_path / "not mapped")
