from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from akin.storage import digest
from akin.storage.digest import file_digest


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2500])
def test_every_byte_of_a_file_counts(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "_BLOCK", 1000)
    content = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()
