"""Test the description of the CPU, which Linux gives for each core."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.storage import cpu

TWO_CORES = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu avx512_vnni\n"


@pytest.mark.parametrize(
    ("text", "name", "features"),
    [(TWO_CORES, "A CPU", {"fpu", "avx2"}), ("Features\t: asimd bf16\n", None, {"asimd", "bf16"}), (None, None, set())],
)
def test_the_first_core_is_read(
    text: str | None, name: str | None, features: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> str:
        if text is None:
            raise FileNotFoundError
        return text

    monkeypatch.setattr(Path, "read_text", read)
    assert cpu.cpu_fields().get("model name") == name
    assert cpu.cpu_features() == features
