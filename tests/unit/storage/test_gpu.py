from __future__ import annotations

from pathlib import Path

import pytest

from akin.storage import gpu


def test_the_driver_is_read_from_the_kernel_or_asked_from_nvidia_smi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = tmp_path / "version"
    monkeypatch.setattr(gpu, "_LOADED", loaded)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.driver_version() is None
    loaded.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n")
    assert gpu.driver_version() == "535.104.05"
    loaded.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n")
    assert gpu.driver_version() == "580.65.06"
    loaded.unlink()
    program = tmp_path / "nvidia-smi"
    for answer, version in (("570.1.2\n570.1.2", "570.1.2"), ("No devices were found", None)):
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
        assert gpu.driver_version() == version


@pytest.mark.parametrize(
    ("driver", "cuda", "available", "words"),
    [
        ("580.65", "13.0", True, None),
        ("550.54", "12.8", True, None),
        ("550.54", "13.0", False, "driver 550.54 is too old for torch's CUDA 13.0, which needs 580 or newer: update"),
        ("580.65", None, False, "torch is built for CPUs: install its build"),
        ("580.65", "13.0", False, "torch sees no GPU although driver 580.65 is loaded: check CUDA_VISIBLE_DEVICES"),
        (None, "13.0", False, "there is no NVIDIA driver (or no GPU): install the driver"),
    ],
)
def test_what_does_not_fit_is_named(driver: str | None, cuda: str | None, available: bool, words: str | None) -> None:
    reason = gpu.unusable("torch", cuda, driver, available)
    assert reason is None if words is None else str(reason).startswith(words)


def test_the_first_card_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    program = tmp_path / "nvidia-smi"
    cards = "NVIDIA L4, 550.54.15, 23034 MiB\nNVIDIA T4, 550.54.15, 15360 MiB"
    for answer, found in (
        (f"echo '{cards}'", ("NVIDIA L4", "550.54.15", "23034 MiB")),
        ("echo 'No devices were found'", None),
        ("exit 9", None),
    ):
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)
        assert gpu.first_card() == found
    program.unlink()
    assert gpu.first_card() is None


def test_memory_that_is_lacking_is_told_in_gib() -> None:
    assert gpu.lacking_memory("the index", 2**31, 2**31) is None
    assert str(gpu.lacking_memory("the index", 2**31, 2**30)).startswith(
        "the index needs 2.0 GiB of GPU memory and 1.0"
    )
