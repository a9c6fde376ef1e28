"""Test what a command says where FAISS for GPUs lacks the libraries of CUDA."""

from __future__ import annotations

import pytest

from akin import cli
from akin.errors import NotSetUp


@pytest.mark.parametrize("ours", [True, False])
def test_the_missing_package_is_named_in_one_line(
    ours: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacks = "faiss-gpu installed but nvidia-cuda-runtime-cu12 is missing — pip install 'nvidia-cuda-runtime-cu12'"

    def fails() -> None:
        raise RuntimeError(lacks if ours else "another bug")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit if ours else RuntimeError) as told:
        cli.main()
    if ours:
        assert told.value.args == (NotSetUp.exit_code,)
        assert capsys.readouterr().err == f"akin: {lacks}; or install faiss-cpu in its place, which needs no CUDA.\n"
