"""A cross-encoder leaves out negatives that it takes for answers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from sentence_transformers import CrossEncoder

from training.data.cross_encoder_filter import CrossEncoderFilter, check
from training.errors import SourceError

from ..conftest import WORDS

QUERIES = WORDS[:4]
POSITIVES = WORDS[4:8]
CANDIDATES = [
    [word for word in WORDS if word not in (query, positive)]
    for query, positive in zip(QUERIES, POSITIVES, strict=True)
]


@pytest.fixture(scope="module")
def make(tiny_bert: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Return a function that makes a tiny CrossEncoder with a number of outputs."""

    def made(outputs: int) -> Path:
        base = tiny_bert(8).parent / "base"
        torch.manual_seed(1)
        config = transformers.AutoConfig.from_pretrained(base, num_labels=outputs)
        folder = tmp_path_factory.mktemp("cross")
        model = transformers.BertForSequenceClassification(config)
        torch.nn.init.normal_(model.classifier.weight, std=10)
        model.save_pretrained(folder)
        transformers.AutoTokenizer.from_pretrained(base).save_pretrained(folder)
        return folder

    return made


def scores(folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the logits of the positives and of all candidates."""
    model = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity())
    own = model.predict(list(zip(QUERIES, POSITIVES, strict=True)))
    others = [
        model.predict([(query, text) for text in texts]) for query, texts in zip(QUERIES, CANDIDATES, strict=True)
    ]
    return own, others


def test_candidates_above_the_limit_are_left_out_and_the_order_is_kept(make: Callable[[int], Path]) -> None:
    folder = make(1)
    own, others = scores(folder)
    for margin in (0.0, 0.2):
        judge = CrossEncoderFilter(str(folder), margin, device="cpu", batch_size=4)
        expected = [np.flatnonzero(row <= limit - margin).tolist() for row, limit in zip(others, own, strict=True)]
        assert judge.choose(QUERIES, POSITIVES, CANDIDATES, 100) == expected
        assert judge.choose(QUERIES, POSITIVES, CANDIDATES, 2) == [row[:2] for row in expected]
        if not margin:
            assert 0 < sum(map(len, expected)) < sum(map(len, CANDIDATES))
    assert judge.choose([], [], [], 1) == []
    assert judge.choose(QUERIES, POSITIVES, [[]] * 4, 1) == [[]] * 4


def test_no_more_candidates_are_scored_than_are_needed(
    make: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = CrossEncoderFilter(str(make(1)), 0.0, device="cpu", batch_size=4)
    asked: list[int] = []

    def count(texts: list[tuple[str, str]]) -> np.ndarray:
        asked.append(len(texts))
        return np.zeros(len(texts))

    monkeypatch.setattr(judge, "_scores", count)
    assert judge.choose(QUERIES, POSITIVES, CANDIDATES, 1) == [[0]] * 4
    assert asked == [4, 4]


def test_what_is_no_cross_encoder_is_refused(make: Callable[[int], Path], tmp_path: Path) -> None:
    for wrong in (str(tmp_path), str(tmp_path / "nowhere"), "./nowhere"):
        with pytest.raises(SourceError, match=r"mine\.filter: .* no config\.json"):
            check(wrong)
    check("owner/name")
    with pytest.raises(SourceError, match="gives 2 scores"):
        CrossEncoderFilter(str(make(2)), 0.0, device="cpu", batch_size=4)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SourceError, match="cannot be loaded as a CrossEncoder"):
        CrossEncoderFilter(str(tmp_path), 0.0, device="cpu", batch_size=4)
