"""Test how the GPU benchmark finds the device."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu import find_gpu


def test_a_machine_without_a_gpu_gets_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="no NVIDIA GPU here"):
        find_gpu()


def test_the_device_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA L4, 550.54.15, 23034 MiB'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert find_gpu() == {"name": "NVIDIA L4", "driver": "550.54.15", "memory": "23034 MiB"}
