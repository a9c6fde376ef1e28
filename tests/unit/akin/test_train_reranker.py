"""`akin train reranker KEY=VALUE` gives the training command its options."""

from __future__ import annotations

from pathlib import Path

import pytest

from akin.cli.train import reranker_arguments
from akin.errors import BadSetting
from akin.stack_settings import Settings


def test_words_become_options(settings: Settings, tmp_path: Path) -> None:
    words = ["papers=runs/one", "minutes=30", "batch_size=64", "model=a=b"]
    assert reranker_arguments(settings, words) == [
        "--data",
        str(tmp_path / "training"),
        "--papers=runs/one",
        "--minutes=30",
        "--batch-size=64",
        "--model=a=b",
    ]


@pytest.mark.parametrize("word", ["minutes", "=3", "--minutes=3", "a b=c", ""])
def test_another_word_is_refused(settings: Settings, word: str) -> None:
    with pytest.raises(BadSetting, match="KEY=VALUE"):
        reranker_arguments(settings, [word])


def test_papers_must_be_named(settings: Settings) -> None:
    with pytest.raises(BadSetting, match="needs papers to train on: papers=FILE"):
        reranker_arguments(settings, ["minutes=3"])
