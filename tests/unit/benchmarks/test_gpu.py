"""Test that the GPU benchmark says what it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import gpu


def test_a_machine_without_a_gpu_gets_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["gpu"])
    with pytest.raises(SystemExit, match="no NVIDIA GPU here"):
        gpu.main()
